"""How much of a bad link a box uses to fetch lessons, beside aria2 and curl at their best settings, in the same run.

Three links of `villagelink` (a packet-level emulator beside the project, ../shared/tools; real TCP, cubic): S1 256k/64k, 600 ms, 2 %
lost; S2 2M/512k, 600 ms, 1 %; S3 1M/256k, 150 ms, 3 %, 10 s outage a minute. The hub is the real one, behind nginx, on one side; on the
other a joined box that runs one round of sync, or a program that fetches the same files (a pass for each is in its list). The files are
those of packages as our encoder makes them of a minute of a lecture; what is in them is noise.

Share: what the link can carry at the best, payload / (rate * (1 - loss) * 1448/1500) plus the outages met until then, over the time taken.
`share` counts a round's fetching alone, as for the programs, which are told what to fetch; `round_share` all of the round, from hello to
the report. `tuned_share`: the hub's kernel as `eduhub doctor --tune` proposes; all else is as Linux starts. `wire`: bytes that left the link towards the school per byte of payload;
`overhead`: how much of them is neither payload nor the headers of its packets. `outage_lost_kb`: sent into an outage of S3; `half_rate_s`: from its
end until half the rate is there for half a second. `refetched`: bytes that came twice to a box that was killed once, in pieces of 128 KiB a connection. Medians over the seeds; the paired difference to
each program is seed by seed, with the interval that its median has at 0.95 (from the order of the differences; five seeds give
their whole span at 0.94). Prints a table, then one JSON object. BENCH=short: S2 with a third of the files, one seed.

    python benchmarks/bench_link.py [S1 S2 S3]
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import comb
from pathlib import Path
from typing import Any

from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import lessons, link_takes, link_timeline, lossy_link, serving
from eduhub.config import Settings
from eduhub.delivery import passes
from eduhub.delivery.models import PartRow
from eduhub.delivery.package import PIECE_BYTES
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate, nginx, tuning
from eduhub.sync import rounds
from eduhub.sync.boxes import joining
from eduhub.sync.fetching.transfer import MANY, Receiver, Transfer
from tests.sync.world import Hub, noise

SHORT = os.environ.get("BENCH") == "short"
SEEDS = (5,) if SHORT else (1, 2, 3, 4, 5)
AT_ONCE = 4  # links; the bridge of one takes a few hundredths of a core
PAYLOAD_SHARE = 1448 / 1500  # of a full packet with timestamps
MINUTE_S = 60
TUNED = "box, tuned"
HUB_ADDRESS, PORT = "10.77.0.1", 8000


@dataclass(frozen=True)
class Scenario:
    """A link and how many lessons are to come over it."""

    name: str
    bits_per_s: int
    loss: float
    lessons: int
    properties: dict[str, Any]
    outage_s: int = 0  # at the beginning of each minute but the first

    def least_s(self, payload_bytes: int) -> float:
        """What no program can be quicker than."""
        sent_s = payload_bytes * 8 / (self.bits_per_s * (1 - self.loss) * PAYLOAD_SHARE)
        outages = 0
        while self.outage_s and sent_s + outages * self.outage_s > (outages + 1) * MINUTE_S - self.outage_s:
            outages += 1
        return sent_s + outages * self.outage_s


ALL = (
    Scenario("S1", 256_000, 0.02, 3, {"rate_down": "256k", "rate_up": "64k", "rtt": "600ms", "loss": "2%"}),
    Scenario("S2", 2_000_000, 0.01, 3 if SHORT else 8, {"rate_down": "2M", "rate_up": "512k", "rtt": "600ms", "loss": "1%"}),
    Scenario(
        "S3", 1_000_000, 0.03, 12, {"rate_down": "1M", "rate_up": "256k", "rtt": "150ms", "loss": "3%", "outage": "10s/60s"}, 10
    ),
)  # fmt: skip
ARIA2 = (
    "aria2c", "-q", "-i", "{list}", "-d", "{folder}", "-j4", "-x1", "--connect-timeout=5", "--timeout=6", "--retry-wait=1", "-m0",
    "--file-allocation=none", "--no-conf",
)  # fmt: skip
CURL = ("curl", "-s", "--no-progress-meter", "-Z", "--parallel-max", "8", "--retry", "99", "--retry-all-errors", "-K", "{list}")


@dataclass
class Taken:
    """One run."""

    seconds: float
    wire: float
    round_seconds: float | None = None
    outages: list[link_timeline.Outage] = field(default_factory=list)


class Set:
    """A hub with lessons and a box that has joined it, from which each run gets copies."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.folder = folder
        settings = Settings(data_dir=folder / "hub", secure_cookies=False, web_processes=1)
        hub = Hub(_installation(settings))
        school = hub.school("Shuanghu")
        course = hub.course(hub.region, groups=(school,))
        sizes = _sizes()
        self.packages = [
            hub.lesson(course, position=at, parts={name: noise(f"{at} {name}", size) for name, size in sizes.items()})
            for at in range(scenario.lessons)
        ]
        box = _installation(replace(settings, data_dir=folder / "box", role="node", sync_every_s=3600))
        joining.join(box, f"http://{HUB_ADDRESS}:{PORT}", hub.code(school), transport=hub.wire)
        self.files = self._files(hub.here)
        self.payload = sum(bytes_ for _path, bytes_, _token in self.files)
        for each in (hub.here, box):
            each.database.close()

    def _files(self, here: Installation) -> list[tuple[str, int, str]]:
        found = []
        for package_id in self.packages:
            token = passes.mint(
                here.keys.secret, package_id=package_id, audience="node", person_uid=None,
                expires_steady_s=here.steady.now_s() + 24 * 3600,
            )  # fmt: skip
            files = sorted((here.packages_dir / package_id).iterdir())
            found += [(f"/p/{package_id}/{file.name}", file.stat().st_size, token) for file in files]
        return found

    def copy(self, name: str, to: Path) -> Path:
        """Of the hub's or the box's folder."""
        shutil.copytree(self.folder / name, to)
        return to


def _installation(settings: Settings) -> Installation:
    here = open_installation(settings)
    migrate.upgrade(here.database)
    return here


def _sizes() -> dict[str, int]:
    facts = json.loads((lessons.lecture(60) / "manifest.json").read_bytes())
    wanted = {part["name"]: part["bytes"] for part in facts["parts"]}
    return {name: size for name, size in wanted.items() if name in {"index", "poster", "stills", "aac", "v240"}}


class Run:
    """One program over one link of its own."""

    def __init__(self, scenario: Scenario, seed: int, made: Set) -> None:
        self.scenario, self.seed, self.made = scenario, seed, made

    def of(self, program: str) -> Taken:
        """Let it fetch all, and measure."""
        with (
            tempfile.TemporaryDirectory(dir=self.made.folder) as folder,
            lossy_link.link(
                seed=self.seed, timeline=f"{folder}/timeline.csv", **self.scenario.properties
            ) as link,
        ):
            hub = open_installation(
                Settings(data_dir=self.made.copy("hub", Path(folder, "hub")), secure_cookies=False, bind=HUB_ADDRESS)
            )
            if program == TUNED:
                _tune(link)
            with link.inside("hub"), serving.lane(hub, "hub", "nginx", port=PORT):
                is_box = program in ("box", TUNED)
                taken = self._box(link, Path(folder)) if is_box else self._program(link, Path(folder), program)
            hub.database.close()
            taken.outages = link_timeline.outages(Path(folder, "timeline.csv"), self.scenario.bits_per_s)
        return taken

    def killed(self) -> float:
        """Let the box be killed in the middle of fetching and begin anew: how many pieces came twice, a connection."""
        with (
            tempfile.TemporaryDirectory(dir=self.made.folder) as folder,
            lossy_link.link(seed=self.seed, **self.scenario.properties) as link,
        ):
            hub = open_installation(
                Settings(data_dir=self.made.copy("hub", Path(folder, "hub")), secure_cookies=False, bind=HUB_ADDRESS)
            )
            takes, place = Path(folder, "takes"), str(self.made.copy("box", Path(folder, "box")))
            with link.inside("hub"), serving.lane(hub, "hub", "nginx", port=PORT):
                for is_last in (False, True):
                    command = [sys.executable, __file__, "--box", place, str(takes)]
                    child = link.popen("school", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                    child.stdout.readline()
                    child.stdin.write("go\n")
                    child.stdin.flush()
                    if not is_last:
                        half = self.made.payload * (0.3 + 0.1 * self.seed)
                        while child.poll() is None and link_takes.taken_bytes(takes) < half:
                            time.sleep(0.05)
                        subprocess.run(["pkill", "-KILL", "-f", "--", f"--box {place}"], check=False)
                    child.communicate()
            hub.database.close()
            return link_takes.came_twice(takes) / PIECE_BYTES / MANY

    def _box(self, link: Any, folder: Path) -> Taken:
        command = [sys.executable, __file__, "--box", str(self.made.copy("box", folder / "box"))]
        child = link.popen("school", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        child.stdout.readline()  # its program is loaded
        link.reset()
        found, _ = child.communicate("go\n")
        seconds = json.loads(found.splitlines()[-1])
        if not seconds["whole"]:
            raise SystemExit(f"{self.scenario.name}, seed {self.seed}: the box did not fetch everything: {found}")
        return Taken(seconds["fetching"], self._wire(link), seconds["round"])

    def _program(self, link: Any, folder: Path, program: str) -> Taken:
        to = folder / "out"
        to.mkdir()
        listed = folder / "list"
        listed.write_text((_aria2_list if program == "aria2" else _curl_list)(self.made.files, link.url("", PORT), to))
        template = ARIA2 if program == "aria2" else CURL
        command = [word.format(list=listed, folder=to) for word in template]
        link.reset()
        began = time.monotonic()
        link.run("school", command, check=True, stdout=subprocess.DEVNULL)
        taken = Taken(time.monotonic() - began, self._wire(link))
        if sum(file.stat().st_size for file in to.iterdir()) != self.made.payload:
            raise SystemExit(f"{program} did not fetch everything")
        return taken

    def _wire(self, link: Any) -> float:
        return float(link.stats()["down"]["out_bytes"]) / self.made.payload


def _tune(link: Any) -> None:
    for proposal in tuning.PROPOSALS:
        link.run("hub", ["sysctl", "-qw", f"{proposal.name}={proposal.value}"], check=False)  # an older kernel lacks some
    shown = link.run("hub", ["ip", "-o", "route", "show"], check=True, capture_output=True, text=True).stdout
    route = next(line for line in shown.splitlines() if " dev " in line)
    link.run("hub", ["ip", "route", "change", *route.split(), "initcwnd", str(tuning.FIRST_PACKETS)], check=True)


def _aria2_list(files: list[tuple[str, int, str]], base: str, _to: Path) -> str:
    return "".join(
        f"{base}{path}\n  header=Authorization: EduHub-Pass {token}\n  out={number}\n" for number, (path, _, token) in enumerate(files)
    )


def _curl_list(files: list[tuple[str, int, str]], base: str, to: Path) -> str:
    return "next\n".join(
        f'url = "{base}{path}"\noutput = "{to / str(number)}"\nheader = "Authorization: EduHub-Pass {token}"\n'
        for number, (path, _, token) in enumerate(files)
    )


def box(folder: Path, record: Path | None) -> None:
    """The box's program: one round, once it is told to; prints what it took. `record`: where each take of bytes is written down."""
    if record is not None:
        link_takes.write_down(record)
    here = open_installation(Settings(data_dir=folder, role="node", secure_cookies=False))
    spans: list[float] = []
    carry = Transfer.run

    def timed(self: Transfer, receiver: Receiver) -> None:
        spans.append(time.monotonic())
        carry(self, receiver)
        spans.append(time.monotonic())

    Transfer.run = timed  # type: ignore[method-assign]
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    rounds.run(here, on_progress=lambda _share: None)
    whole = time.monotonic() - began
    with here.database.read() as session:
        held = all(session.scalars(select(PartRow.held)))
    here.database.close()
    print(json.dumps({"round": whole, "fetching": spans[-1] - spans[0], "whole": held}), flush=True)


def median_interval(differences: list[float]) -> tuple[float, float, float]:
    """The interval of the median from the ordered differences, and how sure it is: the widest needed for 0.95, else all of it."""
    ordered, count = sorted(differences), len(differences)
    for inside in range((count - 1) // 2, -1, -1):
        sure = 1 - 2 * sum(comb(count, at) for at in range(inside + 1)) / 2**count
        if sure >= 0.95 or inside == 0:
            return ordered[inside], ordered[count - 1 - inside], sure
    raise ValueError("no differences")


def main(names: list[str]) -> None:
    """Every link, every seed, every program; some links at a time."""
    if reason := lossy_link.missing() or ("" if nginx.program() else "nginx is not installed"):
        print(f"nothing is measured: {reason}")
        print(json.dumps({}))
        return
    programs = ["box", TUNED, *(name for name, command in (("aria2", "aria2c"), ("curl", "curl")) if shutil.which(command))]
    began, figures = os.getloadavg(), {}
    for scenario in ALL:
        if scenario.name not in (names or (["S2"] if SHORT else [each.name for each in ALL])):
            continue
        with tempfile.TemporaryDirectory() as folder:
            figures |= measured(scenario, Set(Path(folder), scenario), programs)
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print(json.dumps({**figures, "seeds": len(SEEDS), "loadavg": [*began, *os.getloadavg()]}))


def measured(scenario: Scenario, made: Set, programs: list[str]) -> dict[str, Any]:
    """The figures of one link."""
    least_s, name = scenario.least_s(made.payload), scenario.name.lower()
    asked = [(program, seed) for seed in SEEDS for program in programs]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = pool.map(lambda one: Run(scenario, one[1], made).of(one[0]), asked)
        taken = dict(zip(asked, runs, strict=True))
    shares = {program: [least_s / taken[program, seed].seconds for seed in SEEDS] for program in programs}
    ours = [taken["box", seed] for seed in SEEDS]
    figures: dict[str, Any] = {
        f"{name}_payload_kb": round(made.payload / 1000), f"{name}_files": len(made.files), f"{name}_least_s": round(least_s, 1),
        f"{name}_share": _median(shares["box"]), f"{name}_round_share": _median([least_s / (one.round_seconds or 1) for one in ours]),
        f"{name}_tuned_share": _median(shares[TUNED]), f"{name}_wire": _median([one.wire for one in ours]),
        f"{name}_overhead": _median([one.wire * PAYLOAD_SHARE - 1 for one in ours]),
    }  # fmt: skip
    if found := [outage for one in ours for outage in one.outages]:
        back = [outage.half_rate_s for outage in found if outage.half_rate_s is not None]
        figures |= {"outage_lost_kb": _median([outage.lost_kb for outage in found]), "half_rate_s": _median(back), "outages": len(found)}
    if scenario.name == "S2":
        with ThreadPoolExecutor(AT_ONCE) as pool:
            figures["refetched_pieces"] = _median(list(pool.map(lambda seed: Run(scenario, seed, made).killed(), SEEDS)))
    for program in programs[2:]:
        differences = [mine - other for mine, other in zip(shares["box"], shares[program], strict=True)]
        low, high, sure = median_interval(differences)
        figures |= {
            f"{name}_{program}_share": _median(shares[program]),
            f"{name}_{program}_wire": _median([taken[program, seed].wire for seed in SEEDS]),
            f"{name}_over_{program}": [_median(differences), round(low, 3), round(high, 3), round(sure, 2)],
        }
    return figures


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 3)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--box"]:
        box(Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
    else:
        main(sys.argv[1:])
