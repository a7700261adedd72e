"""What stands in an upload's headers is read strictly, and nothing in it can do harm."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eduhub.errors import BadInput
from eduhub.media import tus
from eduhub.media.tus import Metadata

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=20)


def header(pairs: dict[str, bytes]) -> str:
    return ",".join(f"{key} {base64.b64encode(value).decode()}" for key, value in pairs.items())


@given(st.dictionaries(KEYS.filter(lambda key: key not in {"filename", "modified", "sample"}), st.binary(max_size=50), max_size=10),
       st.text(max_size=60), st.integers(0, 10**14), st.text(max_size=100))  # fmt: skip
def test_what_a_page_says_of_its_file_is_read(others: dict[str, bytes], name: str, modified: int, sample: str) -> None:
    said = header(others | {"filename": name.encode(), "modified": str(modified).encode(), "sample": sample.encode()})
    if len(said) > tus.MOST_METADATA:
        return
    found = tus.parse_metadata(said)
    assert (found.raw, found.modified_ms, found.sample) == (said, modified, sample or None)
    assert found.file_name
    assert not set("/\\\r\n\0") & set(found.file_name)


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
@example("filename")
@example("a b,a b")
@example("filename YQ")
@example("filename /w==")  # not UTF-8
@example(",".join(f"k{n}" for n in range(17)))
@example("modified LTE=")  # -1
@example("filename YQ==, \u00e9 YQ==")
def test_any_other_header_is_refused_or_harmless(said: str) -> None:
    try:
        found = tus.parse_metadata(said)
    except BadInput:
        return
    assert found.raw == said
    assert len(found.file_name) <= 200


@pytest.mark.parametrize("said", ["filename !!!", "filename YQ", "a YQ==,a YQ==", "modified YQ==", "x" * 65, "k " + "A" * 5000,
                                  "filename /w==", "sample " + base64.b64encode(b"x" * 129).decode(), ",", "a  YQ=="])  # fmt: skip
def test_these_are_refused(said: str) -> None:
    with pytest.raises(BadInput):
        tus.parse_metadata(said)


def test_no_words_are_words_enough() -> None:
    assert tus.parse_metadata("") == Metadata()
    assert tus.parse_metadata("flag,filename YQ==").file_name == "a"


@pytest.mark.parametrize(("length", "deferred"), [(None, None), ("1", "1"), (None, "2"), ("-1", None), ("1e3", None), ("９", None), ("1" * 16, None)])
def test_a_length_is_a_number_or_told_later(length: str | None, deferred: str | None) -> None:
    with pytest.raises(BadInput):
        tus.parse_length(length, deferred)
    assert tus.parse_length("12", None) == 12
    assert tus.parse_length(None, "1") is None
