"""Time, in one place, so that tests can hold it still.

Three clocks, because a village box has no trustworthy one:

- the *wall clock* (`now`, `now_ms`): what the machine believes. For showing, never for
  deciding an order or a right;
- the *steady clock* (`SteadyClock`): seconds this machine has run since it was set up,
  kept on disk. It never goes back and no wrong date moves it; passes expire by it;
- the *schedule clock*: the last signed hub time plus steady seconds since
  (`sync/allowance/schedule_clock.py`).

This module must not know databases or any domain.
"""

import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from eduhub.errors import BadInput

_frozen_ms: int | None = None
_MINUTES_OF_A_DAY = 24 * 60
_READ_AGAIN_S = 1.0


def now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.fromtimestamp(now_ms() / 1000, tz=UTC)


def now_ms() -> int:
    """The wall clock as Unix milliseconds."""
    return _frozen_ms if _frozen_ms is not None else time.time_ns() // 1_000_000


def freeze(unix_ms: int | None) -> None:
    """Hold the wall clock at `unix_ms` (tests and simulations); None lets it run again."""
    global _frozen_ms  # noqa: PLW0603 - one process, one clock
    _frozen_ms = unix_ms


def today(time_zone: str = "UTC") -> str:
    """The wall clock's day there, as 2026-11-23."""
    return now().astimezone(ZoneInfo(time_zone)).date().isoformat()


def local(unix_ms: int, time_zone: str) -> datetime:
    """What a clock on the wall there shows at an instant."""
    return datetime.fromtimestamp(unix_ms / 1000, tz=UTC).astimezone(ZoneInfo(time_zone))


def day_of(unix_ms: int, time_zone: str) -> str:
    """The day of an instant there, as 2026-11-23; the last one there is for what lies beyond all calendars."""
    try:
        return local(unix_ms, time_zone).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return date.max.isoformat()


def check_day(text: str) -> str:
    """`text` when it is a day as 2026-11-23; raises BadInput otherwise."""
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except (ValueError, TypeError):
        pass
    raise BadInput(f"not a day: {text!r:.40}")


def until_window_s(window: str, time_zone: str, unix_ms: int) -> float:
    """Seconds until a window such as 22:00-06:00 of that zone opens; 0 while it is open, as one that ends where it begins always is."""
    there = local(unix_ms, time_zone)
    begins, ends = (int(text[:2]) * 60 + int(text[3:]) for text in window.split("-"))
    minute = there.hour * 60 + there.minute
    if begins <= minute < ends if begins < ends else minute >= begins or minute < ends:
        return 0.0
    if begins == _MINUTES_OF_A_DAY:
        begins = 0
    opens = there.replace(hour=begins // 60, minute=begins % 60, second=0, microsecond=0)
    if opens.timestamp() * 1000 <= unix_ms:
        opens += timedelta(days=1)  # on the wall there; the zone says how many seconds that is
    return opens.timestamp() - unix_ms / 1000


def monotonic_s() -> float:
    """Seconds for measuring how long something takes."""
    return time.monotonic()


def sleep_s(seconds: float) -> None:
    """Wait. Only loops that poll, and a line that is narrow on purpose, may call it."""
    time.sleep(seconds)


def _uptime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache  # no process outlives its boot
def boot_id() -> str:
    """A word for the present boot of this machine's kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class SteadyClock:
    """Seconds of running time since this machine was set up, shared by its processes.

    The file holds {boot, uptime_s, steady_s}. Within one boot every process computes
    `steady_s + (uptime now - uptime_s)`; after a boot the count goes on from the last
    `keep()`. Time spent switched off does not count, so a pass outlives a power cut by at
    most the seconds since the last `keep()` - and a stepped wall clock changes nothing.
    """

    def __init__(
        self, file: Path, *, uptime_s: Callable[[], float] = _uptime_s, boot_id: Callable[[], str] = boot_id
    ) -> None:
        self._file, self._uptime_s, self._boot_id = file, uptime_s, boot_id
        self._seen: tuple[_Kept, float] | None = None  # what the file held, and at which uptime

    def now_s(self) -> float:
        """Steady seconds; the first call on a new machine returns 0."""
        boot, uptime_s = self._boot_id(), self._uptime_s()
        kept, seen_s = self._seen or (None, 0.0)
        # Whoever keeps the count within a boot writes the same difference to the uptime: a second's age does no harm.
        if kept is None or kept.boot != boot or not 0 <= uptime_s - seen_s < _READ_AGAIN_S:
            kept = self._read()
            if kept is None or kept.boot != boot:
                return self._begin(boot)
            self._seen = (kept, uptime_s)
        return kept.steady_s + max(0.0, uptime_s - kept.uptime_s)

    def boot(self) -> str:
        """A word for the present boot of this machine."""
        return self._boot_id()

    def _begin(self, boot: str) -> float:
        """Go on from what was kept: the first process after a boot does it, the others find it done."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = self._read()
            if kept is not None and kept.boot == boot:
                return kept.steady_s + max(0.0, self._uptime_s() - kept.uptime_s)
            begun = _Kept(boot, self._uptime_s(), kept.steady_s if kept else 0.0)
            try:
                return self._write(begun)
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                    raise
                return begun.steady_s  # a full disk must not keep pages from being shown: the count stands still

    def keep(self) -> None:
        """Write the present count down; the supervisor and a timer of the worker do it once a minute."""
        self._write(_Kept(self._boot_id(), self._uptime_s(), self.now_s()))

    def _read(self) -> "_Kept | None":
        try:
            kept = json.loads(self._file.read_text(encoding="ascii"))
            return _Kept(str(kept["boot"]), float(kept["uptime_s"]), float(kept["steady_s"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            # Missing on the first start. A torn file cannot occur (fsync, then rename); somebody who can
            # edit or delete it lengthens the passes that are out, and could as well read the lessons.
            return None

    def _write(self, kept: "_Kept") -> float:
        new = self._file.with_suffix(f".{os.getpid()}.{threading.get_ident()}.new")
        try:
            with new.open("w", encoding="ascii") as file:
                json.dump(kept._asdict(), file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._file)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        return kept.steady_s


class _Kept(NamedTuple):
    boot: str
    uptime_s: float
    steady_s: float
