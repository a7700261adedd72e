"""Turn a source into the tracks and stills of a ladder: one ffmpeg process that decodes once.

What makes the tracks fit together, and is easy to lose:

- every output begins at 0 and has the same length: pictures and sound that start late are
  filled in, those that end early are held or padded, `-t` cuts what `fps` adds;
- `negative_cts_offsets` puts the first picture at 0; ffmpeg's default is late by the
  reordering of B-frames, 80 to 400 ms;
- the first AAC packet holds 1024 samples of priming; it is dropped, so that sound is in step
  in players that know nothing of priming;
- libopus gets 48 kHz: browsers refuse Opus whose sample entry says another rate;
- x264's note of its own settings (600 bytes in the first chunk) is dropped.

ffmpeg-python builds the argument list and `jail.run` runs it; its own runner has no time
limit, and would not be allowed to. This module must not know the database.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import ffmpeg

from eduhub.config import Settings
from eduhub.errors import DiskFull, EncodeFailed, EncodeInterrupted
from eduhub.media import allowed, jail, program, workroom
from eduhub.media.facts import Probe
from eduhub.media.ladder import AUDIO_CHUNK_MS, GOP_S, VIDEO_CHUNK_MS, AudioRung, Ladder, VideoRung

STILL_PATTERN = "still-%05d.webp"
_MOVFLAGS = "+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+skip_trailer"
_PRESET = "slow"


@dataclass(frozen=True)
class Transcoded:
    """The files that were made, in the work folder, and what it cost."""

    tracks: dict[str, Path]
    stills: tuple[Path, ...]
    cpu_s: float
    wall_s: float


def transcode(
    work: Path, probe: Probe, chosen: Ladder, settings: Settings, *,
    on_progress: Callable[[float], None] = lambda _done: None, one_pass: bool = True,
) -> Transcoded:
    """Make every rendition of `chosen` from the file INPUT in `work`.

    `on_progress` gets 0.0 to 1.0 about twice a second; what it raises stops the work.
    `one_pass=False` runs one process per rendition: benchmarks compare the two.
    Raises EncodeFailed, EncodeInterrupted, DiskFull, ToolMissing.
    """
    found, kind = program.find(settings), jail.kind_of_jail(settings)
    parts = [chosen] if one_pass else _single_renditions(chosen)
    cpu_s = wall_s = 0.0
    for number, part in enumerate(parts):
        watch = _Progress(part.duration_ms, partial(_tell_part, on_progress, number, len(parts)))
        command = jail.Command(
            (str(found.path), *arguments(probe, part, threads=settings.encode_threads)), work,
            _limits(chosen), readable=(found.path.resolve(), found.path, (work / workroom.INPUT).resolve()),
        )
        finished = jail.run(kind, command, on_line=watch.line, on_tick=watch.tick)
        check(finished)
        cpu_s, wall_s = cpu_s + finished.cpu_s, wall_s + finished.wall_s
    return _collect(work, chosen, cpu_s, wall_s)


def _tell_part(tell: Callable[[float], None], number: int, parts: int, done: float) -> None:
    tell((number + done) / parts)


def _single_renditions(chosen: Ladder) -> list[Ladder]:
    bare = replace(chosen, video=(), audio=(), stills=None)
    singles = [replace(bare, video=(rung,)) for rung in chosen.video]
    singles += [replace(bare, audio=(rung,)) for rung in chosen.audio]
    return singles + ([replace(bare, stills=chosen.stills)] if chosen.stills else [])


def _limits(chosen: Ladder) -> jail.Limits:
    seconds = chosen.duration_ms // 1000 + 1
    heaviest_bps = max((rung.maxrate_bps for rung in chosen.video), default=100_000)
    return jail.Limits(
        cpu_s=300 + 12 * seconds, wall_s=900 + 30 * seconds, memory_bytes=6 << 30,
        file_bytes=(16 << 20) + 2 * heaviest_bps // 8 * seconds,
    )


def check(finished: jail.Finished) -> None:
    """Raise DiskFull, EncodeInterrupted or EncodeFailed for a run that did not succeed.

    What ffmpeg or a limit said no to, they will say no to again: a teacher waits for nothing.
    """
    if finished.ok:
        return
    if "No space left on device" in finished.errors:
        raise DiskFull(finished.errors[-500:])
    error = EncodeInterrupted if finished.was_interrupted else EncodeFailed
    raise error(f"ffmpeg {finished.outcome}, code {finished.code}: {finished.errors[-2000:]}")


def _collect(work: Path, chosen: Ladder, cpu_s: float, wall_s: float) -> Transcoded:
    workroom.check_made(work)
    names = [rung.name for rung in chosen.video] + [rung.name for rung in chosen.audio]
    tracks = {name: work / f"{name}.mp4" for name in names}
    stills = tuple(sorted(work.glob(STILL_PATTERN.replace("%05d", "*"))))
    missing = [name for name, path in tracks.items() if not path.is_file() or path.stat().st_size == 0]
    if chosen.stills and not stills:
        missing.append("stills")
    if missing:
        raise EncodeFailed(f"ffmpeg made no {', '.join(missing)}")
    return Transcoded(tracks, stills, cpu_s, wall_s)


class _Progress:
    """Reads the `key=value` lines of `-progress`."""

    def __init__(self, duration_ms: int, tell: Callable[[float], None]) -> None:
        self._duration_ms, self._tell, self._done = duration_ms, tell, 0.0

    def line(self, line: str) -> None:
        key, _, value = line.partition("=")
        # Called out_time_ms too in some versions, and N/A before the first frame.
        if key == "out_time_us" and value.strip().isdigit():
            self._done = max(self._done, min(1.0, int(value) / 1000 / self._duration_ms))

    def tick(self) -> None:
        self._tell(self._done)


def arguments(probe: Probe, chosen: Ladder, *, threads: int) -> list[str]:
    """ffmpeg's argument list, without the program. All names are relative to the work folder."""
    source = ffmpeg.input(workroom.INPUT, threads=str(threads), **allowed.input_options())
    outputs: list[Any] = []
    if probe.video and (chosen.video or chosen.stills):
        outputs += _picture_outputs(source[str(probe.video.index)], probe, chosen, threads)
    if probe.audio and chosen.audio:
        outputs += _sound_outputs(source[str(probe.audio.index)], chosen)
    made = ffmpeg.merge_outputs(*outputs).global_args(
        "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-progress", "pipe:1", "-nostats",
        "-filter_threads", "1", "-filter_complex_threads", "1",
    )
    return [str(argument) for argument in made.get_args()]


def _common(duration_ms: int) -> dict[str, str]:
    return {
        "t": f"{duration_ms / 1000:.3f}", "map_metadata": "-1", "map_chapters": "-1", "fflags": "+bitexact",
        "flags": "+bitexact",
    }


def _picture_outputs(picture: Any, probe: Probe, chosen: Ladder, threads: int) -> list[Any]:
    assert probe.video is not None
    still_fps = max((rung.fps for rung in chosen.video), default=1)
    rates = [rung.fps for rung in chosen.video] + ([still_fps] if chosen.stills else [])
    if probe.video.interlaced:
        picture = picture.filter("bwdif", mode="send_frame", deint="interlaced")
    held_s = max(0, chosen.duration_ms - probe.video.end_ms) / 1000 + 1
    at_rate = {
        fps: iter(_copies(copy.filter("fps", fps=fps, start_time=0)
                          .filter("tpad", stop_mode="clone", stop_duration=f"{held_s:.3f}"), rates.count(fps), "split"))
        for fps, copy in zip(sorted(set(rates)), _copies(picture, len(set(rates)), "split"), strict=True)
    }
    outputs = [_video_output(next(at_rate[rung.fps]), rung, chosen.duration_ms, threads) for rung in chosen.video]
    if chosen.stills:
        stills = chosen.stills
        # `fps=1/30` would show the picture of second 15 at second 0.
        sampled = next(at_rate[still_fps]).filter("select", f"gte(t,selected_n*{stills.every_s})")
        outputs.append(ffmpeg.output(
            _sized(sampled, stills.width, stills.height), STILL_PATTERN, vcodec="libwebp", quality=str(stills.quality),
            fps_mode="passthrough", f="image2", **_common(chosen.duration_ms),
        ))
    return outputs


def _copies(stream: Any, count: int, kind: str) -> list[Any]:
    """The stream `count` times; ffmpeg wants a filter for more than one reader, and none for one."""
    if count == 1:
        return [stream]
    split = stream.filter_multi_output(kind)
    return [split.stream(number) for number in range(count)]


def _sized(picture: Any, width: int, height: int) -> Any:
    return picture.filter("scale", width, height, flags="bicubic").filter("setsar", 1).filter("format", "yuv420p")


def _video_output(picture: Any, rung: VideoRung, duration_ms: int, threads: int) -> Any:
    return ffmpeg.output(
        _sized(picture, rung.width, rung.height), f"{rung.name}.mp4", f="mp4", vcodec="libx264", preset=_PRESET,
        crf=str(rung.crf), maxrate=str(rung.maxrate_bps), bufsize=str(2 * rung.maxrate_bps),
        g=str(GOP_S * rung.fps), keyint_min=str(GOP_S * rung.fps), sc_threshold="0", threads=str(threads),
        movflags=_MOVFLAGS, frag_duration=str(VIDEO_CHUNK_MS * 1000), **{"bsf:v": "filter_units=remove_types=6"},
        **_common(duration_ms),
    )


def _sound_outputs(sound: Any, chosen: Ladder) -> list[Any]:
    # Float all the way: whole-number samples would make ffmpeg turn a 5.1 voice down by 11 dB
    # so that no mixture can clip. The limiter catches the loud moments instead.
    mono = sound.filter("aresample", 48000, **{"async": 1, "first_pts": 0}, tsf="fltp", osf="fltp", ochl="mono")
    mono = mono.filter("alimiter", limit=0.95, level="disabled").filter(
        "apad", whole_dur=f"{chosen.duration_ms / 1000:.3f}"
    )
    copies = _copies(mono, len(chosen.audio), "asplit")
    return [_audio_output(copy, rung, chosen.duration_ms) for copy, rung in zip(copies, chosen.audio, strict=True)]


def _audio_output(sound: Any, rung: AudioRung, duration_ms: int) -> Any:
    options: dict[str, str] = {"movflags": _MOVFLAGS, "frag_duration": str(AUDIO_CHUNK_MS * 1000), "ac": "1"}
    if rung.codec == "aac":
        options |= {"acodec": "aac", "bsf:a": "noise=drop=eq(n\\,0)"}
    else:
        options |= {"acodec": "libopus", "application": "voip", "frame_duration": "60"}
    return ffmpeg.output(
        sound.filter("aresample", rung.sample_rate), f"{rung.name}.mp4", f="mp4", audio_bitrate=str(rung.bitrate_bps),
        **options, **_common(duration_ms),
    )
