"""What a box gives to another box of its hub, and to nobody else."""

from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.delivery import catalog
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest
from eduhub.errors import BadFormat, NodeRefused
from eduhub.installation import Installation
from eduhub.signing import canonical
from eduhub.sync.boxes import nodes
from eduhub.sync.link import Link
from eduhub.sync.mirrors import grants, holdings, serving
from eduhub.sync.models import Node, Upstream
from eduhub.uids import new_uid
from tests.sync.mirrors.village import MIRROR_URL, Village, held_parts
from tests.sync.world import Hub, Wire, app_of


def granted(village: Village, node_uid: str) -> dict[str, object]:
    with village.hub.here.database.read() as session:
        return grants.make(session, village.hub.here, session.get_one(Node, node_uid))


def test_a_granted_box_gets_a_pass_and_learns_which_parts_are_here(village: Village) -> None:
    answer = village.ask([village.package, "0" * 64])
    assert set(answer["passes"]) == set(answer["holdings"]) == {village.package}
    with village.near.database.read() as session:
        manifest = Manifest.from_bytes(session.get_one(PackageRow, village.package).manifest)
    found = holdings.read(holdings.files_of(manifest), answer["holdings"][village.package])
    assert found == held_parts(village.near, village.package)
    part = manifest.parts[0]
    with httpx.Client(transport=village.wire, base_url=MIRROR_URL) as client:
        got = client.get(
            f"/p/{village.package}/{part.sha256}",
            headers={"Authorization": f"EduHub-Pass {answer['passes'][village.package]}", "Range": "bytes=0-99"},
        )
    assert (got.status_code, len(got.content)) == (206, 100)


def test_the_catalog_of_a_mirror_is_the_hubs_byte_for_byte(village: Village) -> None:
    with Link(MIRROR_URL, transport=village.wire) as mirror, Link("http://hub.test", transport=village.hub.wire) as hub:
        said, _nonce = mirror.hello()
        assert said["head"] == hub.hello()[0]["head"]
        assert "time" not in said  # it has no word on what time it is
        target = "/sync/v1/catalog/pages/0?epoch=1"
        assert mirror.get(target, signed=False) == hub.get(target, signed=False)


def test_a_mirror_takes_nothing_in_and_has_no_school_stream(village: Village) -> None:
    with httpx.Client(transport=village.wire, base_url=MIRROR_URL) as client:
        assert client.get("/sync/v1/stream?after=0").status_code == 404
        for path in ("join", "outbox", "replay", "passes"):
            assert client.post(f"/sync/v1/{path}").status_code == 404


def test_a_grant_of_another_box_serves_nobody_else(village: Village) -> None:
    with pytest.raises(NodeRefused):
        village.ask([village.package], grant=granted(village, village.near_uid))


def test_a_grant_that_has_ended_is_refused(village: Village) -> None:
    old = granted(village, village.far_uid)
    assert village.ask([village.package], grant=old)["passes"]
    clock.freeze(clock.now_ms() + grants.LASTS_MS)
    village.hub.sync(village.near)  # it learns what time it is
    with pytest.raises(NodeRefused):
        village.ask([village.package], grant=old)
    assert village.ask([village.package], grant=granted(village, village.far_uid))["passes"]


def test_while_it_does_not_know_the_time_a_mirror_lets_no_grant_end(village: Village) -> None:
    old = granted(village, village.far_uid)
    clock.freeze(clock.now_ms() + grants.LASTS_MS)
    village.hub.sync(village.near)
    with village.near.database.write() as session:
        session.scalars(select(Upstream)).one().hub_time_ms = None
    assert village.ask([village.package], grant=old)["passes"]


def test_another_schools_lesson_is_not_given(village: Village) -> None:
    secret = village.hub.lesson(village.hub.course(village.one.org, audience="own", groups=(village.one,)), position=7)
    village.hub.sync(village.near)
    assert held_parts(village.near, secret)
    answer = village.ask([secret, village.package])
    assert set(answer["passes"]) == set(answer["holdings"]) == {village.package}


def test_a_lesson_that_was_taken_back_is_not_given(village: Village) -> None:
    with village.near.database.write() as session:
        session.get_one(PackageRow, village.package).withdrawn = True
    assert village.ask([village.package])["passes"] == {}


def test_a_box_that_was_shut_out_is_refused_as_soon_as_the_mirror_has_read_of_it(village: Village) -> None:
    with village.hub.here.database.write() as session:
        nodes.revoke(session, village.hub.here, village.far_uid, "2026-11-25")
        nodes.revoke(session, village.hub.here, village.far_uid, "2026-11-26")
        assert [entry.kind for entry in catalog.entries_after(session, 0)].count("shut_out") == 1
    assert village.ask([village.package])["passes"]  # it has not heard of it
    village.hub.sync(village.near)
    with pytest.raises(NodeRefused):
        village.ask([village.package])


def test_whoever_holds_a_grant_without_its_key_is_refused(village: Village, box: Installation) -> None:
    box.keys.make_node_keys()
    with Link(MIRROR_URL, node_uid=village.far_uid, key=box.keys.node_signing, transport=village.wire) as link:
        with village.far.database.read() as session:
            shown = grants.shown(session)
        with pytest.raises(NodeRefused):
            link.post_json("/sync/v1/mirror/passes", {"packages": [village.package], "grant": shown})


def test_a_box_of_another_hub_is_refused(
    village: Village, make_installation: Callable[..., Installation], box: Installation
) -> None:
    stranger = Hub(make_installation(role="hub"))
    school = stranger.school("Elsewhere")
    stranger.join(box, school)
    stranger.sync(box)
    with pytest.raises(NodeRefused):
        village.ask([village.package], box=box)


def test_what_is_no_question_is_refused_in_words(village: Village) -> None:
    with pytest.raises(BadFormat):
        village.ask(["0" * 64] * 201)
    with pytest.raises(BadFormat):
        village.ask([village.package, "\ud800"])
    with pytest.raises(NodeRefused):
        village.ask([village.package], grant={"grant": {"format": grants.FORMAT}, "signature": {}})


@pytest.mark.parametrize("more", [[], [{}] * 300_000, list(range(150_000))], ids=["another's grant", "objects", "numbers"])
def test_what_a_stranger_sends_is_not_written_anew_before_it_is_proved_and_short(
    village: Village, box: Installation, monkeypatch: pytest.MonkeyPatch, more: list[object]
) -> None:
    shown = granted(village, village.far_uid)
    if more:  # and a proof of its own
        own = {"format": grants.FORMAT, "node": village.far_uid, "signing_public": village.far.keys.node_signing.public.hex()}
        shown = {"grant": {**own, "courses": [], "more": more}, "signature": shown["signature"]}
    else:
        box.keys.make_node_keys()
    asker = village.far if more else box
    monkeypatch.setattr(grants, "canonical", lambda _value: pytest.fail("it was written anew"))
    with Link(MIRROR_URL, node_uid=village.far_uid, key=asker.keys.node_signing, transport=village.wire) as link, pytest.raises(NodeRefused):
        link.post_json("/sync/v1/mirror/passes", {"packages": [village.package], "grant": shown})


def test_what_is_longer_than_any_question_or_bears_no_nonce_is_not_read(village: Village) -> None:
    with httpx.Client(transport=village.wire, base_url=MIRROR_URL) as client:
        nonce = client.get(f"/sync/v1/hello?nonce={'0' * 32}").json()["nonce"]
        for line, status in ((f"EduHub-Node {village.far_uid}.{nonce}.{'0' * 128}", 413), (None, 401)):
            answer = client.post(
                "/sync/v1/mirror/passes", content=b" " * (serving.MAX_QUESTION_BYTES + 1), headers={"Authorization": line} if line else {}
            )
            assert answer.status_code == status


def test_a_grant_of_as_many_courses_as_there_may_be_is_a_question(village: Village) -> None:
    with village.hub.here.database.write() as session:
        node = session.get_one(Node, village.far_uid)
        shown = grants.make(session, village.hub.here, node)
    courses = sorted([*shown["grant"]["courses"], *(new_uid() for _ in range(grants.MAX_COURSES - len(shown["grant"]["courses"])))])
    many = {**shown["grant"], "courses": courses}
    signature = village.hub.here.keys.publishing.sign(grants.FORMAT, canonical(many)).as_json()
    packages = [village.package, *(f"{number:064x}" for number in range(199))]
    assert village.package in village.ask(packages, grant={"grant": many, "signature": signature})["passes"]


def test_a_box_that_shall_be_no_mirror_answers_nobody(make_installation: Callable[..., Installation]) -> None:
    wire = Wire(app_of(make_installation(role="node", mirror=False)))
    with httpx.Client(transport=wire, base_url=MIRROR_URL) as client:
        assert client.get("/sync/v1/hello").status_code == 404
        assert client.get("/sync/v1/catalog/head").status_code == 404


def test_a_box_that_has_not_joined_is_no_mirror_yet(box: Installation) -> None:
    with httpx.Client(transport=Wire(app_of(box)), base_url=MIRROR_URL) as client:
        assert client.get("/sync/v1/hello").status_code == 404
