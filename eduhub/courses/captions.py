"""Captions: read a WebVTT or SRT file as teachers have them, and write the one form that packages carry.

Files come from many programs: with and without header, numbers or blank lines, in UTF-8, UTF-16 or GB18030. What
is read is cues of plain text; markup, positions and styles are left out. Who writes what `parse` returned and
reads it again has the same cues. What cannot be read is refused with the number of its line.

This module must not know lessons, files or the database. See docs/formats/captions.md.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eduhub.errors import N_, CaptionsRefused

MEDIA_TYPE = "text/vtt"
MOST_BYTES = 512 << 10
MOST_CUES = 10_000
LONGEST_CUE = 2000  # characters

TOO_LARGE = N_("it is larger than the captions of a lesson are")
NOT_TEXT = N_("it is no text that can be read here")
NO_CUE = N_("no captions are in it")
NOT_A_CUE = N_("a time like 00:01.000 --> 00:04.000 was expected here")
BAD_TIME = N_("the time cannot be read")
BACKWARDS = N_("it ends before it begins")
TOO_MANY = N_("there are more captions than a lesson can have")
TOO_LONG = N_("there is too much text for one caption")
REASONS = (TOO_LARGE, NOT_TEXT, NO_CUE, NOT_A_CUE, BAD_TIME, BACKWARDS, TOO_MANY, TOO_LONG)

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_TIME = r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMES = re.compile(rf"{_TIME}\s*--+>\s*{_TIME}(?:\s.*)?")
_ARROW = "-->"
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|<[\d:.]+>")
_POSITION = re.compile(r"\{\\[^{}]*\}")  # {\an8}, as some SRT files have it
_ESCAPED = re.compile(r"&(lt|gt|amp|nbsp|quot|#39|#92);")
_MEANT = {"lt": "<", "gt": ">", "amp": "&", "nbsp": "\u00a0", "quot": '"', "#39": "'", "#92": "\\"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_BESIDE = re.compile(r"(NOTE|STYLE|REGION)(\s.*)?")
_NO_LENGTH_MS = 1000  # shown for so long when a file gives no length


@dataclass(frozen=True)
class Cue:
    """Some lines of plain text, and when they are shown."""

    start_ms: int
    end_ms: int
    text: str


@dataclass
class _Open:
    """A cue that is being read."""

    line: int
    start_ms: int
    end_ms: int
    lines: list[str]


def parse(payload: bytes) -> tuple[Cue, ...]:
    """The cues of a file, in the order of time. Raises CaptionsRefused with the line."""
    if len(payload) > MOST_BYTES:
        raise _refused(1, TOO_LARGE)
    lines = re.split(r"\r\n|\r|\n", _decoded(payload))
    found = []
    for cue in _cues(lines):
        text = "\n".join(kept for line in cue.lines if (kept := _plain(line)))
        if len(text) > LONGEST_CUE:
            raise _refused(cue.line, TOO_LONG)
        if text:
            found.append(Cue(cue.start_ms, cue.end_ms, text))
        if len(found) > MOST_CUES:
            raise _refused(cue.line, TOO_MANY)
    if not found:
        raise _refused(1, NO_CUE)
    return tuple(sorted(found, key=lambda cue: (cue.start_ms, cue.end_ms)))


def to_webvtt(cues: Sequence[Cue]) -> bytes:
    """The one form in which captions are kept: WebVTT in UTF-8, without markup."""
    blocks = [f"{_written(cue.start_ms)} --> {_written(cue.end_ms)}\n{_escape(cue.text)}\n" for cue in cues]
    return "\n".join(["WEBVTT\n", *blocks]).encode("utf-8")


# --- inside -------------------------------------------------------------------------


def _decoded(payload: bytes) -> str:
    for mark, encoding in _BOMS:
        if payload.startswith(mark):
            return _as(payload[len(mark) :], encoding)
    try:
        return _as(payload, "utf-8")
    except CaptionsRefused:
        return _as(payload, "gb18030")


def _as(payload: bytes, encoding: str) -> str:
    try:
        text = payload.decode(encoding)
    except UnicodeDecodeError as error:
        raise _refused(1 + payload[: error.start].count(b"\n"), NOT_TEXT) from error
    if "\0" in text:
        raise _refused(1 + text[: text.index("\0")].count("\n"), NOT_TEXT)
    return text


def _cues(lines: Sequence[str]) -> Iterator[_Open]:
    """The cues as they stand in the file. A line that belongs to none goes with the cue before it."""
    cue: _Open | None = None
    in_cue = False
    at = _after_head(lines)
    is_webvtt = at > 0
    while at < len(lines):
        line = lines[at].strip()
        if _ARROW in line and (times := _times(line, at, in_cue=in_cue)):
            if cue is not None:
                yield cue
            cue, in_cue = _Open(at + 1, *times, []), True
        elif not line:
            in_cue = False
        elif is_webvtt and not in_cue and _BESIDE.fullmatch(line):
            at = _end_of_block(lines, at)
        elif _is_name(lines, at, in_cue=in_cue):
            pass
        elif cue is None:
            raise _refused(at + 1, NOT_A_CUE)
        else:
            cue.lines.append(line)
        at += 1
    if cue is not None:
        yield cue


def _after_head(lines: Sequence[str]) -> int:
    """Where a WebVTT file's head ends; 0 for a file that has none."""
    at = next((at for at, line in enumerate(lines) if line.strip()), 0)
    if lines[at].split(maxsplit=1)[:1] != ["WEBVTT"]:
        return 0
    at += 1
    while at < len(lines) and lines[at].strip() and _ARROW not in lines[at]:
        at += 1
    return at


def _end_of_block(lines: Sequence[str], at: int) -> int:
    while at + 1 < len(lines) and lines[at + 1].strip():
        at += 1
    return at


def _is_name(lines: Sequence[str], at: int, *, in_cue: bool) -> bool:
    """Whether a line is the number or the name of the cue that begins on the next line."""
    following = lines[at + 1].strip() if at + 1 < len(lines) else ""
    if _ARROW not in following:
        return False
    return not in_cue or lines[at].strip().isdecimal()  # without a blank line before it only a number is one


def _times(line: str, at: int, *, in_cue: bool) -> tuple[int, int] | None:
    """When a cue is shown; None for an arrow in the text of a cue. Raises CaptionsRefused."""
    found = _TIMES.fullmatch(line)
    if found is None:
        if in_cue and not line[0].isdecimal():
            return None
        raise _refused(at + 1, BAD_TIME)
    start_ms, end_ms = _milliseconds(found.groups()[:4], at), _milliseconds(found.groups()[4:], at)
    if end_ms < start_ms:
        raise _refused(at + 1, BACKWARDS)
    return start_ms, end_ms if end_ms > start_ms else start_ms + _NO_LENGTH_MS


def _milliseconds(found: Sequence[str | None], at: int) -> int:
    hours, minutes, seconds, part = found
    if int(seconds or 0) > 59 or (hours is not None and int(minutes or 0) > 59):
        raise _refused(at + 1, BAD_TIME)
    whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    return whole * 1000 + int((part or "").ljust(3, "0"))


def _written(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def _plain(line: str) -> str:
    bare = _POSITION.sub("", _MARKUP.sub("", line))
    return _CONTROL.sub(" ", _ESCAPED.sub(lambda found: _MEANT[found[1]], bare)).strip()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("{\\", "{&#92;")


def _refused(line: int, reason: str) -> CaptionsRefused:
    return CaptionsRefused(f"line {line}: {reason}", line=line, reason=reason)
