"""The half of probing that touches a stranger's bytes: a program of its own, run in the jail.

Run by path, as `python -I probe_child.py OPTIONS`, in a folder that holds the file `input`.
It opens the file with the allow-lists, reads every packet to the end (a cut-off file opens
with its full duration, so only the last packet tells the truth), decodes one frame, and
prints one line of JSON: facts, or {"refused": why}. It judges nothing beyond what it cannot
open; `probe.py` does, and trusts no byte of the answer.

It must import nothing of EduHub: the jail shows it this one file.
"""

import json
import sys
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError

_TIMES_KEPT = 3000
_PACKETS_TO_FIRST_FRAME = 400


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
            "streams": streams,
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
    }
    if stream.type == "video" and context:
        found |= {"width": context.width, "height": context.height, "sar": _pair(stream.sample_aspect_ratio)}
    if stream.type == "audio" and context:
        found |= {"channels": context.channels, "sample_rate": context.sample_rate}
    return found


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
        for packet in container.demux():
            index = packet.stream.index
            if packet.size == 0 or index >= len(streams):  # the empty ones that flush decoders; late streams
                continue
            _count(streams[index], packet)
            if streams[index]["type"] == "video" and frames[index] is None and allowed[index]:
                frames[index] = _first_frame(packet, streams[index], options)
    except (FFmpegError, ValueError) as error:
        # Damage in the middle: what was read counts, and the end that is missing is judged above.
        for stream in streams:
            stream["damage"] = str(error)[:200]
    return frames


def _count(stream: dict[str, Any], packet: Any) -> None:
    stream["packets"] += 1
    stamp = packet.pts if packet.pts is not None else packet.dts
    if stamp is None or packet.time_base is None:
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
        "interlaced": bool(frame.interlaced_frame),
    }


if __name__ == "__main__":
    try:
        answer = main(json.loads(sys.argv[1]))
    except MemoryError:
        sys.exit(3)  # the file's doing; 1, any other exception, would be ours
    print(json.dumps(answer))  # noqa: T201 - the answer goes through the pipe
