"""A grant says what a box may have of mirrors: made by the hub, for one box, for a while."""

from collections.abc import Callable

import pytest

from eduhub import clock
from eduhub.errors import BadFormat, BadSignature
from eduhub.installation import Installation
from eduhub.signing import canonical
from eduhub.sync.mirrors import grants, renewing
from eduhub.sync.models import Node
from tests.sync.mirrors.village import Village
from tests.sync.world import Hub


def test_a_round_brings_a_grant_for_the_courses_that_reach_the_school(village: Village) -> None:
    own = village.hub.course(village.two.org, audience="own")
    others = village.hub.course(village.one.org, audience="own")
    village.meet(village.far)
    with village.far.database.read() as session:
        held = grants.shown(session)
    assert held is not None
    assert set(held["grant"]["courses"]) == {village.course, own}
    assert others not in held["grant"]["courses"]
    assert held["grant"]["node"] == village.far_uid
    assert held["grant"]["until_ms"] - held["grant"]["made_ms"] == grants.LASTS_MS


def test_a_grant_is_asked_for_again_when_half_its_time_is_over_and_not_before(village: Village) -> None:
    def asked() -> int:
        before = len(village.hub.wire.requests)
        village.hub.sync(village.near)
        return sum(path == "/sync/v1/passes" for _method, path, _range in village.hub.wire.requests[before:])

    assert asked() == 0
    renewing._asked.clear()  # a process that began later
    assert asked() == 0
    clock.freeze(clock.now_ms() + grants.RENEWED_AFTER_MS)
    assert asked() == 1
    with village.near.database.read() as session:
        held = grants.shown(session)
    assert held is not None
    assert held["grant"]["made_ms"] == clock.now_ms()


def test_a_hub_that_knows_no_grants_is_not_asked_in_every_round(village: Village) -> None:
    village.hub.course(village.hub.region)
    village.hub.wire.spoil = lambda _path, _at, piece: piece.replace(b'"grant"', b'"other"')
    before = len(village.hub.wire.requests)
    village.hub.sync(village.near)
    village.hub.sync(village.near)
    assert sum(path == "/sync/v1/passes" for _method, path, _range in village.hub.wire.requests[before:]) == 1


def test_a_county_mirror_is_granted_what_any_school_below_it_may_have(hub: Hub) -> None:
    school = hub.school("Shuanghu")
    own = hub.course(school.org, audience="own")
    with hub.here.database.read() as session:
        county = Node(uid="n", org_uid=hub.region, site_uid="s", name="nagchu", signing_public="0" * 64, sealing_public="", certificate={})
        at_school = Node(uid="n", org_uid=school.org, site_uid="s", name="x", signing_public="0" * 64, sealing_public="", certificate={})
        assert own in grants.make(session, hub.here, county)["grant"]["courses"]
        assert own in grants.make(session, hub.here, at_school)["grant"]["courses"]
    elsewhere = hub.school("Nyima")
    with hub.here.database.read() as session:
        at_other = Node(uid="n", org_uid=elsewhere.org, site_uid="s", name="x", signing_public="0" * 64, sealing_public="", certificate={})
        assert own not in grants.make(session, hub.here, at_other)["grant"]["courses"]


def test_a_box_keeps_no_grant_that_is_for_another_or_was_changed(village: Village) -> None:
    with village.near.database.read() as session:
        others = grants.shown(session)
    assert others is not None
    with village.far.database.write() as session, pytest.raises(BadSignature):
        grants.take(session, village.far, others, answered=True)
    others["grant"]["courses"].append(village.course)
    with village.near.database.write() as session, pytest.raises(BadSignature):
        grants.take(session, village.near, others, answered=True)
    with village.near.database.write() as session, pytest.raises(BadFormat):
        grants.take(session, village.near, {"grant": None, "signature": None})


def test_a_stick_brings_no_older_grant_and_the_hub_may(village: Village) -> None:
    def made_at(ms: int) -> dict[str, object]:
        clock.freeze(ms)
        with village.hub.here.database.read() as session:
            return grants.make(session, village.hub.here, session.get_one(Node, village.near_uid))

    now_ms = clock.now_ms()
    older = made_at(now_ms - 1)
    of_a_wrong_clock = made_at(now_ms + 10**12)
    with village.near.database.write() as session:
        assert not grants.take(session, village.near, older)
        assert grants.take(session, village.near, of_a_wrong_clock)
        assert grants.take(session, village.near, older, answered=True)
        assert grants.summary(session) is not None


def test_a_grant_of_another_hub_is_none(village: Village, make_installation: Callable[..., Installation]) -> None:
    stranger = Hub(make_installation(role="hub"))
    with village.hub.here.database.read() as session:
        grant = grants.make(session, village.hub.here, session.get_one(Node, village.near_uid))["grant"]
    signature = stranger.here.keys.publishing.sign(grants.FORMAT, canonical(grant)).as_json()
    with village.near.database.write() as session, pytest.raises(BadSignature):
        grants.take(session, village.near, {"grant": grant, "signature": signature}, answered=True)
