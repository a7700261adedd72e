"""What is remembered of mirrors, and what people type about them."""

import json

import pytest

from eduhub.errors import BadInput, NotFound
from eduhub.installation import Installation
from eduhub.ops import mirror_commands
from eduhub.sync.mirrors import known
from eduhub.sync.mirrors.models import Mirror
from tests.sync.mirrors.village import MIRROR_URL, Village


def test_a_named_mirror_is_kept_until_a_person_takes_it_away(box: Installation) -> None:
    with box.database.write() as session:
        known.name(session, "http://county.test/", 5)
        known.sighted(session, [], 10**9)
        assert [one.url for one in known.candidates(session, None)] == ["http://county.test"]
        known.forget(session, "http://county.test")
        assert known.candidates(session, None) == []
        with pytest.raises(NotFound):
            known.forget(session, "http://county.test")


@pytest.mark.parametrize("url", ["county.test", "ftp://county.test", "http://", "http://a:b@county.test", "http://county.test/" + "x" * 200])
def test_what_is_no_address_is_not_named(box: Installation, url: str) -> None:
    with box.database.write() as session, pytest.raises(BadInput):
        known.name(session, url, 0)


def test_not_without_number(box: Installation) -> None:
    with box.database.write() as session:
        for number in range(known.MOST_NAMED):
            known.name(session, f"http://county-{number}.test", 0)
        with pytest.raises(BadInput):
            known.name(session, "http://one-more.test", 0)


def test_a_box_does_not_ask_itself(village: Village) -> None:
    village.sight()
    with village.far.database.read() as session:
        assert known.candidates(session, village.near_uid) == []
        assert [one.url for one in known.candidates(session, village.far_uid)] == [MIRROR_URL]


def test_each_failure_in_a_row_doubles_the_pause_and_good_bytes_end_it(village: Village) -> None:
    village.sight()
    with village.far.database.write() as session:
        pauses = []
        for _ in range(3):
            known.left_alone(session, MIRROR_URL, "silent", 1000)
            pauses.append(session.get_one(Mirror, MIRROR_URL).aside_until_steady_s - 1000)
        assert pauses == [60, 120, 240]
        known.gave(session, MIRROR_URL, 10, 2000)
        assert (session.get_one(Mirror, MIRROR_URL).failures, session.get_one(Mirror, MIRROR_URL).why) == (0, None)


def test_what_came_from_where_is_told(village: Village) -> None:
    village.sight()
    village.name("http://county.test")
    village.ways.wires["http://county.test"] = village.hub.wire
    village.round_without_hub()
    facts = mirror_commands.facts(village.far)
    assert json.loads(json.dumps(facts)) == facts
    by_url = {one["url"]: one for one in facts}
    assert by_url[MIRROR_URL]["bytes"] > 100_000
    rows = [mirror_commands._row(one) for one in facts]
    assert any("shuanghu-1" in row and "may be asked" in row for row in rows)
    assert any("named" in row for row in rows)
