"""ffmpeg's argument list for one step of a ladder: pure, nothing is run here.

What makes the tracks fit together, and is easy to lose:

- every output begins at 0 and has the same length: pictures and sound that start late are
  filled in, those that end early are held or padded, `-t` cuts what `fps` adds;
- `negative_cts_offsets` puts the first picture at 0; ffmpeg's default is late by the
  reordering of B-frames, 80 to 400 ms;
- the first AAC packet holds 1024 samples of priming; it is dropped, so that sound is in step
  in players that know nothing of priming;
- libopus gets 48 kHz: browsers refuse Opus whose sample entry says another rate;
- x264's note of its own settings (600 bytes in the first chunk) is dropped.

This module must not know files, processes or the database. See colours.py and cutting.py.
"""

from typing import Any

import ffmpeg

from eduhub.media import allowed, colours, cutting
from eduhub.media.facts import Probe
from eduhub.media.ladder import AUDIO_CHUNK_MS, GOP_S, VIDEO_CHUNK_MS, AudioRung, Ladder, Step, VideoRung

STILL_PATTERN = "still-%05d.webp"
SOUND_RATE = 48_000
_MOVFLAGS = "+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets+skip_trailer"
_PRESET = "slow"


def arguments(source: str, probe: Probe, chosen: Ladder, step: Step, *, threads: int, tone_maps: bool = True) -> list[str]:
    """The arguments without the program. All names are relative to the work folder.

    `tone_maps`: whether this ffmpeg has what HDR is best turned into a usual picture with.
    """
    parts = cutting.parts_of(probe, chosen.spans)
    inputs = [ffmpeg.input(source, threads=str(threads), **part.seeking, **allowed.input_options()) for part in parts]
    outputs: list[Any] = []
    if probe.video and (step.video or step.stills):
        outputs += _picture_outputs(inputs, parts, probe, chosen, step, threads, tone_maps)
    for stream in dict.fromkeys(rung.stream for rung in step.audio):
        rungs = [rung for rung in step.audio if rung.stream == stream]
        outputs += _sound_outputs(inputs, parts, probe, chosen, rungs)
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


def _picture_outputs(
    inputs: list[Any], parts: tuple[cutting.Part, ...], probe: Probe, chosen: Ladder, step: Step, threads: int,
    tone_maps: bool,
) -> list[Any]:
    video = probe.video
    assert video is not None
    pictures = [one[str(video.index)] for one in inputs]
    if video.interlaced:
        pictures = [picture.filter("bwdif", mode="send_frame", deint="interlaced") for picture in pictures]
    picture, held_ms = cutting.picture(pictures, parts, video.end_ms, chosen)
    # A still is the picture that the video shows then, so it is taken at the video's rate.
    still_fps = max((rung.fps for rung in chosen.video), default=1)
    rates = [rung.fps for rung in step.video] + ([still_fps] if step.stills else [])
    at_rate = {
        fps: iter(_copies(copy.filter("fps", fps=fps, start_time=0)
                          .filter("tpad", stop_mode="clone", stop_duration=f"{held_ms / 1000 + 1:.3f}"),
                          rates.count(fps), "split"))
        for fps, copy in zip(sorted(set(rates)), _copies(picture, len(set(rates)), "split"), strict=True)
    }
    outputs = []
    for rung in step.video:
        sized = colours.sized(next(at_rate[rung.fps]), rung.width, rung.height, video, tone_maps=tone_maps)
        outputs.append(_video_output(sized, rung, chosen.duration_ms, threads))
    if step.stills:
        stills = step.stills
        # `fps=1/30` would show the picture of second 15 at second 0.
        sampled = next(at_rate[still_fps]).filter("select", f"gte(t,selected_n*{stills.every_s})")
        sized = colours.sized(sampled, stills.width, stills.height, video, tone_maps=tone_maps, matrix="bt601")
        outputs.append(ffmpeg.output(
            sized, STILL_PATTERN, vcodec="libwebp", quality=str(stills.quality), fps_mode="passthrough", f="image2",
            **_common(chosen.duration_ms),
        ))
    return outputs


def _copies(stream: Any, count: int, kind: str) -> list[Any]:
    """The stream `count` times; ffmpeg wants a filter for more than one reader, and none for one."""
    if count == 1:
        return [stream]
    split = stream.filter_multi_output(kind)
    return [split.stream(number) for number in range(count)]


def _video_output(picture: Any, rung: VideoRung, duration_ms: int, threads: int) -> Any:
    return ffmpeg.output(
        picture, f"{rung.name}.mp4", f="mp4", vcodec="libx264", preset=_PRESET,
        crf=str(rung.crf), maxrate=str(rung.maxrate_bps), bufsize=str(2 * rung.maxrate_bps),
        g=str(GOP_S * rung.fps), keyint_min=str(GOP_S * rung.fps), sc_threshold="0", threads=str(threads),
        movflags=_MOVFLAGS, frag_duration=str(VIDEO_CHUNK_MS * 1000), **{"bsf:v": "filter_units=remove_types=6"},
        **_common(duration_ms),
    )


def _sound_outputs(
    inputs: list[Any], parts: tuple[cutting.Part, ...], probe: Probe, chosen: Ladder, rungs: list[AudioRung]
) -> list[Any]:
    stream = rungs[0].stream
    facts = probe.sound(stream)
    mixed = [_mixed(one[str(stream)], facts.channels if facts else 1) for one in inputs]
    mono = cutting.sound(mixed, parts).filter("apad", whole_dur=f"{chosen.duration_ms / 1000:.3f}")
    copies = _copies(mono, len(rungs), "asplit")
    return [_audio_output(copy, rung, chosen.duration_ms) for copy, rung in zip(copies, rungs, strict=True)]


def _mixed(sound: Any, channels: int) -> Any:
    # Float all the way: whole-number samples would make ffmpeg turn a 5.1 voice down by 11 dB
    # so that no mixture can clip. The limiter catches the loud moments instead.
    if channels > allowed.MOST_MIXED_CHANNELS:
        # ffmpeg knows no layout of so many. Voices that have nothing to do with each other add up by their squares.
        weight = f"{channels ** -0.5:.4f}"
        sound = sound.filter("pan", args="mono|c0=" + "+".join(f"{weight}*c{number}" for number in range(channels)))
    mono = sound.filter("aresample", SOUND_RATE, **{"async": 1, "first_pts": 0}, tsf="fltp", osf="fltp", ochl="mono")
    return mono.filter("alimiter", limit=0.95, level="disabled")


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
