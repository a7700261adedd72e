"""What encoding costs: processor seconds for each second of lecture, and when the first of it can be played.

Makes its own clip (drawn slides that change, a moving picture in the corner, a voice-like tone) and, where the shared corpus
lies beside the checkout, takes the real hall lecture, ten minutes of slides (a minute of them, looped) and a screencast
enlarged to 1080p; without the corpus the last two are made of the own clip. Each is encoded in steps, as the hub does, and in one pass for
all; the two short ones also with one process for each rendition. Prints a table of bytes and rates, then one JSON object. Processor
time is that of the ffmpeg processes alone, so a busy machine bends it little; compare ratios, not seconds: `first_playable_s` is on
the clock.

BENCH=short: a quarter of the own clip's length, and nothing else.
"""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from eduhub.config import Settings
from eduhub.media import encode, ladder, transcode, workroom
from eduhub.media.ladder import Ladder, Step
from eduhub.media.probe import probe

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
HALL, SLIDES, CAST = (CORPUS / name for name in ("c1_hall_mit.webm", "s1_slides_dl.mp4", "s4_cast_jupyter.mp4"))
SHORT = os.environ.get("BENCH") == "short"


@dataclass(frozen=True)
class Clip:
    """What is encoded. `singly`: also with one process for each rendition."""

    name: str
    path: Path
    singly: bool


@dataclass(frozen=True)
class Cost:
    """Processor seconds of the ways to encode one clip, and the report of the steps."""

    name: str
    seconds: float
    one_pass_s: float
    many_s: float | None
    report: encode.Report

    @property
    def steps_s(self) -> float:
        """Processor seconds of all steps."""
        return self.report.cpu_s


def ffmpeg(*arguments: str) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", *arguments], check=True)


def own_clip(folder: Path) -> Path:
    """Slides of 10 s (a grid whose colour changes) with a moving inset, 1280x720 at 25, and a wavering tone."""
    seconds = 10 if SHORT else 40
    slides = (
        f"color=white:s=1280x720:r=25:d={seconds},drawgrid=w=80:h=40:c=black@0.6,"
        "hue=h='36*floor(t/10)',drawbox=x=100*floor(t/10):y=200:w=300:h=200:c=red:t=fill"
    )
    graph = f"{slides}[slides];testsrc2=s=320x180:r=25:d={seconds}[inset];[slides][inset]overlay=W-w:0"
    voice = f"aevalsrc='0.3*sin(900*t+3*sin(30*t))*(0.5+0.5*sin(8*t))':s=48000:d={seconds}"
    path = folder / "slides.mp4"
    ffmpeg("-f", "lavfi", "-i", graph, "-f", "lavfi", "-i", voice, "-c:v", "libx264", "-preset", "veryfast", "-crf", "18",
           "-c:a", "aac", str(path))
    return path


def clips(folder: Path) -> list[Clip]:
    own = own_clip(folder)
    if SHORT:
        return [Clip("slides", own, singly=True)]
    minute, cast = (path if path.is_file() else own for path in (SLIDES, CAST))
    ten_minutes, large = folder / "ten_minutes.mp4", folder / "large.mp4"
    ffmpeg("-stream_loop", "-1", "-i", str(minute), "-t", "600", "-c", "copy", str(ten_minutes))
    ffmpeg("-i", str(cast), "-t", "30", "-vf", "scale=1920:1080:flags=lanczos", "-c:v", "libx264", "-preset", "veryfast",
           "-crf", "18", "-c:a", "copy", str(large))
    hall = [Clip("hall", HALL, singly=True)] if HALL.is_file() else []
    return [
        Clip("slides", own, singly=True), *hall, Clip("ten_minutes", ten_minutes, singly=False),
        Clip("1080p", large, singly=False),
    ]  # fmt: skip


def single_renditions(chosen: Ladder) -> list[Step]:
    singles = [Step(rung.name, video=(rung,)) for rung in chosen.video]
    singles += [Step(rung.name, audio=(rung,)) for rung in chosen.audio]
    return singles + ([Step("stills", stills=chosen.stills)] if chosen.stills else [])


def processor_s(source: Path, folder: Path, settings: Settings, *, singly: bool) -> float:
    """In one pass for everything, or one process for each rendition."""
    with workroom.staged(source, folder) as work:
        facts = probe(work, settings)
        chosen = ladder.choose(facts)
        everything = Step("all", chosen.video, chosen.audio, chosen.stills)
        runs = single_renditions(chosen) if singly else [everything]
        return sum(transcode.transcode(work, facts, chosen, step, settings).cpu_s for step in runs)


def measure(clip: Clip, folder: Path) -> Cost:
    """Encode in all ways; the steps as `media encode` does, for the table."""
    settings = Settings(data_dir=folder)
    report = encode.encode_file(clip.path, folder / f"{clip.name}-out", settings)
    one_pass_s = processor_s(clip.path, folder, settings, singly=False)
    many_s = processor_s(clip.path, folder, settings, singly=True) if clip.singly else None
    return Cost(clip.name, report.duration_s, one_pass_s, many_s, report)


def show(cost: Cost) -> None:
    many = "" if cost.many_s is None else f", one process each {cost.many_s / cost.seconds:.3f}"
    print(f"{cost.name}: {cost.seconds:.1f} s of lecture; CPU s/s one pass {cost.one_pass_s / cost.seconds:.3f}{many}, "
          f"steps {cost.steps_s / cost.seconds:.3f}; playable after {cost.report.first_playable_s:.1f} s on the clock, "
          f"whole command {cost.report.encode_s:.1f} s")
    for row in cost.report.renditions:
        size = f"{row['width']}x{row['height']}" if row["width"] else ""
        print(f"  {row['name']:<10} {row['codec'] or '':<12} {size:<10} {row['bytes']:>9} bytes {row['kbit_s']:>8.1f} kbit/s")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="eduhub-bench-") as place:
        folder = Path(place)
        costs = [measure(clip, folder) for clip in clips(folder)]
    for cost in costs:
        show(cost)
    # Over the clips that release 0.1 measured, so that its figures can be compared.
    both = [cost for cost in costs if cost.many_s is not None]
    one_pass_s = sum(cost.one_pass_s for cost in both)
    figures = {
        "encode_s_per_s": round(one_pass_s / sum(cost.seconds for cost in both), 3),
        "one_pass_vs_many": round(one_pass_s / sum(cost.many_s or 0 for cost in both), 3),
        "steps_vs_one_pass": round(sum(cost.steps_s for cost in costs) / sum(cost.one_pass_s for cost in costs), 3),
        "first_playable_s": {cost.name: round(cost.report.first_playable_s, 1) for cost in costs},
        "clips": {cost.name: round(cost.one_pass_s / cost.seconds, 3) for cost in costs},
        "steps": {cost.name: round(cost.steps_s / cost.seconds, 3) for cost in costs},
        "steps_vs_one_pass_of": {cost.name: round(cost.steps_s / cost.one_pass_s, 2) for cost in costs},
        "loadavg": [round(load, 2) for load in os.getloadavg()],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
