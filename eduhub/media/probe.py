"""Look at an uploaded file before anything is made of it: facts, or a reason that a teacher understands.

The bytes are read by `probe_child.py` in the jail. Its answer is treated as hostile too: a
decoder that was taken over could print anything.

This module must not know the database.
"""

import json
import stat
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from eduhub.config import Settings
from eduhub.errors import N_, EncodeFailed, EncodeInterrupted, MediaRefused
from eduhub.media import allowed, jail, workroom
from eduhub.media.facts import AudioFacts, Probe, VideoFacts

MISSING_END_ALLOWED_MS = 2000
SMALLEST_SIDE, LARGEST_SIDE = 16, 16384
HIGHEST_FPS = 240

NOT_A_FILE = N_("it is not an ordinary file")
EMPTY = N_("it is empty")
TOO_LARGE = N_("it is larger than a source may be")
NOT_MEDIA = N_("it is not a video or sound file of a kind we know")
TOO_MUCH_WORK = N_("reading it takes more time or memory than a lecture needs")
TOO_MANY_STREAMS = N_("it holds too many streams")
NO_STREAM = N_("there is neither picture nor sound in it")
BAD_VIDEO_CODEC = N_("its picture is stored in a way that we do not open")
BAD_AUDIO_CODEC = N_("its sound is stored in a way that we do not open")
BAD_SIZE = N_("its picture is too large or too small")
NO_PICTURE = N_("its picture cannot be decoded")
TOO_SHORT = N_("it is shorter than half a second")
TOO_LONG = N_("it is longer than a lecture may be")
END_MISSING = N_("its end is missing: the recording or the copying was cut off")
REASONS = (
    NOT_A_FILE, EMPTY, TOO_LARGE, NOT_MEDIA, TOO_MUCH_WORK, TOO_MANY_STREAMS, NO_STREAM, BAD_VIDEO_CODEC,
    BAD_AUDIO_CODEC, BAD_SIZE, NO_PICTURE, TOO_SHORT, TOO_LONG, END_MISSING,
)

_PYTHON_FAILED = 1
_CHILD = Path(__file__).with_name("probe_child.py")


def probe(work: Path, settings: Settings, *, on_tick: Callable[[], None] = lambda: None) -> Probe:
    """The facts of the file INPUT in `work` (see workroom); raises MediaRefused with one of REASONS."""
    size = _regular_size(work / workroom.INPUT, settings.upload_max_mb << 20)
    answer = _ask_child(work, settings, size, on_tick)
    return judge(answer, size=size, longest_ms=settings.media_max_hours * 3_600_000)


def _regular_size(source: Path, most: int) -> int:
    # A pipe or a device never ends; it is not even opened.
    facts = source.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise _refused(NOT_A_FILE)
    if facts.st_size == 0:
        raise _refused(EMPTY)
    if facts.st_size > most:
        raise _refused(TOO_LARGE, f"{facts.st_size} bytes")
    return facts.st_size


def _refused(reason: str, detail: str = "") -> MediaRefused:
    return MediaRefused(f"{reason} {detail}".strip(), reason=reason)


def _ask_child(work: Path, settings: Settings, size: int, on_tick: Callable[[], None]) -> Any:
    options = {
        "input": allowed.input_options(), "decoders": allowed.DECODERS, "max_pixels": allowed.MAX_PIXELS,
        "max_streams": allowed.MAX_STREAMS,
    }
    seconds = 30 + size // (4 << 20)
    limits = jail.Limits(
        cpu_s=seconds, wall_s=60 + 4 * seconds, memory_bytes=3 << 30, file_bytes=0, output_bytes=4 << 20, open_files=64
    )
    lines: list[str] = []
    command = jail.Command(
        (sys.executable, "-I", str(_CHILD), json.dumps(options)), work, limits,
        readable=(*_python_folders(), _CHILD, (work / workroom.INPUT).resolve()),
        may_write=False,  # what it were to put in the place of INPUT, the encoder would be shown
    )
    finished = jail.run(jail.kind_of_jail(settings), command, on_line=lines.append, on_tick=on_tick)
    if finished.outcome == "ended" and finished.code == _PYTHON_FAILED:
        raise EncodeFailed(f"probing failed: {finished.errors[-1000:]}")
    if finished.was_interrupted:
        raise EncodeInterrupted(f"probing was ended by signal, code {finished.code}")
    if not finished.ok:
        # A limit was reached, or a parser fell over the file.
        raise _refused(TOO_MUCH_WORK, f"{finished.outcome} {finished.code}: {finished.errors[-500:]}")
    try:
        return json.loads(lines[0])
    except (IndexError, ValueError, RecursionError) as error:
        raise _refused(NOT_MEDIA, "the answer cannot be read") from error


def _python_folders() -> tuple[Path, ...]:
    found = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), Path(sys.executable).parent.parent}
    return tuple(sorted(path for path in found if path not in {Path("/usr"), Path("/")}))


def judge(answer: Any, *, size: int, longest_ms: int) -> Probe:
    """The child's answer as a Probe; raises MediaRefused, also for an answer that makes no sense."""
    try:
        return _judge(answer, size, longest_ms)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise _refused(NOT_MEDIA, f"the answer makes no sense: {error!r}") from error


def _judge(answer: Any, size: int, longest_ms: int) -> Probe:
    if "refused" in answer:
        raise _refused(TOO_MANY_STREAMS if answer["refused"] == "too_many_streams" else NOT_MEDIA,
                       str(answer.get("detail"))[:200])
    streams = [dict(stream, index=index) for index, stream in enumerate(answer["streams"])]
    used = [stream for stream in (_best_video(streams), _best_audio(streams)) if stream is not None]
    if not used:
        raise _refused(NO_STREAM)
    for stream in used:
        _check_codec(stream)
    zero_ms = _zero_ms(answer, used)
    end_ms = max(float(stream["end_ms"]) for stream in used)
    duration_ms = round(end_ms - zero_ms)
    missing_ms = _missing_ms(answer, duration_ms)
    if missing_ms > MISSING_END_ALLOWED_MS:
        raise _refused(END_MISSING, f"{missing_ms} ms")
    if duration_ms < 500:
        raise _refused(TOO_SHORT, f"{duration_ms} ms")
    if duration_ms > longest_ms:
        raise _refused(TOO_LONG, f"{duration_ms} ms")
    made = {stream["type"]: stream for stream in used}
    return Probe(
        format=str(answer["format"])[:60], bytes=size, duration_ms=duration_ms, streams=len(streams),
        missing_end_ms=missing_ms,
        video=_video(made["video"], zero_ms) if "video" in made else None,
        audio=_audio(made["audio"], zero_ms) if "audio" in made else None,
    )


def _best_video(streams: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The largest picture that is not the cover of a recording."""
    found = [stream for stream in streams if stream["type"] == "video" and not stream["cover"] and stream["packets"]]
    return max(found, key=lambda stream: (int(stream["width"]) * int(stream["height"]), -stream["index"]), default=None)


def _best_audio(streams: list[dict[str, Any]]) -> dict[str, Any] | None:
    found = [stream for stream in streams if stream["type"] == "audio" and stream["packets"]]
    return max(found, key=lambda stream: (bool(stream["default"]), -stream["index"]), default=None)


def _check_codec(stream: dict[str, Any]) -> None:
    if stream["type"] == "video":
        if stream["decoder"] not in allowed.VIDEO_DECODERS:
            raise _refused(BAD_VIDEO_CODEC, str(stream["codec"])[:60])
        _check_size(int(stream["width"]), int(stream["height"]))
        if not stream["frame"]:
            raise _refused(NO_PICTURE)
        _check_size(int(stream["frame"]["width"]), int(stream["frame"]["height"]))
    elif stream["decoder"] not in allowed.AUDIO_DECODERS or not 1 <= int(stream["channels"]) <= allowed.MAX_CHANNELS:
        raise _refused(BAD_AUDIO_CODEC, str(stream["codec"])[:60])


def _check_size(width: int, height: int) -> None:
    sides_fit = all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (width, height))
    if not sides_fit or width * height > allowed.MAX_PIXELS:
        raise _refused(BAD_SIZE, f"{width}x{height}")


def _zero_ms(answer: Any, used: list[dict[str, Any]]) -> float:
    # What ffmpeg takes for the start of the file, so that these times are those of the encoding.
    if answer["start_us"] is not None:
        return float(answer["start_us"]) / 1000
    return min(float(stream["start_ms"]) for stream in used)


def _missing_ms(answer: Any, duration_ms: int) -> int:
    declared = answer["declared_us"]
    if declared is None or not set(str(answer["format"]).split(",")) & set(allowed.FORMATS_WITH_DURATION):
        return 0
    return max(0, round(float(declared) / 1000) - duration_ms)


def _video(stream: dict[str, Any], zero_ms: float) -> VideoFacts:
    frame, (across, down) = stream["frame"], stream["sar"]
    rotation = int(frame["rotation"]) % 360
    width, height = int(frame["width"]), int(frame["height"])
    if across > 0 and down > 0 and 0.1 < across / down < 10:
        width = round(width * across / down)
    if rotation in (90, 270):
        width, height = height, width
    _check_size(width, height)
    start_ms, end_ms = float(stream["start_ms"]) - zero_ms, float(stream["end_ms"]) - zero_ms
    fps_milli, variable = frame_rate(int(stream["packets"]), end_ms - start_ms, stream["times_ms"])
    return VideoFacts(
        index=stream["index"], codec=str(stream["codec"])[:40], width=width, height=height, rotation=rotation,
        interlaced=bool(frame["interlaced"]), fps_milli=fps_milli, variable_rate=variable,
        start_ms=round(start_ms), end_ms=round(end_ms),
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


def _audio(stream: dict[str, Any], zero_ms: float) -> AudioFacts:
    return AudioFacts(
        index=stream["index"], codec=str(stream["codec"])[:40], channels=int(stream["channels"]),
        sample_rate=int(stream["sample_rate"]), start_ms=round(float(stream["start_ms"]) - zero_ms),
        end_ms=round(float(stream["end_ms"]) - zero_ms),
    )
