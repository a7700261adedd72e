"""The half of probing that touches a stranger's bytes: a program of its own, run in the jail.

Run by path, as `python -I probe_child.py OPTIONS`, in a folder that holds the file `input`.
It opens the file with the allow-lists, reads every packet to the end (a cut-off file opens
with its full duration, so only the last packet tells the truth), decodes one frame, and
prints one line of JSON: facts, or {"refused": why}. It judges nothing beyond what it cannot
open; `probe.py` does, and trusts no byte of the answer. With `headers_only` it stops after
the first packets.

It must import nothing of EduHub: the jail shows it this one file.
"""

import json
import sys
from fractions import Fraction
from typing import Any, BinaryIO

import av
from av.error import FFmpegError

_TIMES_KEPT = 3000
_PACKETS_TO_FIRST_FRAME = 400
_PACKETS_OF_HEADERS = 60
_MOST_MOOV = 64 << 20
_MOST_BOXES = 4000
_CONTAINERS = (b"moov", b"trak", b"edts")


def main(options: dict[str, Any]) -> dict[str, Any]:
    """The facts of the file `input` in this folder."""
    try:
        container = av.open("input", options=options["input"])
    except (FFmpegError, ValueError) as error:
        return {"refused": "cannot_open", "detail": str(error)[:200]}
    with container:
        if len(container.streams) > options["max_streams"]:
            return {"refused": "too_many_streams"}
        streams = [_describe(stream) for stream in container.streams]
        facts = {
            "format": container.format.name, "declared_us": container.duration, "start_us": container.start_time,
            "streams": streams, "edited": _is_edited() if "mov" in container.format.name.split(",") else False,
        }
        allowed = [stream["decoder"] in options["decoders"] for stream in streams]
        first_frames = _read_to_the_end(container, streams, allowed, options)
    for stream, frame in zip(streams, first_frames, strict=True):
        stream["frame"] = frame
    return facts


def _describe(stream: Any) -> dict[str, Any]:
    context = stream.codec_context
    found = {
        "type": stream.type, "decoder": context.codec.name if context else "", "codec": context.name if context else "",
        "cover": "attached_pic" in _dispositions(stream), "default": "default" in _dispositions(stream),
        "language": str(stream.metadata.get("language", ""))[:40], "title": str(stream.metadata.get("title", ""))[:200],
    }
    if stream.type == "video" and context:
        found |= {
            "width": context.width, "height": context.height, "sar": _pair(stream.sample_aspect_ratio),
            "transfer": _number(context.color_trc), "matrix": _number(context.colorspace),
        }
    if stream.type == "audio" and context:
        found |= {"channels": context.channels, "sample_rate": context.sample_rate}
    return found


def _number(value: Any) -> int:
    return int(value) if value is not None else 2  # 2: not said


def _dispositions(stream: Any) -> set[str]:
    return {flag.name for flag in type(stream.disposition) if flag.name and flag & stream.disposition}


def _pair(ratio: Fraction | None) -> list[int]:
    return [ratio.numerator, ratio.denominator] if ratio else [1, 1]


def _read_to_the_end(
    container: Any, streams: list[dict[str, Any]], allowed: list[bool], options: dict[str, Any]
) -> list[dict[str, Any] | None]:
    """Fill in start, end, packets and times of each stream; the first frame of each picture stream."""
    frames: list[dict[str, Any] | None] = [None] * len(streams)
    for stream in streams:
        stream |= {"start_ms": None, "end_ms": None, "packets": 0, "times_ms": []}
    try:
        for number, packet in enumerate(container.demux()):
            index = packet.stream.index
            if packet.size == 0 or index >= len(streams):  # the empty ones that flush decoders; late streams
                continue
            _count(streams[index], packet)
            if streams[index]["type"] == "video" and frames[index] is None and allowed[index]:
                frames[index] = _first_frame(packet, streams[index], options)
            if options.get("headers_only") and number >= _PACKETS_OF_HEADERS:
                break
    except (FFmpegError, ValueError) as error:
        # Damage in the middle: what was read counts, and the end that is missing is judged above.
        for stream in streams:
            stream["damage"] = str(error)[:200]
    return frames


def _count(stream: dict[str, Any], packet: Any) -> None:
    stream["packets"] += 1
    stamp = packet.pts if packet.pts is not None else packet.dts
    # An edit list leaves out what was recorded before the cut; it must still be decoded.
    if stamp is None or packet.time_base is None or packet.is_discard:
        return
    start_ms = float(stamp * packet.time_base) * 1000
    end_ms = start_ms + float((packet.duration or 0) * packet.time_base) * 1000
    stream["start_ms"] = start_ms if stream["start_ms"] is None else min(start_ms, stream["start_ms"])
    stream["end_ms"] = end_ms if stream["end_ms"] is None else max(end_ms, stream["end_ms"])
    if stream["type"] == "video" and len(stream["times_ms"]) < _TIMES_KEPT:
        stream["times_ms"].append(round(start_ms, 2))


def _first_frame(packet: Any, stream: dict[str, Any], options: dict[str, Any]) -> dict[str, Any] | None:
    if stream["packets"] > _PACKETS_TO_FIRST_FRAME or stream["width"] * stream["height"] > options["max_pixels"]:
        return None
    if stream["packets"] == 1:
        packet.stream.codec_context.options = {"max_pixels": str(options["max_pixels"])}
        packet.stream.codec_context.thread_count = 1
    try:
        decoded = packet.decode()
    except FFmpegError:
        return None  # a stream may begin before its first key frame
    if not decoded:
        return None
    frame = decoded[0]
    return {
        "width": frame.width, "height": frame.height, "rotation": int(frame.rotation),
        "interlaced": bool(frame.interlaced_frame), "transfer": _number(frame.color_trc),
        "matrix": _number(frame.colorspace),
    }


def _is_edited() -> bool:
    """Whether an edit list of the MP4 does more than name the first sample: empty beginnings, cuts, joins."""
    try:
        with open("input", "rb") as file:
            found = _boxes(file, file.seek(0, 2), 0, [0])
    except (OSError, ValueError, OverflowError):
        return False
    return any(_edits(body) for body in found)


def _edits(elst: bytes) -> bool:
    count = int.from_bytes(elst[4:8], "big")
    wide = elst[:1] == b"\x01"
    media_time = elst[16:24] if wide else elst[12:16]
    return count > 1 or media_time in (b"\xff" * 8, b"\xff" * 4)


def _boxes(file: BinaryIO, end: int, place: int, seen: list[int]) -> list[bytes]:
    """The bodies of all edit lists between two places of the file."""
    found = []
    while end - place >= 8 and seen[0] < _MOST_BOXES:
        seen[0] += 1
        file.seek(place)
        head = file.read(16)
        size, kind, header = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        if size == 0:
            size = end - place
        if size < header or size > end - place:
            break
        if kind == b"elst":
            file.seek(place + header)
            found.append(file.read(min(size - header, 64)))
        elif kind in _CONTAINERS and size <= _MOST_MOOV:
            found += _boxes(file, place + size, place + header, seen)
        place += size
    return found


if __name__ == "__main__":
    try:
        answer = main(json.loads(sys.argv[1]))
    except MemoryError:
        sys.exit(3)  # the file's doing; 1, any other exception, would be ours
    print(json.dumps(answer))  # noqa: T201 - the answer goes through the pipe
