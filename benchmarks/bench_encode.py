"""What encoding costs: processor seconds for each second of lecture, and what one decoding for all saves.

Makes its own clip (drawn slides that change, a moving picture in the corner, a voice-like tone) and takes
the real hall lecture too where the shared corpus lies beside the checkout. Prints a table of
bytes and rates, then one JSON object. Processor time is that of the ffmpeg processes alone, so a
busy machine bends it little; compare ratios, not seconds.

BENCH=short: a quarter of the length, the own clip alone.
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
from eduhub.media.probe import probe

HALL = Path(__file__).parents[2] / "shared" / "corpus" / "c1_hall_mit.webm"
SHORT = os.environ.get("BENCH") == "short"


@dataclass(frozen=True)
class Cost:
    """Processor seconds and bytes of both ways to encode one clip."""

    name: str
    seconds: float
    one_pass_s: float
    many_s: float
    report: encode.Report


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
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", graph, "-f", "lavfi",
         "-i", voice, "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-c:a", "aac", str(path)], check=True,
    )  # fmt: skip
    return path


def measure(name: str, source: Path, folder: Path) -> Cost:
    """Encode both ways, and once more as `media encode` does for the table."""
    settings = Settings(data_dir=folder)
    used = {}
    for one_pass in (True, False):
        with workroom.staged(source, folder) as work:
            facts = probe(work, settings)
            used[one_pass] = transcode.transcode(
                work, facts, ladder.choose(facts), settings, one_pass=one_pass
            ).cpu_s
    report = encode.encode_file(source, folder / f"{name}-out", settings)
    return Cost(name, report.duration_s, used[True], used[False], report)


def show(cost: Cost) -> None:
    print(f"{cost.name}: {cost.seconds:.1f} s of lecture; CPU s/s one pass {cost.one_pass_s / cost.seconds:.3f}, "
          f"one process each {cost.many_s / cost.seconds:.3f}, ratio {cost.one_pass_s / cost.many_s:.2f}; "
          f"whole command {cost.report.encode_s:.1f} s on the clock")
    for row in cost.report.renditions:
        size = f"{row['width']}x{row['height']}" if row["width"] else ""
        print(f"  {row['name']:<10} {row['codec'] or '':<12} {size:<10} {row['bytes']:>9} bytes {row['kbit_s']:>8.1f} kbit/s")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="eduhub-bench-") as place:
        folder = Path(place)
        clips = {"slides": own_clip(folder)}
        if HALL.is_file() and not SHORT:
            clips["hall"] = HALL
        costs = [measure(name, source, folder) for name, source in clips.items()]
    for cost in costs:
        show(cost)
    figures = {
        "encode_s_per_s": round(sum(cost.one_pass_s for cost in costs) / sum(cost.seconds for cost in costs), 3),
        "one_pass_vs_many": round(sum(cost.one_pass_s for cost in costs) / sum(cost.many_s for cost in costs), 3),
        "clips": {cost.name: round(cost.one_pass_s / cost.seconds, 3) for cost in costs},
        "loadavg": [round(load, 2) for load in os.getloadavg()],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
