"""Which renditions are made of a source, and in which steps: a pure function from a probe and a recipe to a ladder.

This first ladder is fixed: the same rungs for every lesson, never larger than the source.
Pixels are kept and frames, sound and repeated key frames are saved on, because small text
dies with the resolution first. Constant quality with a ceiling: a still slide costs little,
a moving camera never floods the link.

This module must not know files, processes or the database. See docs/adding-a-rendition.md.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from eduhub.errors import N_, BadInput, MediaRefused
from eduhub.media.facts import Probe, VideoFacts
from eduhub.media.recipes import WHOLE, Recipe, Span

GOP_S = 6  # key frames at 0, 6, 12 ... s in every video rendition
VIDEO_CHUNK_MS, AUDIO_CHUNK_MS = 1000, 2000
STILL_EVERY_S = 30
FLOOR = "floor"
# Cuts fall on these instants: whole samples of every sound, whole pictures of the common rates.
CUT_GRID_MS = 10
MOST_SPANS = 50
SHORTEST_MS = 500

NOTHING_LEFT = N_("nothing of it would be left")
NO_SOUND = N_("there is no sound in it")


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
    """One mono sound rendition of the source's stream `stream`. `language`: what the recipe says is spoken."""

    name: str
    codec: str  # aac or opus
    bitrate_bps: int
    sample_rate: int
    stream: int
    language: str | None = None


@dataclass(frozen=True)
class Stills:
    """One WebP picture every `every_s` seconds."""

    width: int
    height: int
    every_s: int
    quality: int


@dataclass(frozen=True)
class Strip:
    """One sheet of small stills, row by row, for the bar under the picture: every `each`th still, `tiles` of them."""

    columns: int
    tiles: int
    each: int
    tile_width: int
    tile_height: int

    @property
    def rows(self) -> int:
        """How many rows the tiles fill; the last may be short."""
        return -(-self.tiles // self.columns)

    @property
    def every_s(self) -> int:
        """Seconds from one tile to the next."""
        return self.each * STILL_EVERY_S


@dataclass(frozen=True)
class Step:
    """One run of the encoder and what comes of it. With `stills` come the poster and the strip."""

    name: str
    video: tuple[VideoRung, ...] = ()
    audio: tuple[AudioRung, ...] = ()
    stills: Stills | None = None


@dataclass(frozen=True)
class Ladder:
    """Everything that is made of one source. Video goes from light to heavy, sound from the main one on."""

    duration_ms: int  # of what comes out
    spans: tuple[Span, ...] | None  # what of the source is used; None: all
    video: tuple[VideoRung, ...]
    audio: tuple[AudioRung, ...]
    stills: Stills | None
    strip: Strip | None
    floor: tuple[str, ...]  # names of the parts without which the lesson is not shown

    @property
    def steps(self) -> tuple[Step, ...]:
        """The floor, then each video by itself; each decodes the source anew."""
        return (Step(FLOOR, audio=self.audio, stills=self.stills), *(Step(rung.name, video=(rung,)) for rung in self.video))

    def step(self, name: str) -> Step:
        """The step of this name; raises BadInput."""
        found = next((step for step in self.steps if step.name == name), None)
        if found is None:
            raise BadInput(f"no step {name}")
        return found

    def has_download(self, step: Step) -> bool:
        """Whether the one file for saving is made with this step: the lightest video, or the sound where there is none."""
        return step.video == self.video[:1] if self.video else bool(step.audio)


@dataclass(frozen=True)
class _Rung:
    name: str
    short_side: int
    most_fps: int
    crf: int
    crf_of_small_source: int  # where the source has no more pixels than the rung below
    maxrate_bps: int


_RUNGS = (
    _Rung("v240", 240, 15, 32, 32, 120_000),
    _Rung("v360", 360, 25, 28, 28, 250_000),
    _Rung("v720", 720, 25, 26, 24, 600_000),
)
# Name and codec, bit/s, samples a second.
_SOUNDS = (("aac", 32_000, 24_000), ("opus", 16_000, 48_000))
ORDER = tuple(rung.name for rung in _RUNGS) + tuple(name for name, _bps, _rate in _SOUNDS)
_STILLS_SHORT_SIDE, _STILLS_QUALITY = 720, 60
_STRIP_COLUMNS, _STRIP_MOST_TILES, _TILE_SHORT_SIDE = 10, 100, 90
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,2}")


def choose(probe: Probe, recipe: Recipe = WHOLE) -> Ladder:
    """The ladder for a source and a recipe. Sound alone gives no pictures, silence no sound.

    Raises BadInput for a sound that the file has not, MediaRefused when nothing would be left.
    """
    video = None if recipe.sound_only else probe.video
    audio = _sounds(probe, recipe)
    if not video and not audio:
        raise MediaRefused(NO_SOUND, reason=NO_SOUND)
    spans = _spans(recipe, probe.duration_ms)
    duration_ms = probe.duration_ms if spans is None else sum(end - start for start, end in spans)
    stills = strip = None
    if video:
        width, height = fit(video.width, video.height, _STILLS_SHORT_SIDE)
        stills = Stills(width, height, STILL_EVERY_S, _STILLS_QUALITY)
        strip = _strip(duration_ms, stills)
    return Ladder(
        duration_ms=duration_ms, spans=spans, video=_rungs(video) if video else (), audio=audio, stills=stills,
        strip=strip, floor=_floor(bool(video), bool(audio)),
    )


def _spans(recipe: Recipe, source_ms: int) -> tuple[Span, ...] | None:
    if recipe.edit is None:
        return None
    if len(recipe.edit) > MOST_SPANS:
        raise BadInput(f"more than {MOST_SPANS} spans")
    last = source_ms - source_ms % CUT_GRID_MS
    found: list[Span] = []
    for span in recipe.edit:
        start, end = (min(last, CUT_GRID_MS * round(edge / CUT_GRID_MS)) for edge in span)
        if start == end:
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    if sum(end - start for start, end in found) < SHORTEST_MS:
        raise MediaRefused(NOTHING_LEFT, reason=NOTHING_LEFT)
    return tuple(found)


def _sounds(probe: Probe, recipe: Recipe) -> tuple[AudioRung, ...]:
    """AAC and Opus of each sound; the names of the main one say no language, those of the others do."""
    if recipe.sounds is None:
        return _both("", probe.audio.index, None) if probe.audio else ()
    rungs, seen = list[AudioRung](), list[str]()
    for sound in recipe.sounds:
        if probe.sound(sound.index) is None or not _LANGUAGE.fullmatch(sound.language):
            raise BadInput(f"no sound {sound.index} in {sound.language}")
        seen.append(sound.language.lower())
        again = seen.count(sound.language.lower())
        suffix = "" if len(seen) == 1 else f"-{sound.language}" + (f"-{again}" if again > 1 else "")
        rungs += _both(suffix, sound.index, sound.language)
    return tuple(rungs)


def _both(suffix: str, stream: int, language: str | None) -> tuple[AudioRung, ...]:
    return tuple(AudioRung(name + suffix, name, bps, rate, stream, language) for name, bps, rate in _SOUNDS)


def _floor(has_picture: bool, has_sound: bool) -> tuple[str, ...]:
    names = ["index"]
    if has_picture:
        names += ["stills", "poster"]
    if has_sound:
        names.append("aac")
    return tuple(names)


def _rungs(video: VideoFacts) -> tuple[VideoRung, ...]:
    rungs: list[VideoRung] = []
    for rung in _RUNGS:
        width, height = fit(video.width, video.height, rung.short_side)
        same_pixels = bool(rungs) and (rungs[-1].width, rungs[-1].height) == (width, height)
        rungs.append(VideoRung(
            name=rung.name, width=width, height=height, fps=whole_rate(video.fps_milli, rung.most_fps),
            crf=rung.crf_of_small_source if same_pixels else rung.crf, maxrate_bps=rung.maxrate_bps,
        ))
    return tuple(rungs)


def still_count(duration_ms: int) -> int:
    """How many stills a lesson of this length has, the one at 0 included."""
    return max(1, -(-duration_ms // (STILL_EVERY_S * 1000)))


def _strip(duration_ms: int, stills: Stills) -> Strip:
    """A longer lecture has wider gaps, not a larger sheet."""
    count = still_count(duration_ms)
    each = -(-count // _STRIP_MOST_TILES)
    width, height = fit(stills.width, stills.height, _TILE_SHORT_SIDE)
    tiles = -(-count // each)
    return Strip(min(_STRIP_COLUMNS, tiles), tiles, each, width, height)


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


_ROOM = 1 << 20  # headers, and the slack of a ceiling over a short lesson


def most_bytes(chosen: Ladder, step: Step) -> int:
    """What the step may write in sum, and so what is kept free for it: ceilings, not what to expect."""
    video = sum(_track_bytes(rung.maxrate_bps, chosen.duration_ms) for rung in step.video)
    audio = sum(_track_bytes(rung.bitrate_bps, chosen.duration_ms) for rung in step.audio)
    pictures = 0
    if step.stills:
        # Half a byte for a pixel is more than noise takes at this quality; poster and strip are smaller than two of them.
        pictures = (2 + still_count(chosen.duration_ms)) * (step.stills.width * step.stills.height // 2 + (4 << 10)) + _ROOM
    main = next((rung.bitrate_bps for rung in chosen.audio), 0)
    muxed = 0
    if chosen.has_download(step):
        muxed = video + (_track_bytes(main, chosen.duration_ms) if main else 0)
    return video + audio + pictures + muxed + _ROOM


def _track_bytes(bps: int, duration_ms: int) -> int:
    """A quarter above the ceiling, which is kept over two seconds and not over one; 1 KiB of header a second."""
    return bps * duration_ms // 8000 * 5 // 4 + duration_ms + _ROOM
