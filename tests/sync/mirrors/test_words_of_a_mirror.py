"""Whatever somebody on the network says who pretends to be a box: it is left alone, and costs no round."""

import json
from typing import Any

import pytest

from eduhub.sync.link import Link
from tests.sync.mirrors.village import MIRROR_URL, Village, held_parts

HALF = "\ud800"  # half a letter, which JSON can say and no database holds


@pytest.mark.parametrize("words", [
    {"mirror": HALF}, {"name": HALF}, {"mirror": "x" * 1_000_000}, {"mirror": "a\x00b"}, {"name": "a\x00b"}, {"nonce": "é"}, {"nonce": HALF},
    {"nonce": "a\r\nX: y"}, {"nonce": "n" * 1_000_000}, {"epoch": 2**70, "epoch_statement": {}}, {"epoch": 2**70, "epoch_statement": HALF},
    {"head": {"head": HALF}}, {"head": HALF}, {"head": {"head": {"epoch": 2**70, "sequence": 2**70}}}, {"hub": HALF}, {"root": HALF},
    {"epoch": 7, "epoch_statement": {"statement": {"x": HALF}, "signature": {"key": "0" * 16, "value": "0" * 128}}},
])  # fmt: skip
def test_words_that_fit_nothing_fail_no_round(village: Village, words: dict[str, Any]) -> None:
    with Link(MIRROR_URL, transport=village.wire) as link:
        honest, _nonce = link.hello()
    village.sight()
    village.wire.instead["/sync/v1/hello"] = (200, json.dumps(honest | words).encode())
    village.round_without_hub()
    assert len(village.mirror(MIRROR_URL).node_uid or "") <= 36
    village.hub.wire.cut_after = None
    village.round()
    assert held_parts(village.far, village.package) == held_parts(village.near, village.package)
    assert len(village.mirror(MIRROR_URL).node_uid or "") <= 36
