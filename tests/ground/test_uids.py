"""Uids: UUIDv7 in one written form."""

import json
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub import clock
from eduhub.errors import BadInput
from eduhub.uids import make_uid, new_uid, parse_uid

VECTORS = json.loads((Path(__file__).parents[2] / "docs/formats/vectors/uids.json").read_text(encoding="utf-8"))


@given(unix_ms=st.integers(0, 2**48 - 1), bits=st.integers(0, 2**74 - 1))
def test_a_uid_is_a_version_7_uuid_that_gives_its_parts_back(unix_ms: int, bits: int) -> None:
    uid = make_uid(unix_ms, bits)
    assert parse_uid(uid) == uid
    found = uuid.UUID(uid)
    assert str(found) == uid
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == unix_ms
    assert ((found.int >> 64 & 0xFFF) << 62 | found.int & 2**62 - 1) == bits


@given(first=st.integers(0, 2**48 - 2), bits=st.integers(0, 2**74 - 1))
def test_uids_sort_by_the_time_of_their_machine(first: int, bits: int) -> None:
    assert make_uid(first, bits) < make_uid(first + 1, 0)


def test_fresh_uids_differ_even_in_one_millisecond() -> None:
    clock.freeze(1_795_453_200_000)
    assert len({new_uid() for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("vector", VECTORS["made"], ids=lambda vector: str(vector["uid"]))
def test_the_vectors_of_the_format_hold(vector: dict[str, str]) -> None:
    assert make_uid(int(vector["unix_ms"]), int(vector["random_74_bits"], 16)) == vector["uid"]


@pytest.mark.parametrize("text", VECTORS["refused"])
def test_what_is_no_uid_in_its_one_form_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_uid(text)
