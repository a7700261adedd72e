"""Which files are held, in bits: what is written is read again, and whatever else comes says nothing or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.errors import BadFormat
from eduhub.sync.mirrors import holdings

FILES = st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), unique=True, max_size=60)


@given(FILES, st.data())
def test_what_is_written_is_read_again(files: list[str], data: st.DataObject) -> None:
    held = data.draw(st.sets(st.sampled_from(files)) if files else st.just(set()))
    assert holdings.read(files, holdings.write(files, held)) == held


@given(FILES, st.text(max_size=80))
def test_whatever_comes_names_only_files_of_the_package(files: list[str], digits: str) -> None:
    try:
        assert holdings.read(files, digits) <= set(files)
    except BadFormat:
        assert any(digit not in "0123456789abcdef" for digit in digits)


def test_an_answer_without_end_is_refused() -> None:
    with pytest.raises(BadFormat):
        holdings.read(["a"], "f" * 100_000)


def test_the_first_file_is_the_highest_bit() -> None:
    assert holdings.write(["a", "b", "c", "d", "e"], {"a", "e"}) == "88"
