"""Captions as teachers have them are read, whatever program wrote them, and what cannot be read is refused by its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.courses import captions
from eduhub.courses.captions import Cue, parse, to_webvtt
from eduhub.errors import CaptionsRefused

TIBETAN = "ཆུ་ལ་འཁྱགས་པ་གཡེང་།"
SRT = f"1\r\n00:00:01,000 --> 00:00:02,500\r\n{TIBETAN}\r\n\r\n2\r\n00:01:05,020 --> 00:01:07,000\r\n冰\r\n浮起来\r\n"
READ = (Cue(1000, 2500, TIBETAN), Cue(65_020, 67_000, "冰\n浮起来"))


def test_an_srt_file_is_read() -> None:
    assert parse(SRT.encode()) == READ


@pytest.mark.parametrize(
    "payload",
    [
        SRT.encode("utf-8-sig"), SRT.encode("utf-16"), b"\xfe\xff" + SRT.encode("utf-16-be"), SRT.encode("gb18030"),
        SRT.replace("\r\n", "\n").encode(), SRT.replace("\r\n", "\r").encode(),
        SRT.replace("\r\n\r\n", "\r\n").encode(), f"\n\n{SRT}".encode(),
        f"WEBVTT - made somewhere\nKind: captions\n\nNOTE who wrote it\nand when\n\nSTYLE\n::cue {{}}\n\n{SRT}".encode(),
        SRT.replace("00:00:01,000", "0:01.0").replace(",500", ".500 align:start line:0%").encode(),
    ],
    ids=["bom", "utf-16", "utf-16-be", "gb18030", "lf", "cr", "no blank lines", "blank first", "webvtt", "settings"],
)  # fmt: skip
def test_the_same_captions_from_other_programs_are_the_same(payload: bytes) -> None:
    assert parse(payload) == READ


def test_markup_is_left_out_and_letters_that_look_like_it_are_kept() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\n{\\an8}<v Tashi><b>3 &lt; 4</b> <00:01.500>&amp; 5<6 a --&gt; b\n"
    cues = parse(text.encode())
    assert cues == (Cue(1000, 2000, "3 < 4 & 5<6 a --> b"),)
    assert b"<" not in to_webvtt(cues).split(b"\n", 3)[3]


def test_a_blank_line_inside_a_caption_loses_nothing() -> None:
    assert parse(b"1\n00:01,000 --> 00:02,000\none\n\ntwo\n\n2\n00:03,000 --> 00:04,000\nthree\n") == (
        Cue(1000, 2000, "one\ntwo"), Cue(3000, 4000, "three"),
    )  # fmt: skip


def test_captions_come_in_the_order_of_time_and_none_is_without_length() -> None:
    assert parse(b"00:05.000 --> 00:05.000\nb\n\n00:01.000 --> 00:02.000\na\n") == (
        Cue(1000, 2000, "a"), Cue(5000, 6000, "b"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "line", "reason"),
    [
        (b"", 1, captions.NO_CUE),
        (b"WEBVTT\n\n", 1, captions.NO_CUE),
        (b"<!DOCTYPE html>\n<p>00:01</p>\n", 1, captions.NOT_A_CUE),
        (b"WEBVTT\n\n\nwords without a time\n\n", 4, captions.NOT_A_CUE),
        (b"1\n00:01,000 --> 00:0x,000\na\n", 2, captions.BAD_TIME),
        (b"00:01.000 --> 00:02.000\na\n\n00:61:00.000 --> 01:62:00.000\nb\n", 4, captions.BAD_TIME),
        (b"1\n00:09,000 --> 00:08,000\na\n", 2, captions.BACKWARDS),
        (b"a\n\0\n", 2, captions.NOT_TEXT),
        (b"a\nb\xff\xff\n", 2, captions.NOT_TEXT),
        (b"00:01.000 --> 00:02.000\n" + b"x" * 3000, 1, captions.TOO_LONG),
        (b"\n" * (captions.MOST_BYTES + 1), 1, captions.TOO_LARGE),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_line(payload: bytes, line: int, reason: str) -> None:
    with pytest.raises(CaptionsRefused) as refused:
        parse(payload)
    assert refused.value.facts == {"line": line, "reason": reason}


def test_a_file_of_a_million_captions_is_refused_before_it_is_large() -> None:
    many = b"0:1-->0:2\na\n" * (captions.MOST_CUES + 1)
    with pytest.raises(CaptionsRefused) as refused:
        parse(many)
    assert refused.value.facts["reason"] == captions.TOO_MANY


@pytest.mark.parametrize(
    "hostile", [b"-" * captions.MOST_BYTES, b"<a" * 200_000, b"0" * captions.MOST_BYTES, b"{\\" * 200_000, b"\n" * 500_000]
)
def test_a_file_made_to_take_long_is_answered_at_once(hostile: bytes) -> None:
    with pytest.raises(CaptionsRefused):
        parse(b"00:01.000 --> 00:02.000\n" + hostile[: captions.MOST_BYTES - 30] + b"x" * 2500)


TEXTS = st.text(st.one_of(st.sampled_from("<>&{}\\-\n \u00a0:.0123ab་ཆ水"), st.characters(codec="utf-8")), max_size=60)
CUES = st.builds(lambda at, length, text: (at, at + length, text), st.integers(0, 10**8), st.integers(1, 10**5), TEXTS)


@given(st.lists(CUES, min_size=1, max_size=8))
def test_what_was_written_is_read_again_as_it_was(rows: list[tuple[int, int, str]]) -> None:
    once = to_webvtt([Cue(*row) for row in rows])
    try:
        cues = parse(once)
    except CaptionsRefused:
        return  # a text of line ends alone is no caption
    assert parse(to_webvtt(cues)) == cues
    assert to_webvtt(parse(to_webvtt(cues))) == to_webvtt(cues)


@given(st.one_of(st.binary(max_size=400), st.lists(st.sampled_from(
    ["WEBVTT", "NOTE", "1", "00:01.000 --> 00:02.000", "00:01,000-->00:00,5", "-->", "a --> b", "", " ", "<b>", "ཆུ", "\ufeff", "{\\a}"]
), max_size=12).map(lambda lines: "\n".join(lines).encode())))  # fmt: skip
def test_any_bytes_are_captions_or_a_reason(payload: bytes) -> None:
    reason = None
    try:
        cues = parse(payload)
    except CaptionsRefused as refused:
        cues, reason = (), refused.facts["reason"]
    assert reason in captions.REASONS or parse(to_webvtt(cues)) == cues
