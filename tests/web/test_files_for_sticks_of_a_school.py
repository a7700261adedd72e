"""Files for sticks at the hub: a school's admin has them for the school's own box, and for no other's."""

import pytest

from eduhub.installation import Installation
from eduhub.schools import organisations
from eduhub.sync.courier import jobs
from eduhub.sync.models import Node
from tests.sync.parcels import left_over, made_of, names_in, send, work
from tests.web.test_pages_of_sticks import box_of, reader
from tests.web.world import Reader, World, add_adult


@pytest.fixture
def own(installation: Installation, world: World) -> str:
    """The box of Pema's school."""
    return box_of(installation, world.school, "shuanghu-1")


@pytest.fixture
def other(installation: Installation, world: World) -> str:
    """The box of Norbu's school."""
    return box_of(installation, world.other_school, "nyima-1")


def file_of(page: str) -> str:
    """The uid of the newest file that a page offers."""
    return page.split("/sticks/files/")[1].split('"')[0]


def pack(who: Reader, page: str, *boxes: str) -> int:
    answer = who.post(f"{page}/pack", {"box": list(boxes), "size": "all"}, page=page)
    return int(answer.status_code)


def test_a_schools_admin_fetches_a_file_for_the_schools_box(installation: Installation, world: World, own: str) -> None:
    pema, page = reader(installation, "pema"), f"/schools/{world.school}/sticks"
    assert page in pema.get(f"/schools/{world.school}").text
    assert pack(pema, page, own) == 303
    work(installation)
    shown = pema.get(page).text
    assert "Made for: shuanghu-1" in shown
    answer = pema.get(f"{page}/files/{file_of(shown)}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/x-tar"
    assert f"acks/{own}.json" in names_in(answer.data)


def test_no_file_is_made_for_another_schools_box(installation: Installation, world: World, own: str, other: str) -> None:
    pema, page = reader(installation, "pema"), f"/schools/{world.school}/sticks"
    assert pack(pema, page, other) == 404
    assert pack(pema, page, own, other) == 404
    work(installation)
    assert left_over(installation) == []


def test_a_file_for_two_schools_is_neithers(installation: Installation, world: World, own: str, other: str) -> None:
    tenzin = reader(installation, "tenzin")
    pack(tenzin, "/operator/sticks", own, other)
    work(installation)
    file_uid = file_of(tenzin.get("/operator/sticks").text)
    assert tenzin.get(f"/operator/sticks/files/{file_uid}").status_code == 200
    for name, org_uid in (("pema", world.school), ("norbu", world.other_school)):
        who = reader(installation, name)
        assert who.get(f"/schools/{org_uid}/sticks/files/{file_uid}").status_code == 403
        assert who.get(f"/operator/sticks/files/{file_uid}").status_code == 403
        assert "Made for" not in who.get(f"/schools/{org_uid}/sticks").text


def test_an_admin_of_another_school_gets_nothing_of_it(installation: Installation, world: World, own: str) -> None:
    pema, norbu, page = reader(installation, "pema"), reader(installation, "norbu"), f"/schools/{world.school}/sticks"
    pack(pema, page, own)
    work(installation)
    file_uid = file_of(pema.get(page).text)
    for asked in (page, f"{page}/files/{file_uid}"):
        assert norbu.get(asked).status_code == 403
    assert norbu.get(f"/schools/{world.other_school}/sticks/files/{file_uid}").status_code == 403
    assert "shuanghu-1" not in norbu.get(f"/schools/{world.other_school}/sticks").text


def test_a_region_fetches_for_its_own_schools_only(installation: Installation, world: World, own: str) -> None:
    with installation.database.write() as session:
        far = organisations.add(session, kind="region", names={"en": "Ngari"})
        add_adult(session, "Sonam", far.uid, "region_operator", "organisation", far.uid)
        add_adult(session, "Yeshe", world.region, "region_operator", "organisation", world.region)
    tenzin = reader(installation, "tenzin")
    pack(tenzin, "/operator/sticks", own)
    work(installation)
    file_uid = file_of(tenzin.get("/operator/sticks").text)
    assert reader(installation, "sonam").get(f"/operator/sticks/files/{file_uid}").status_code == 403
    assert reader(installation, "yeshe").get(f"/operator/sticks/files/{file_uid}").status_code == 200


def test_a_box_that_was_shut_out_meanwhile_gets_no_file(installation: Installation, world: World, own: str) -> None:
    tenzin = reader(installation, "tenzin")
    pack(tenzin, "/operator/sticks", own)
    work(installation)
    file_uid = file_of(tenzin.get("/operator/sticks").text)
    with installation.database.write() as session:
        session.get_one(Node, own).revoked_on = "2026-11-25"
    assert tenzin.get(f"/operator/sticks/files/{file_uid}").status_code == 403


def test_what_is_of_another_schools_box_is_left_out(installation: Installation, world: World, own: str, other: str) -> None:
    pema, page = reader(installation, "pema"), f"/schools/{world.school}/sticks"
    want = {f"eduhub-courier/want/{box}.json": b"{}" for box in (own, other)}
    send(pema, f"{page}/home", [(made_of(want), "home.tar")], page=page)
    work(installation)
    shown = pema.get(page).text
    assert "1 file is nothing that a box sends home" in shown  # hers was a bad one, and theirs was not looked at
    assert "or damaged; they were left alone." in shown
    assert "nyima" not in shown
    assert "home.tar" not in reader(installation, "norbu").get(f"/schools/{world.other_school}/sticks").text
    assert left_over(installation) == []


def test_where_nothing_is_ready_there_is_nothing(installation: Installation, world: World, own: str) -> None:
    tenzin = reader(installation, "tenzin")
    pack(tenzin, "/operator/sticks", own)
    with installation.database.read() as session:
        ((job, _trip),) = jobs.trips_of(session)
    assert tenzin.get(f"/operator/sticks/files/{job.uid}").status_code == 404
    assert tenzin.get(f"/operator/sticks/files/{world.lesson}").status_code == 404
    assert pack(tenzin, "/operator/sticks") == 303
    assert "Choose the schools" in tenzin.get("/operator/sticks").text
