"""Judge what probing found in a file: facts, or a reason that a teacher understands. Pure.

The answer came from a program that read a stranger's bytes and may have been taken over, so no number, name
or length in it is believed before it is checked.

This module must not know files, processes or the database.
"""

import re
from itertools import pairwise
from typing import Any

from eduhub.errors import N_, MediaRefused
from eduhub.media import allowed
from eduhub.media.facts import AudioFacts, Probe, VideoFacts, usual_matrix

MISSING_END_ALLOWED_MS = 2000
SHORTEST_MS = 500
SMALLEST_SIDE, LARGEST_SIDE = 16, 16384
HIGHEST_FPS = 240

NOT_MEDIA = N_("it is not a video or sound file of a kind we know")
TOO_MANY_STREAMS = N_("it holds too many streams")
NO_STREAM = N_("there is neither picture nor sound in it")
BAD_VIDEO_CODEC = N_("its picture is stored in a way that we do not open")
BAD_AUDIO_CODEC = N_("its sound is stored in a way that we do not open")
BAD_SIZE = N_("its picture is too large or too small")
NO_PICTURE = N_("its picture cannot be decoded")
TOO_SHORT = N_("it is shorter than half a second")
TOO_LONG = N_("it is longer than a lecture may be")
END_MISSING = N_("its end is missing: the recording or the copying was cut off")

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,2}")
_HDR = {16: "pq", 18: "hlg"}  # transfer characteristics of ITU-T H.273
_MATRICES = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt601", 9: "bt2020", 10: "bt2020"}

Stream = dict[str, Any]


def refused(reason: str, detail: str = "") -> MediaRefused:
    """The error for one of the reasons."""
    return MediaRefused(f"{reason} {detail}".strip(), reason=reason)


def judge(answer: Any, *, size: int, longest_ms: int, headers_only: bool = False) -> Probe:
    """The child's answer as a Probe; raises MediaRefused, also for an answer that makes no sense."""
    try:
        return _judge(answer, size, longest_ms, headers_only)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise refused(NOT_MEDIA, f"the answer makes no sense: {error!r}") from error


def _judge(answer: Any, size: int, longest_ms: int, headers_only: bool) -> Probe:
    if "refused" in answer:
        raise refused(TOO_MANY_STREAMS if answer["refused"] == "too_many_streams" else NOT_MEDIA,
                      str(answer.get("detail"))[:200])
    streams = [dict(stream, index=index) for index, stream in enumerate(answer["streams"])]
    if headers_only:
        for stream in streams:
            _believe_headers(stream, answer)
    picture, sounds = _best_video(streams), _sounds(streams)
    used = [*([picture] if picture else []), *sounds]
    if not used:
        raise refused(NO_STREAM)
    if picture:
        _check_picture(picture, headers_only)
    zero_ms = _zero_ms(answer, used)
    ends = [float(stream["end_ms"]) for stream in ([picture] if picture else []) + sounds[:1]]
    duration_ms = max(0, round(max(ends) - zero_ms))
    missing_ms = _check_length(answer, duration_ms, longest_ms, headers_only)
    heard = tuple(_audio(stream, zero_ms) for stream in sounds)
    return Probe(
        format=str(answer["format"])[:60], bytes=size, duration_ms=duration_ms, streams=len(streams),
        missing_end_ms=missing_ms, video=_video(picture, zero_ms) if picture else None,
        audio=heard[0] if heard else None, sounds=tuple(sorted(heard, key=lambda sound: sound.index)),
        edited=bool(answer.get("edited")),
    )


def _check_length(answer: Any, duration_ms: int, longest_ms: int, headers_only: bool) -> int:
    missing_ms = 0 if headers_only else _missing_ms(answer, duration_ms)
    if missing_ms > MISSING_END_ALLOWED_MS:
        raise refused(END_MISSING, f"{missing_ms} ms")
    if duration_ms < SHORTEST_MS and not headers_only:
        raise refused(TOO_SHORT, f"{duration_ms} ms")
    if duration_ms > longest_ms:
        raise refused(TOO_LONG, f"{duration_ms} ms")
    return missing_ms


def _believe_headers(stream: Stream, answer: Any) -> None:
    """Of a file that was not read to the end: every stream counts as there, and as long as the header says."""
    start_ms = 0.0 if stream["start_ms"] is None else float(stream["start_ms"])
    declared_ms = float(answer["declared_us"] or 0) / 1000
    stream |= {"packets": max(1, int(stream["packets"])), "start_ms": start_ms, "end_ms": start_ms + declared_ms}
    if stream["type"] == "video" and not stream["frame"]:
        stream["frame"] = {
            "width": stream["width"], "height": stream["height"], "rotation": 0, "interlaced": False,
            "transfer": stream["transfer"], "matrix": stream["matrix"],
        }


def _best_video(streams: list[Stream]) -> Stream | None:
    """The largest picture that is not the cover of a recording, of those that can be decoded if there are any."""
    found = [
        stream for stream in streams
        if stream["type"] == "video" and not stream["cover"] and stream["packets"] and stream["start_ms"] is not None
    ]
    return max(found, key=lambda stream: (
        stream["decoder"] in allowed.VIDEO_DECODERS and bool(stream["frame"]),
        int(stream["width"]) * int(stream["height"]), -stream["index"],
    ), default=None)


def _sounds(streams: list[Stream]) -> list[Stream]:
    """Every sound that can be used, the default one first; raises MediaRefused when there are only others."""
    found = [
        stream for stream in streams
        if stream["type"] == "audio" and stream["packets"] and stream["start_ms"] is not None
    ]
    usable = [
        stream for stream in found
        if stream["decoder"] in allowed.AUDIO_DECODERS and 1 <= int(stream["channels"]) <= allowed.MAX_CHANNELS
    ]
    if found and not usable:
        raise refused(BAD_AUDIO_CODEC, str(found[0]["codec"])[:60])
    return sorted(usable, key=lambda stream: (not stream["default"], stream["index"]))


def _check_picture(stream: Stream, headers_only: bool) -> None:
    if stream["decoder"] not in allowed.VIDEO_DECODERS:
        raise refused(BAD_VIDEO_CODEC, str(stream["codec"])[:60])
    if headers_only and not int(stream["frame"]["width"]):
        return  # the headers do not say it
    _check_size(int(stream["width"]), int(stream["height"]))
    if not stream["frame"]:
        raise refused(NO_PICTURE)
    _check_size(int(stream["frame"]["width"]), int(stream["frame"]["height"]))


def _check_size(width: int, height: int) -> None:
    sides_fit = all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (width, height))
    if not sides_fit or width * height > allowed.MAX_PIXELS:
        raise refused(BAD_SIZE, f"{width}x{height}")


def _zero_ms(answer: Any, used: list[Stream]) -> float:
    # What ffmpeg takes for the start of the file, so that these times are those of the encoding.
    if answer["start_us"] is not None:
        return float(answer["start_us"]) / 1000
    return min(float(stream["start_ms"]) for stream in used)


def _missing_ms(answer: Any, duration_ms: int) -> int:
    declared = answer["declared_us"]
    if declared is None or not set(str(answer["format"]).split(",")) & set(allowed.FORMATS_WITH_DURATION):
        return 0
    return max(0, round(float(declared) / 1000) - duration_ms)


def _video(stream: Stream, zero_ms: float) -> VideoFacts:
    frame, (across, down) = stream["frame"], stream["sar"]
    rotation = int(frame["rotation"]) % 360
    width, height = int(frame["width"]), int(frame["height"])
    usual = usual_matrix(width, height)
    if across > 0 and down > 0 and 0.1 < across / down < 10:
        width = round(width * across / down)
    if rotation in (90, 270):
        width, height = height, width
    if width:
        _check_size(width, height)
    start_ms, end_ms = float(stream["start_ms"]) - zero_ms, float(stream["end_ms"]) - zero_ms
    fps_milli, variable = frame_rate(int(stream["packets"]), end_ms - start_ms, stream["times_ms"])
    hdr = _HDR.get(int(frame["transfer"]), _HDR.get(int(stream["transfer"]), ""))
    matrix = _MATRICES.get(int(frame["matrix"]), usual)
    return VideoFacts(
        index=stream["index"], codec=str(stream["codec"])[:40], width=width, height=height, rotation=rotation,
        interlaced=bool(frame["interlaced"]), fps_milli=fps_milli, variable_rate=variable,
        start_ms=round(start_ms), end_ms=round(end_ms), hdr=hdr, matrix="bt2020" if hdr else matrix,
    )


def frame_rate(packets: int, length_ms: float, times_ms: list[float]) -> tuple[int, bool]:
    """Frames per 1000 s, and whether the rate varies.

    Counted from the packets, because headers of browser recordings say 1000 a second. A
    varying rate is the one that its busy moments need.
    """
    mean = packets * 1000 / max(length_ms, 1)
    times = sorted(float(time) for time in times_ms)
    gaps = sorted(later - earlier for earlier, later in pairwise(times) if later > earlier)
    if len(gaps) < 4:
        return _milli(mean), False
    quick = gaps[len(gaps) // 20]
    # Timestamps in whole milliseconds jitter by one, and one lost frame is not another rate.
    slow_ms = sum(gap for gap in gaps if gap > 1.3 * quick + 3)
    variable = slow_ms > 0.05 * sum(gaps)
    return _milli(max(mean, 1000 / quick) if variable else mean), variable


def _milli(fps: float) -> int:
    return round(1000 * min(max(fps, 0.01), HIGHEST_FPS))


def _audio(stream: Stream, zero_ms: float) -> AudioFacts:
    language = str(stream["language"])
    title = "".join(letter for letter in str(stream["title"])[:80] if letter.isprintable())
    return AudioFacts(
        index=stream["index"], codec=str(stream["codec"])[:40], channels=int(stream["channels"]),
        sample_rate=int(stream["sample_rate"]), start_ms=round(float(stream["start_ms"]) - zero_ms),
        end_ms=round(float(stream["end_ms"]) - zero_ms),
        language=language if _LANGUAGE.fullmatch(language) and language != "und" else "", title=title,
        is_default=bool(stream["default"]),
    )
