"""People of a school: found by a part of the name, changed, moved, left; cards for a class; tasks and courses ended."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from eduhub.accounts import credentials, people, roles
from eduhub.accounts.models import AuditEntry, Person, RoleGrant
from eduhub.courses.models import GroupCourse
from eduhub.installation import Installation
from eduhub.schools import enrolment
from tests.web.world import Reader, World

Browser = Callable[[], Reader]


@pytest.mark.parametrize(
    ("typed", "found", "not_found"),
    [("ལྷ", "ལྷ་མོ།", "Dolma"), ("ལྷམོ", "ལྷ་མོ།", "Dolma"), ("dol", "Dolma", "ལྷ་མོ།"), ("小", "王小明", "Dolma"), ("王 小明", "王小明", "Dolma")],
)
def test_somebody_is_found_by_a_part_of_the_name_in_any_script(
    browser: Browser, world: World, installation: Installation, typed: str, found: str, not_found: str
) -> None:
    with installation.database.write() as session:
        people.add(session, org_uid=world.school, name="王小明")
    path = f"/schools/{world.school}/people"
    answer = browser().sign_in("pema").post(path, {"name": typed}, page=path)
    listed = answer.text.split('<ul class="list">')[1]
    assert found in listed
    assert not_found not in listed
    assert "Karma" not in listed  # of another school
    nobody = browser().sign_in("pema").post(path, {"name": "་"}, page=path)
    assert "Nobody is called so." in nobody.text


def test_the_lists_of_children_without_a_class_without_a_card_and_of_those_who_left(browser: Browser, world: World) -> None:
    pema = browser().sign_in("pema")
    path = f"/schools/{world.school}/people"
    pema.post(f"/people/{world.dolma}/card/lost", page=f"/people/{world.dolma}")
    without_card = pema.get(f"{path}?without_card=1").text
    assert "Dolma" in without_card
    assert "ལྷ་མོ།" not in without_card
    assert f"/groups/{world.group}/cards" in without_card
    leaving = f"/people/{world.lhamo}/leave"
    assert pema.post(leaving, {"reason": "transferred", "on": "2026-11-23"}, page=leaving).status_code == 303
    assert "ལྷ་མོ།" in pema.get(f"{path}?left=1").text
    assert "ལྷ་མོ།" not in pema.get(path).text
    assert "ལྷ་མོ།" not in pema.get(f"{path}?without_class=1").text


def test_a_child_who_left_is_out_of_the_class_and_the_card_opens_nothing(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema, dolma = browser().sign_in("pema"), browser().card(world.dolma_card)
    path = f"/people/{world.dolma}/leave"
    pema.post(path, {"reason": "graduated", "on": "2026-11-23"}, page=path)
    assert dolma.get(f"/lessons/{world.lesson}").status_code == 401
    with installation.database.read() as session:
        assert enrolment.current(session, person_uid=world.dolma, on="2026-11-23") == []
    page = pema.get(f"/people/{world.dolma}").text
    assert "Has left the school." in page
    back = pema.post(f"/people/{world.dolma}/enrolments", {"group_uid": world.group}, page=f"/people/{world.dolma}")
    assert back.status_code == 303
    assert "Has left the school." not in pema.get(f"/people/{world.dolma}").text


def test_a_refused_name_stays_typed(browser: Browser, world: World) -> None:
    pema, path = browser().sign_in("pema"), f"/people/{world.dolma}/edit"
    refused = pema.post(path, {"name": "", "language": "zh", "picture": "moon"}, page=path)
    assert refused.status_code == 400
    assert "Type the name." in refused.text
    assert re.search(r'<option (?=[^>]*selected)(?=[^>]*value="zh")', refused.text)
    assert pema.post(path, {"name": "D", "language": "fr", "picture": "moon"}, page=path).status_code == 400


def test_the_cards_of_a_class_are_one_sheet_and_the_form_sent_twice_makes_no_second(browser: Browser, world: World) -> None:
    pema, path = browser().sign_in("pema"), f"/groups/{world.group}/cards"
    page = pema.get(path).text
    assert page.count("has a card") == 2
    form = {"person_uid": [world.dolma, world.lhamo, world.stranger]}
    form |= {f"replaces-{uid}": found for uid, found in re.findall(r'name="replaces-([0-9a-f-]+)" value="([0-9a-f-]*)"', page)}
    sheet = pema.post(path, form, page=path)
    codes = re.findall(r'class="code">([^<]+)<', sheet.text)
    assert len(codes) == 2
    assert sheet.text.count("<svg") >= 2
    assert sheet.headers["Cache-Control"] == "no-store"
    assert "Karma" not in sheet.text
    for code in codes:
        assert browser().card(code).get("/").status_code == 200
    twice = pema.post(path, form, page=path, follow_redirects=True)
    assert "No card was made" in twice.text
    assert browser().card(codes[0]).get("/").status_code == 200
    assert browser().card(world.stranger_card).get("/").status_code == 200
    refused = browser().post("/card", {"token": world.dolma_card}, page="/card")
    assert refused.status_code == 400


def test_a_lost_card_is_useless_at_once_and_is_noted(browser: Browser, world: World, installation: Installation) -> None:
    pema = browser().sign_in("pema")
    path = f"/people/{world.dolma}"
    assert pema.post(f"{path}/card/lost", page=path).status_code == 303
    assert browser().post("/card", {"token": world.dolma_card}, page="/card").status_code == 400
    assert "no card" in pema.get(path).text
    with installation.database.read() as session:
        assert session.scalars(select(AuditEntry).where(AuditEntry.action == "accounts.card_lost")).one().subject_uid == world.dolma


def test_a_teachers_task_is_ended_but_not_the_admins_own(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.read() as session:
        tashi, pema_uid = (people.called(session, name)[0].uid for name in ("tashi", "pema"))
        grants = {grant.person_uid: grant.uid for grant in session.scalars(
            select(RoleGrant).where(RoleGrant.scope_uid == world.school, RoleGrant.role.in_(("teacher", "school_admin")))
        )}  # fmt: skip
    pema, path = browser().sign_in("pema"), f"/people/{tashi}"
    assert f"/roles/{grants[tashi]}/end" in pema.get(path).text
    assert f"/roles/{grants[pema_uid]}/end" not in pema.get(f"/people/{pema_uid}").text
    assert pema.post(f"/roles/{grants[tashi]}/end", page=path).status_code == 303
    assert pema.post(f"/roles/{grants[pema_uid]}/end", page=path).status_code == 409
    assert browser().sign_in("norbu").post(f"/roles/{grants[tashi]}/end").status_code == 403
    with installation.database.read() as session:
        assert session.get_one(RoleGrant, grants[tashi]).ended_on is not None
        assert session.get_one(RoleGrant, grants[pema_uid]).ended_on is None


def test_a_course_is_taken_away_from_a_class_and_its_children_see_it_no_more(
    browser: Browser, world: World, installation: Installation
) -> None:
    pema, path = browser().sign_in("pema"), f"/groups/{world.group}"
    end = re.search(r'action="(/group-courses/[0-9a-f-]+/end)"', pema.get(path).text)
    assert end
    assert browser().sign_in("norbu").post(end[1]).status_code == 403
    done = pema.post(end[1], page=path, follow_redirects=True)
    assert "takes the course Science no more." in done.text
    assert "This class takes no course yet." in done.text
    with installation.database.read() as session:
        assert session.scalars(select(GroupCourse).where(GroupCourse.group_uid == world.group)).one().ended_on is not None


@pytest.mark.parametrize("page", ["/people/{dolma}/edit", "/people/{dolma}/leave", "/groups/{group}/cards"])
def test_another_schools_admin_is_refused(browser: Browser, world: World, installation: Installation, page: str) -> None:
    path = page.format(dolma=world.dolma, group=world.group)
    norbu = browser().sign_in("norbu")
    assert norbu.get(path).status_code == 403
    assert norbu.post(path, {"name": "Mine", "person_uid": world.dolma}).status_code == 403
    assert norbu.post(f"/people/{world.dolma}/move", {"group_uid": world.other_group}).status_code == 403
    pema = browser().sign_in("pema")
    elsewhere = pema.post(f"/people/{world.dolma}/move", {"group_uid": world.other_group}, page=f"/people/{world.dolma}")
    assert elsewhere.status_code == 404
    with installation.database.read() as session:
        assert session.get_one(Person, world.dolma).name == "Dolma"


def test_a_class_that_was_made_by_mistake_is_closed_by_the_button_of_the_next_page(browser: Browser, world: World) -> None:
    pema, path = browser().sign_in("pema"), f"/schools/{world.school}/groups/new"
    typed = {"stage": "primary", "intake_year": "2020", "class_number": "7"}
    made = pema.post(path, typed, page=path, follow_redirects=True)
    act = re.findall(r'name="act" value="([^"]+)"', made.text)
    assert len(act) == 1
    home = f"/schools/{world.school}"
    name = re.search(r"The class (.*?) was made", made.text)
    assert name
    assert name[1] in pema.get(home).text
    pema.post(f"{home}/history/undo", {"act": act}, page=home)
    assert name[1] not in pema.get(home).text.split("Classes</h2>")[1]
    again = pema.post(path, typed | {"class_number": "8"}, page=path, follow_redirects=True)
    twice = pema.post(path, typed | {"class_number": "8"}, page=path, follow_redirects=True)
    assert ("Undo" in again.text, "Undo" in twice.text) == (True, False)


def test_no_card_is_made_for_an_adult_who_was_put_into_a_class(browser: Browser, world: World, installation: Installation) -> None:
    """Whoever prints it could sign in as they: an operator whose home is the school, too."""
    with installation.database.write() as session:
        sonam = people.add(session, org_uid=world.school, name="Sonam", sign_in_name="sonam").uid
        roles.grant(
            session, person_uid=sonam, role="operator", scope_kind="all", scope_uid=None, org_uid=world.school, starts_on="2026-01-01"
        )
        enrolment.enrol(session, person_uid=sonam, group_uid=world.group, starts_on="2026-01-01")  # as one from an old box
    pema, path = browser().sign_in("pema"), f"/groups/{world.group}/cards"
    assert "Sonam" in pema.get(f"/groups/{world.group}").text
    assert "Sonam" not in pema.get(path).text
    answer = pema.post(path, {"person_uid": sonam, f"replaces-{sonam}": ""}, page=path)
    assert answer.status_code == 303
    with installation.database.read() as session:
        assert credentials.card_of(session, sonam) == ""


def test_no_card_is_made_for_whoever_was_an_adult_or_will_be(browser: Browser, world: World, installation: Installation) -> None:
    """An undone end of the task, or the first day of it, would make whoever printed the card that adult."""
    with installation.database.write() as session:
        retired = people.add(session, org_uid=world.school, name="Retired", sign_in_name="retired").uid
        coming = people.add(session, org_uid=world.school, name="Coming").uid
        for person_uid, starts_on in ((retired, "2026-01-01"), (coming, "2999-09-01")):
            made = roles.grant(
                session, person_uid=person_uid, role="teacher", scope_kind="organisation", scope_uid=world.school,
                org_uid=world.school, starts_on=starts_on,
            )  # fmt: skip
            if person_uid == retired:
                roles.end(session, made.uid, "2026-02-01")
            enrolment.enrol(session, person_uid=person_uid, group_uid=world.group, starts_on="2026-01-01")
    pema, path = browser().sign_in("pema"), f"/groups/{world.group}/cards"
    page, cardless = pema.get(path).text, pema.get(f"/schools/{world.school}/people?without_card=1").text
    for name, person_uid in (("Retired", retired), ("Coming", coming)):
        assert name not in page + cardless
        assert "Make a new card" not in pema.get(f"/people/{person_uid}").text
        assert pema.post(f"/people/{person_uid}/card", {"replaces": ""}, page=path).status_code == 400
        pema.post(path, {"person_uid": person_uid, f"replaces-{person_uid}": ""}, page=path)
    with installation.database.read() as session:
        assert [credentials.card_of(session, uid) for uid in (retired, coming)] == ["", ""]


def test_an_adult_cannot_be_put_into_a_class(browser: Browser, world: World, installation: Installation) -> None:
    with installation.database.read() as session:
        tashi = people.called(session, "tashi")[0].uid
    pema = browser().sign_in("pema")
    for path, field in (
        (f"/people/{tashi}/enrolments", {"group_uid": world.group}), (f"/people/{tashi}/move", {"group_uid": world.group}),
        (f"/groups/{world.group}/children", {"person_uid": tashi}),
    ):  # fmt: skip
        answer = pema.post(path, field, page=f"/people/{world.dolma}")
        assert answer.status_code == 409, path
        assert "no child of a class" in answer.text
    with installation.database.read() as session:
        assert enrolment.current(session, person_uid=tashi, on="2026-11-27") == []
        assert [grant.role for grant in roles.of(session, tashi, "2026-11-27")] == ["teacher", "teacher"]
