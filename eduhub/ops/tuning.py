"""`eduhub doctor --tune`: what to set in the kernel of a machine that serves others over long, lossy links.

It proposes and changes nothing: these hold for every program on the machine, and setting them needs root. Measured by
benchmarks/bench_link.py, with and without.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FIRST_PACKETS = 40  # sent before the first acknowledgement; Linux sends 10, which is a fifth of a second of 512 kbit/s


@dataclass(frozen=True)
class Proposal:
    """One kernel setting and what it is good for."""

    name: str
    value: int
    why: str


PROPOSALS = (
    Proposal(
        "net.ipv4.tcp_slow_start_after_idle", 0,
        "a kept connection goes on at the pace it had; else every pause on a 600 ms link costs some seconds",
    ),
    Proposal(
        "net.ipv4.tcp_rto_max_ms", 5000,
        "after an outage the kernel tries again within five seconds; else it waits up to as long again as the outage took",
    ),
    Proposal("net.ipv4.tcp_retries2", 60, "so that trying so often does not give a connection up within a minute"),
)  # fmt: skip


def proposed(kernel: Path = Path("/proc/sys")) -> Iterator[Proposal]:
    """Those that this kernel has and that are set otherwise."""
    for proposal in PROPOSALS:
        place = kernel / proposal.name.replace(".", "/")
        try:
            now = int(place.read_text())
        except (OSError, ValueError):
            continue  # an older kernel
        if now != proposal.value:
            yield proposal


def commands(kernel: Path = Path("/proc/sys")) -> list[str]:
    """What root may type, each with its reason; empty where all is set."""
    lines = []
    for proposal in proposed(kernel):
        lines += [f"# {proposal.why}", f"sysctl -w {proposal.name}={proposal.value}"]
    lines += _routes(_default_routes())
    return lines


def _default_routes() -> str:
    try:
        done = subprocess.run(["ip", "-o", "route", "show", "default"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _routes(shown: str) -> list[str]:
    lines = []
    for route in shown.splitlines():
        words = route.split()
        if "initcwnd" not in words:
            reason = f"# an answer begins with {FIRST_PACKETS} packets, so that a part of a lesson comes in one round trip"
            lines += [reason, f"ip route change {' '.join(words)} initcwnd {FIRST_PACKETS}"]
    return lines
