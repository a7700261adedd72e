"""Who did what, for the operator and for each school's admin, with names only for who may see the roster."""

from collections.abc import Callable

import pytest

from eduhub import clock
from eduhub.accounts import audit, people
from eduhub.installation import Installation
from eduhub.uids import new_uid
from eduhub.web.edge import PAGE_ROWS
from tests.web.world import Reader, World, add_adult

Browser = Callable[[], Reader]
NOON = 1_795_665_600_000  # 2026-11-26 12:00 in China


def write(installation: Installation, action: str, org_uid: str, subject_uid: str, by: str = "pema") -> None:
    with installation.database.write() as session:
        audit.note(session, action, by_uid=people.called(session, by)[0].uid, org_uid=org_uid, subject_uid=subject_uid)


def test_an_admin_reads_who_did_what_at_the_school_and_nothing_of_another(
    browser: Browser, installation: Installation, world: World
) -> None:
    write(installation, "accounts.issue_card", world.school, world.dolma)
    write(installation, "accounts.issue_card", world.other_school, world.stranger, by="norbu")
    page = browser().sign_in("pema").get(f"/schools/{world.school}/audit").text
    assert "made a card" in page
    assert "Dolma" in page
    assert "Karma" not in page
    assert "Norbu" not in page


def test_whoever_is_not_of_the_school_is_not_named_to_its_admin(
    browser: Browser, installation: Installation, world: World
) -> None:
    write(installation, "plan.add", world.school, world.stranger, by="norbu")
    page = browser().sign_in("pema").get(f"/schools/{world.school}/audit").text
    assert "somebody who is not of the school" in page
    assert "Norbu" not in page
    assert "Karma" not in page


def test_the_operator_reads_all_of_it_with_names(browser: Browser, installation: Installation, world: World) -> None:
    write(installation, "accounts.issue_card", world.school, world.dolma)
    write(installation, "plan.add", world.other_school, world.other_group, by="norbu")
    page = browser().sign_in("tenzin").get("/operator/audit").text
    for word in ("Dolma", "Norbu", "Shuanghu school", "Nyima school"):
        assert word in page


def test_the_operator_of_a_region_reads_only_what_lies_below_it(
    browser: Browser, installation: Installation, world: World
) -> None:
    with installation.database.write() as session:
        add_adult(session, "Sonam", world.region, "region_operator", "organisation", world.school)
    write(installation, "accounts.issue_card", world.school, world.dolma)
    write(installation, "jobs.stop", "", new_uid(), by="tenzin")
    write(installation, "accounts.issue_card", world.other_school, world.stranger, by="norbu")
    page = browser().sign_in("sonam").get("/operator/audit").text
    assert "made a card" in page
    assert "stopped a job" not in page
    assert "Nyima school" not in page


def test_the_list_is_asked_for_by_action_and_by_the_schools_day(
    browser: Browser, installation: Installation, world: World
) -> None:
    clock.freeze(NOON)
    write(installation, "accounts.issue_card", world.school, world.dolma)
    clock.freeze(NOON + 13 * 3_600_000)  # past midnight there, still the same day in London
    write(installation, "plan.add", world.school, world.group)
    clock.freeze(None)
    pema = browser().sign_in("pema")
    address = f"/schools/{world.school}/audit"
    made, planned = "<b><bdi>Pema</bdi></b> made a card", "<b><bdi>Pema</bdi></b> planned a lesson"
    for asked, seen in (("", (True, True)), ("?action=plan.add", (False, True)), ("?day=2026-11-26", (True, False)),
                        ("?day=2026-11-27", (False, True)), ("?day=nonsense&page=99", (True, True)), ("?day=0001-01-01", (False, False)),
                        ("?day=9999-12-31", (True, True))):  # fmt: skip
        answer = pema.get(address + asked)
        assert answer.status_code == 200
        assert (made in answer.text, planned in answer.text) == seen, asked


def test_a_long_list_has_pages_that_keep_what_was_asked(browser: Browser, installation: Installation, world: World) -> None:
    with installation.database.write() as session:
        for _ in range(PAGE_ROWS + 1):
            audit.note(session, "plan.add", by_uid=None, org_uid=world.school, subject_uid=world.group)
    pema = browser().sign_in("pema")
    first = pema.get(f"/schools/{world.school}/audit?action=plan.add").text
    assert 'href="?action=plan.add&amp;page=2"' in first
    assert "the system" in pema.get(f"/schools/{world.school}/audit?action=plan.add&page=2").text


@pytest.mark.parametrize("reader", ["tashi", "norbu"])
def test_a_teacher_and_another_schools_admin_may_not_read_it(browser: Browser, world: World, reader: str) -> None:
    assert browser().sign_in(reader).get(f"/schools/{world.school}/audit").status_code == 403


@pytest.mark.parametrize(
    ("reader", "page", "address", "sent", "word"),
    [
        ("pema", "/schools/{school}/groups/new", "/schools/{school}/groups/new", {"stage": "primary", "intake_year": "2023", "class_number": "1"}, "made a class"),
        ("tashi", "/teaching/courses/{course}/lessons/new", "/teaching/courses/{course}/lessons/new", {"title": "Ice", "language": "en"}, "added a lesson"),
        ("tashi", "/teaching/courses/new", "/teaching/courses/new", {"title": "Maths", "language": "en", "audience": "own", "org_uid": "{school}"}, "made a course"),
        ("tashi", "/teaching/courses/{course}", "/teaching/courses/{course}/units", {"title": "Snow", "language": "en"}, "added a unit"),
        ("tashi", "/teaching/lessons/{draft}", "/teaching/lessons/{draft}/video", {}, "sent a video"),
    ],
)  # fmt: skip
def test_what_admins_and_teachers_do_is_written_down(
    browser: Browser, world: World, reader: str, page: str, address: str, sent: dict[str, str], word: str
) -> None:
    fill = {name: value.format(**vars(world)) for name, value in sent.items()}
    done = browser().sign_in(reader).post(address.format(**vars(world)), fill, page=page.format(**vars(world)))
    assert done.status_code == 303, done.text
    assert word in browser().sign_in("pema").get(f"/schools/{world.school}/audit").text
