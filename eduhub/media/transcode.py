"""Run one step of a ladder: one ffmpeg process that decodes once, watched and limited.

ffmpeg-python builds the argument list (graph.py) and `jail.run` runs it; its own runner has no time
limit, and would not be allowed to. This module must not know the database.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eduhub.config import Settings
from eduhub.errors import DiskFull, EncodeFailed, EncodeInterrupted
from eduhub.media import colours, graph, jail, ladder, program, workroom
from eduhub.media.facts import Probe
from eduhub.media.ladder import Ladder, Step


@dataclass(frozen=True)
class Transcoded:
    """The files that were made, in the work folder, and what it cost."""

    tracks: dict[str, Path]
    stills: tuple[Path, ...]
    cpu_s: float
    wall_s: float


def transcode(
    work: Path, probe: Probe, chosen: Ladder, step: Step, settings: Settings, *,
    on_progress: Callable[[float], None] = lambda _done: None,
) -> Transcoded:
    """Make the tracks and stills of `step` from the file INPUT in `work`.

    `on_progress` gets 0.0 to 1.0 about twice a second; what it raises stops the work.
    Raises EncodeFailed, EncodeInterrupted, DiskFull, ToolMissing.
    """
    found, kind = program.find(settings), jail.kind_of_jail(settings)
    progress, watch = _Progress(chosen.duration_ms, on_progress), watched(work, ladder.most_bytes(chosen, step))
    arguments = graph.arguments(
        workroom.INPUT, probe, chosen, step, threads=settings.encode_threads,
        tone_maps=found.filters >= colours.NEEDED_FILTERS,
    )
    command = jail.Command(
        (str(found.path), *arguments), work, _limits(chosen, step, probe),
        readable=(found.path.resolve(), found.path, (work / workroom.INPUT).resolve()),
    )

    def tick() -> None:
        watch()
        progress.tick()

    finished = jail.run(kind, command, on_line=progress.line, on_tick=tick)
    check(finished)
    watch()
    return _collect(work, chosen, step, finished)


def _limits(chosen: Ladder, step: Step, probe: Probe) -> jail.Limits:
    # What is cut out may have to be decoded all the same.
    seconds = max(chosen.duration_ms, probe.duration_ms) // 1000 + 1
    return jail.Limits(
        cpu_s=300 + 12 * seconds, wall_s=900 + 30 * seconds, memory_bytes=6 << 30,
        file_bytes=ladder.most_bytes(chosen, step),
    )


def watched(work: Path, most_bytes: int) -> Callable[[], None]:
    """A check for `on_tick`: raises EncodeFailed when the folder holds more than `most_bytes` beyond what it holds now.

    The limit on a file's size is for each file alone, and pictures without number are files too.
    """
    before = workroom.bytes_in(work)

    def check_size() -> None:
        written = workroom.bytes_in(work) - before
        if written > most_bytes:
            raise EncodeFailed(f"{written} bytes written, at most {most_bytes} expected")

    return check_size


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


def found(work: Path, name: str) -> Path:
    """The file that ffmpeg made under this name; raises EncodeFailed when it made none."""
    path = work / name
    if not path.is_file() or path.stat().st_size == 0:
        raise EncodeFailed(f"ffmpeg made no {name}")
    return path


def _collect(work: Path, chosen: Ladder, step: Step, finished: jail.Finished) -> Transcoded:
    workroom.check_made(work)
    names = [rung.name for rung in step.video] + [rung.name for rung in step.audio]
    tracks = {name: found(work, f"{name}.mp4") for name in names}
    stills: tuple[Path, ...] = ()
    if step.stills:
        stills = tuple(sorted(work.glob(graph.STILL_PATTERN.replace("%05d", "*"))))
        expected = tuple(work / (graph.STILL_PATTERN % (number + 1)) for number in range(len(stills)))
        if not stills or stills != expected or len(stills) > ladder.still_count(chosen.duration_ms):
            raise EncodeFailed(f"ffmpeg made {len(stills)} stills")
    return Transcoded(tracks, stills, finished.cpu_s, finished.wall_s)


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
