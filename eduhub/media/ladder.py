"""Which renditions are made of a source: a pure function from a probe to a ladder.

This first ladder is fixed: the same steps for every lesson, never larger than the source.
Pixels are kept and frames, sound and repeated key frames are saved on, because small text
dies with the resolution first. Constant quality with a ceiling: a still slide costs little,
a moving camera never floods the link.

This module must not know files, processes or the database. See docs/adding-a-rendition.md.
"""

from dataclasses import dataclass
from fractions import Fraction

from eduhub.media.facts import Probe, VideoFacts

GOP_S = 6  # key frames at 0, 6, 12 ... s in every video rendition
VIDEO_CHUNK_MS, AUDIO_CHUNK_MS = 1000, 2000
STILL_EVERY_S = 30


@dataclass(frozen=True)
class VideoRung:
    """One H.264 rendition. `fps` is whole, so that key frames fall on the same instants in all of them."""

    name: str
    width: int
    height: int
    fps: int
    crf: int
    maxrate_bps: int


@dataclass(frozen=True)
class AudioRung:
    """One mono sound rendition."""

    name: str
    codec: str  # aac or opus
    bitrate_bps: int
    sample_rate: int


@dataclass(frozen=True)
class Stills:
    """One WebP picture every `every_s` seconds."""

    width: int
    height: int
    every_s: int
    quality: int


@dataclass(frozen=True)
class Ladder:
    """Everything that is made of one source. Video goes from light to heavy."""

    duration_ms: int
    video: tuple[VideoRung, ...]
    audio: tuple[AudioRung, ...]
    stills: Stills | None
    floor: tuple[str, ...]  # names of the parts without which the lesson is not shown


@dataclass(frozen=True)
class _Step:
    name: str
    short_side: int
    most_fps: int
    crf: int
    crf_of_small_source: int  # where the source has no more pixels than the step below
    maxrate_bps: int


_STEPS = (
    _Step("v240", 240, 15, 32, 32, 120_000),
    _Step("v360", 360, 25, 28, 28, 250_000),
    _Step("v720", 720, 25, 26, 24, 600_000),
)
_AAC = AudioRung("aac", "aac", 32_000, 24_000)
_OPUS = AudioRung("opus", "opus", 16_000, 48_000)
_STILLS_SHORT_SIDE, _STILLS_QUALITY = 720, 60


def choose(probe: Probe) -> Ladder:
    """The ladder for a source. Sound alone gives no pictures, silence no sound."""
    video = probe.video
    audio = (_AAC, _OPUS) if probe.audio else ()
    stills = None
    if video:
        width, height = fit(video.width, video.height, _STILLS_SHORT_SIDE)
        stills = Stills(width, height, STILL_EVERY_S, _STILLS_QUALITY)
    return Ladder(
        duration_ms=probe.duration_ms,
        video=_rungs(video) if video else (),
        audio=audio,
        stills=stills,
        floor=_floor(bool(video), bool(audio)),
    )


def _floor(has_picture: bool, has_sound: bool) -> tuple[str, ...]:
    names = ["index"]
    if has_picture:
        names += ["stills", "poster"]
    if has_sound:
        names.append(_AAC.name)
    return tuple(names)


def _rungs(video: VideoFacts) -> tuple[VideoRung, ...]:
    rungs: list[VideoRung] = []
    for step in _STEPS:
        width, height = fit(video.width, video.height, step.short_side)
        same_pixels = bool(rungs) and (rungs[-1].width, rungs[-1].height) == (width, height)
        rungs.append(VideoRung(
            name=step.name, width=width, height=height, fps=whole_rate(video.fps_milli, step.most_fps),
            crf=step.crf_of_small_source if same_pixels else step.crf, maxrate_bps=step.maxrate_bps,
        ))
    return tuple(rungs)


def fit(width: int, height: int, short_side: int) -> tuple[int, int]:
    """The size with this short side, or the source's own when that is smaller; both sides even."""
    scale = min(Fraction(1), Fraction(short_side, min(width, height)))
    return _even(width * scale), _even(height * scale)


def _even(side: Fraction) -> int:
    return max(2, 2 * round(side / 2 - Fraction(1, 100)))


def whole_rate(fps_milli: int, most: int) -> int:
    """The whole number of frames a second that is nearest to the source's and at most `most`.

    A rate above is divided evenly (60 gives 20, 30 gives 15) where that loses less than a third
    of what is allowed; 30 under 25 becomes 25.
    """
    fps = max(1, round(fps_milli / 1000))
    if fps <= most:
        return fps
    for parts in range(2, fps + 1):
        if fps % parts == 0 and fps // parts <= most:
            return fps // parts if 3 * (fps // parts) > 2 * most else most
    return most
