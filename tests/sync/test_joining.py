"""A box joins with a one-time code, the right hub only, whatever its clock says."""

from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.accounts.models import AuditEntry
from eduhub.delivery.models import PinnedRoot
from eduhub.errors import AlreadyJoined, BadSignature, JoinRefused, LinkDown, NodeRefused
from eduhub.installation import Installation
from eduhub.sync import auth
from eduhub.sync.allowance import schedule_clock
from eduhub.sync.boxes import joining, nodes
from eduhub.sync.models import JoinCode, Node, Upstream
from tests.sync.world import WEDNESDAY_MS, Hub


def join(hub: Hub, box: Installation, code: str, transport: httpx.BaseTransport | None = None) -> Node:
    return joining.join(box, "http://hub.test", code, transport=transport or hub.wire)


def test_a_box_joins_and_both_sides_know_it_by_one_row(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    node = join(hub, box, hub.code(school))
    with hub.here.database.read() as at_hub, box.database.read() as at_box:
        there, here = at_hub.get_one(Node, node.uid), at_box.get_one(Node, node.uid)
        assert (there.name, there.org_uid, there.site_uid) == ("shuanghu-3", school.org, school.site)
        assert here.certificate == there.certificate
        assert here.signing_public == box.keys.node_signing.public.hex()
        assert at_box.get_one(PinnedRoot, 1).public == hub.here.keys.root.public.hex()


def test_a_code_is_typed_in_any_case_with_or_without_hyphens(hub: Hub, box: Installation) -> None:
    code = hub.code(hub.school("Shuanghu"))
    join(hub, box, code.lower().replace("-", " ").replace("0", "o").replace("1", "l"))


def test_only_a_hash_of_the_code_is_kept(hub: Hub) -> None:
    code = hub.code(hub.school("Shuanghu"))
    with hub.here.database.read() as session:
        kept = session.scalars(select(JoinCode)).one()
    assert code.replace("-", "")[:10] not in str(vars(kept))


def test_another_hub_is_found_out_before_the_code_is_said(
    hub: Hub, box: Installation, make_installation: Callable[..., Installation]
) -> None:
    code = hub.code(hub.school("Shuanghu"))
    stranger = Hub(make_installation(role="hub"))
    with pytest.raises(JoinRefused):
        join(stranger, box, code)
    assert [path for _method, path, _range in stranger.wire.requests] == ["/sync/v1/hello"]
    assert join(hub, box, code).name == "shuanghu-3"  # the code is as good as before


def test_a_code_works_once(hub: Hub, make_box: Callable[[], Installation]) -> None:
    code = hub.code(hub.school("Shuanghu"))
    join(hub, make_box(), code)
    with pytest.raises(JoinRefused):
        join(hub, make_box(), code)


@pytest.mark.parametrize("has_key_changed", [False, True])
def test_an_answer_that_was_lost_is_given_again(hub: Hub, box: Installation, has_key_changed: bool) -> None:
    code = hub.code(hub.school("Shuanghu"))
    hub.wire.lose_answers_to = {"/sync/v1/join"}
    with pytest.raises(LinkDown):
        join(hub, box, code)
    hub.wire.lose_answers_to = set()
    if has_key_changed:
        hub.rotate_and_revoke()
    node = join(hub, box, code)
    with hub.here.database.read() as session:
        assert session.scalars(select(Node.uid)).all() == [node.uid]
        written_down = session.scalars(select(AuditEntry).where(AuditEntry.action == "sync.join_box")).all()
        assert [(row.subject_uid, row.org_uid, row.by_uid) for row in written_down] == [(node.uid, node.org_uid, None)], "once"


def test_two_codes_for_one_name_let_one_box_join(hub: Hub, make_box: Callable[[], Installation]) -> None:
    school = hub.school("Shuanghu")
    first, second = hub.code(school, "shuanghu-3"), hub.code(school, "shuanghu-3")
    joining.join(make_box(), "http://hub.test", second, transport=hub.wire)
    with pytest.raises(JoinRefused) as refused:
        joining.join(make_box(), "http://hub.test", first, transport=hub.wire)
    assert refused.value.facts["reason"] == "taken"
    with hub.here.database.read() as session:
        assert [node.name for node in session.scalars(select(Node))] == ["shuanghu-3"]


def test_a_code_runs_out_by_running_time(hub: Hub, box: Installation) -> None:
    code = hub.code(hub.school("Shuanghu"))
    with hub.here.database.write() as session:
        session.scalars(select(JoinCode)).one().expires_steady_s -= nodes.CODE_LASTS_S + 1
    with pytest.raises(JoinRefused):
        join(hub, box, code)


@pytest.mark.parametrize("code", ["", "AAAAA", "UUUUU-UUUUU-UUUUU-UUUUU", "AAAAA-AAAAA-AAAAA-AAAAA-A"])
def test_what_is_no_code_is_refused_without_asking_anybody(hub: Hub, box: Installation, code: str) -> None:
    with pytest.raises(JoinRefused):
        join(hub, box, code)
    assert hub.wire.requests == []


@pytest.mark.parametrize("wrong_ms", [0, 4_000_000_000_000])
def test_a_box_whose_clock_is_wrong_by_decades_joins(hub: Hub, box: Installation, wrong_ms: int) -> None:
    code = hub.code(hub.school("Shuanghu"))
    clock.freeze(wrong_ms)
    assert join(hub, box, code).name == "shuanghu-3"


def test_a_box_that_has_joined_refuses_to_join_again(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    join(hub, box, hub.code(school))
    with pytest.raises(AlreadyJoined):
        join(hub, box, hub.code(school, "shuanghu-4"))


def test_a_box_that_was_shut_out_is_refused_at_once(hub: Hub, box: Installation) -> None:
    node_uid = hub.join(box, hub.school("Shuanghu"))
    with hub.here.database.write() as session:
        nodes.revoke(session, hub.here, node_uid, "2026-11-25")
    with pytest.raises(NodeRefused):
        hub.sync(box)


def test_an_answer_changed_on_the_way_is_refused_and_nothing_is_kept(hub: Hub, box: Installation) -> None:
    code = hub.code(hub.school("Shuanghu"))
    hub.wire.spoil = lambda path, _at, piece: piece.replace(b"shuanghu-3", b"shuanghu-4") if path.endswith("join") else piece
    with pytest.raises(BadSignature):
        join(hub, box, code)
    with box.database.read() as session:
        assert session.get(PinnedRoot, 1) is None
        assert session.scalars(select(Upstream)).first() is None


def test_a_signature_serves_for_one_request_only(hub: Hub, box: Installation) -> None:
    node_uid = hub.join(box, hub.school("Shuanghu"))
    nonce = auth.new_nonce(hub.here)
    line = auth.header(box.keys.node_signing, node_uid, nonce, "GET", "/sync/v1/stream?after=0", b"")
    with hub.here.database.read() as session:
        assert auth.node_of(session, hub.here, line, "GET", "/sync/v1/stream?after=0", b"").uid == node_uid
        for method, target, body in (
            ("POST", "/sync/v1/stream?after=0", b""), ("GET", "/sync/v1/stream?after=1", b""),
            ("GET", "/sync/v1/stream?after=0", b"{}"),
        ):  # fmt: skip
            with pytest.raises(NodeRefused):
                auth.node_of(session, hub.here, line, method, target, body)


def test_a_nonce_of_another_hub_or_hour_is_refused(hub: Hub, make_installation: Callable[..., Installation]) -> None:
    stranger = make_installation(role="hub")
    with pytest.raises(NodeRefused):
        auth.check_nonce(hub.here, auth.new_nonce(stranger))
    with pytest.raises(NodeRefused):
        auth.check_nonce(hub.here, "00" * 16 + "-5-" + "00" * 16)


def test_the_schedule_clock_is_hub_time_and_the_boxs_own_clock_moves_nothing(hub: Hub, box: Installation) -> None:
    with box.database.read() as session:
        assert schedule_clock.now_ms(session, box.steady) is None
    hub.join(box, hub.school("Shuanghu"))
    clock.freeze(4_000_000_000_000)
    with box.database.read() as session:
        known = schedule_clock.now_ms(session, box.steady)
    assert known is not None
    assert 0 <= known - WEDNESDAY_MS < 60_000
