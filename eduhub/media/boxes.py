"""Read the boxes of a CMAF track (ISO 14496-12): where its chunks lie and what they hold.

Every length is checked against what holds it, and every count against a limit, so that no
file makes this loop or fill the memory; anything else than one track of movie fragments
raises BadFormat. See docs/formats/tracks.md.

This module must not know files by name, renditions or the database.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from eduhub.errors import BadFormat

_MOST_BOXES, _MOST_INIT, _MOST_MOOF, _MOST_SAMPLES = 200_000, 64 << 10, 1 << 20, 100_000
_NOT_SYNC = 0x10000


@dataclass(frozen=True)
class Init:
    """What the init segment says. `codec` is the RFC 6381 string; sound has no size, pictures no rate."""

    bytes: int
    handler: str  # vide or soun
    timescale: int
    codec: str
    width: int
    height: int
    channels: int
    sample_rate: int
    default_duration: int
    default_flags: int


@dataclass(frozen=True)
class Chunk:
    """One moof with its mdat. Times in ticks of the track's timescale."""

    bytes: int
    decode_time: int
    ticks: int
    samples: int
    first_offset: int  # presentation minus decode time of its first sample
    least_offset: int  # the same of the sample where it is least; below 0 by the reordering of B-frames
    is_key: bool


def read(stream: BinaryIO) -> tuple[Init, list[Chunk]]:
    """The init segment and the chunks of a track; raises BadFormat."""
    try:
        return _read(stream)
    except (struct.error, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise BadFormat(f"a box is too short: {error}") from error


def _read(stream: BinaryIO) -> tuple[Init, list[Chunk]]:
    end = stream.seek(0, 2)
    place, init, chunks, moof = 0, None, list[Chunk](), None
    for _count in range(_MOST_BOXES):
        if place == end:
            if init is None or moof is not None or not chunks:
                raise BadFormat("no whole track")
            return init, chunks
        kind, header, size = _header(stream, place, end)
        if kind == b"moov":
            if init is not None:
                raise BadFormat("a second moov")
            init = _init(_body(stream, place + header, size - header, _MOST_INIT), place + size)
        elif kind == b"moof":
            if init is None or moof is not None:
                raise BadFormat("a moof that is out of place")
            moof = size, _body(stream, place + header, size - header, _MOST_MOOF)
        elif kind == b"mdat":
            if moof is None or init is None:
                raise BadFormat("an mdat without its moof")
            chunks.append(_chunk(moof[1], moof[0] + size, size - header, init, chunks))
            moof = None
        elif init is not None or kind not in (b"ftyp", b"free"):
            raise BadFormat(f"an unexpected box {kind!r}")
        place += size
    raise BadFormat("too many boxes")


def _header(stream: BinaryIO, place: int, end: int) -> tuple[bytes, int, int]:
    stream.seek(place)
    size, kind = struct.unpack(">I4s", stream.read(8))
    header = 8
    if size == 1:
        (size,), header = struct.unpack(">Q", stream.read(8)), 16
    if size < header or size > end - place:
        raise BadFormat(f"box {kind!r} says {size} bytes")
    return kind, header, size


def _body(stream: BinaryIO, place: int, size: int, most: int) -> bytes:
    if size > most:
        raise BadFormat(f"a header of {size} bytes")
    stream.seek(place)
    return stream.read(size)


def boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in a body: kind and body of each. Raises BadFormat when they do not fill it exactly."""
    place = 0
    while place < len(body):
        size, kind = struct.unpack_from(">I4s", body, place)
        if size < 8 or size > len(body) - place:
            raise BadFormat(f"box {kind!r} says {size} bytes")
        yield kind, body[place + 8 : place + size]
        place += size


def _one(body: bytes, *path: bytes) -> bytes:
    """The body of the one box at `path`; raises BadFormat when there is none, or more."""
    for wanted in path:
        found = [inner for kind, inner in boxes(body) if kind == wanted]
        if len(found) != 1:
            raise BadFormat(f"{len(found)} boxes {wanted!r}")
        body = found[0]
    return body


def _init(moov: bytes, init_bytes: int) -> Init:
    mdia = _one(moov, b"trak", b"mdia")
    mdhd, handler = _one(mdia, b"mdhd"), _one(mdia, b"hdlr")[8:12].decode("ascii")
    (timescale,) = struct.unpack_from(">I", mdhd, 20 if mdhd[0] else 12)
    if not 1 <= timescale <= 10_000_000:
        raise BadFormat(f"timescale {timescale}")
    stsd = _one(mdia, b"minf", b"stbl", b"stsd")
    entries = list(boxes(stsd[8:]))
    if len(entries) != 1:
        raise BadFormat("not one sample entry")
    codec, width, height, channels, rate = _sample_entry(*entries[0])
    trex = _one(moov, b"mvex", b"trex")
    _track, _entry, duration, _size, flags = struct.unpack_from(">5I", trex, 4)
    return Init(init_bytes, handler, timescale, codec, width, height, channels, rate, duration, flags)


def _sample_entry(kind: bytes, body: bytes) -> tuple[str, int, int, int, int]:
    if kind == b"avc1":
        width, height = struct.unpack_from(">HH", body, 24)
        return f"avc1.{_one(body[78:], b'avcC')[1:4].hex()}", width, height, 0, 0
    if kind in (b"mp4a", b"Opus"):
        (channels,), (rate,) = struct.unpack_from(">H", body, 16), struct.unpack_from(">I", body, 24)
        codec = "opus" if kind == b"Opus" else f"mp4a.40.{_aac_object_type(_one(body[28:], b'esds'))}"
        return codec, 0, 0, channels, rate >> 16
    raise BadFormat(f"sample entry {kind!r}")


def _aac_object_type(esds: bytes) -> int:
    """From the AudioSpecificConfig, inside three nested descriptors (ISO 14496-1)."""
    body = esds[4:]
    for tag, skipped in ((3, 3), (4, 13), (5, 0)):
        if body[0] != tag:
            raise BadFormat(f"descriptor {body[0]} where {tag} belongs")
        length = 1
        while body[length] & 0x80 and length < 4:
            length += 1
        body = body[1 + length + skipped :]
    kind = body[0] >> 3
    if kind == 31:
        raise BadFormat("an AAC profile that nobody plays")
    return kind


def _chunk(moof: bytes, size: int, payload: int, init: Init, before: list[Chunk]) -> Chunk:
    traf = _one(moof, b"traf")
    duration, flags, sample_bytes = _tfhd(_one(traf, b"tfhd"), init)
    tfdt = _one(traf, b"tfdt")
    (decode_time,) = struct.unpack_from(">Q" if tfdt[0] else ">I", tfdt, 4)
    if before and decode_time != before[-1].decode_time + before[-1].ticks:
        raise BadFormat("chunks do not follow each other")
    run = _trun(_one(traf, b"trun"), duration, flags, sample_bytes)
    if run.held > payload:
        raise BadFormat("samples reach beyond their mdat")
    if run.ticks <= 0:
        raise BadFormat("a chunk that takes no time")
    is_key = init.handler == "soun" or not run.first_flags & _NOT_SYNC
    return Chunk(size, decode_time, run.ticks, run.samples, run.offsets[0], min(run.offsets), is_key)


def _tfhd(tfhd: bytes, init: Init) -> tuple[int, int, int]:
    """Default duration, flags and size (0: none is said) of this fragment's samples."""
    (present,), place = struct.unpack_from(">I", tfhd, 0), 8
    if present & 0x1:
        raise BadFormat("a base data offset: such a chunk cannot be appended alone")
    place += 4 * bool(present & 0x2)
    duration, flags, sample_bytes = init.default_duration, init.default_flags, 0
    if present & 0x8:
        ((duration,), place) = struct.unpack_from(">I", tfhd, place), place + 4
    if present & 0x10:
        ((sample_bytes,), place) = struct.unpack_from(">I", tfhd, place), place + 4
    if present & 0x20:
        (flags,) = struct.unpack_from(">I", tfhd, place)
    return duration, flags, sample_bytes


class _Run(NamedTuple):
    ticks: int
    samples: int
    held: int  # bytes of all samples
    offsets: tuple[int, ...]
    first_flags: int


def _trun(trun: bytes, duration: int, flags: int, sample_bytes: int) -> _Run:
    present, samples = struct.unpack_from(">II", trun, 0)
    if not 1 <= samples <= _MOST_SAMPLES:
        raise BadFormat(f"{samples} samples in a chunk")
    place, first_flags = 8 + 4 * bool(present & 0x1), flags
    if present & 0x4:
        ((first_flags,), place) = struct.unpack_from(">I", trun, place), place + 4
    columns = [bit for bit in (0x100, 0x200, 0x400, 0x800) if present & bit]
    if not present & 0x200 and not sample_bytes:
        raise BadFormat("a fragment without sample sizes")
    width = len(columns)
    values = struct.unpack_from(f">{samples * width}I", trun, place)
    column = {bit: values[number::width] for number, bit in enumerate(columns)}
    ticks = sum(column[0x100]) if 0x100 in column else duration * samples
    offsets = column.get(0x800, (0,))
    if trun[0]:  # version 1: signed
        offsets = tuple(offset - (1 << 32) if offset >= 1 << 31 else offset for offset in offsets)
    if 0x400 in column and not present & 0x4:
        first_flags = column[0x400][0]
    # A still picture makes samples of one size, which is then said once, in the tfhd.
    held = sum(column[0x200]) if 0x200 in column else sample_bytes * samples
    return _Run(ticks, samples, held, offsets, first_flags)
