"""Run every test this machine can run, and say what was left out and why.

    python .ci/test.py           on SQLite every test but the thorough ones, and the front end's own
    python .ci/test.py --all     every test; those that touch the database once more on PostgreSQL, where its programs are
    python .ci/test.py --long    those that run for minutes

The parts run at once: a test that waits for a browser or a process leaves a core to the others, and none waits for
another's last test. With CI=true nothing may be left out: a skip is a failure.

A test of a real browser or of real processes that failed while others ran beside it is run again alone, and counts as
passed if it holds three times in a row: on a machine that is shared they are late at times. Each is named at the end,
what it said stays printed, and more than three of them are a failure.
"""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".build" / "reports"
NO_TESTS_RAN = 5
MAX_AGAIN, TIMES_AGAIN = 3, 3
CORES = max(2, len(os.sched_getaffinity(0)))
# Where the tests' folders lie if there is room: each machine that a test makes has 256 folders for its blobs and syncs
# all it writes, which takes a third of the time on a disk, and many times that on a disk that others use.
IN_MEMORY, IN_MEMORY_BYTES = Path("/dev/shm"), 4 << 30  # noqa: S108 - pytest makes its own folder in it


@dataclass
class Outcome:
    """What one run counted."""

    name: str
    passed: int = 0
    failed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)  # as pytest takes them; empty where something else failed
    options: tuple[str, ...] = ()


def run_pytest(name: str, *options: str, aside: bool = False) -> Outcome:
    """Run pytest with its report in a file; the counts come from there. `aside`: what it prints is printed at its end."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "-o", "junit_family=xunit1", *options]
    said = f"== {name}: {' '.join(command[2:])}\n"
    environment = in_memory() | os.environ | {"PYTHONPATH": str(ROOT / ".ci")}
    if not aside:
        print(said, end="", flush=True)
        code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, env=environment, check=False).returncode
    else:
        log = report.with_suffix(".log")
        with log.open("wb") as output:  # not a pipe: a process that a test left behind would keep its reader waiting
            code = subprocess.run(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, env=environment, check=False, stdout=output, stderr=output
            ).returncode
        print("\n" + said + log.read_text(encoding="utf-8", errors="replace"), flush=True)
    outcome = Outcome(name, options=options)
    if report.exists():
        read_report(report, outcome)
    if code not in (0, NO_TESTS_RAN) and outcome.failed == 0:
        outcome.failed = 1  # pytest itself could not go on; what it printed says why
    return outcome


def run_again(outcomes: list[Outcome]) -> list[str]:
    """Run alone what failed, if that is little, and count as passed what holds; its names."""
    failures = [(outcome, failure) for outcome in outcomes for failure in outcome.failures]
    if not failures or len(failures) > MAX_AGAIN or len(failures) < sum(outcome.failed for outcome in outcomes):
        return []
    held = []
    for outcome, failure in failures:
        # What chose the database stays; what spread the tests over processes, or chose among them, does not.
        database = outcome.options[outcome.options.index("-p") :] if "-p" in outcome.options else ()
        tries = (run_pytest("again", failure, "-m", "browser or processes", *database) for _ in range(TIMES_AGAIN))
        if all(once.passed == 1 and once.failed == 0 for once in tries):
            outcome.failed, outcome.passed = outcome.failed - 1, outcome.passed + 1
            held.append(f"{outcome.name}: {failure}")
    return held


def in_memory() -> dict[str, str]:
    """The environment that puts the tests' folders into memory; empty where there is not room enough for all of them."""
    try:
        facts = os.statvfs(IN_MEMORY)
    except OSError:
        return {}
    fits = facts.f_bavail * facts.f_frsize >= IN_MEMORY_BYTES and not facts.f_flag & (os.ST_NOEXEC | os.ST_RDONLY)
    return {"TMPDIR": str(IN_MEMORY)} if fits and os.access(IN_MEMORY, os.W_OK) else {}


def read_report(report: Path, outcome: Outcome) -> None:
    """Count the test cases of a JUnit file into `outcome`."""
    for case in ElementTree.parse(report).iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None:
            outcome.left_out[skipped.get("message") or "no reason given"] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
            # A test may have a failure and an error: both are one case here, and one name.
            outcome.failures.append(f"{case.get('file')}::{case.get('name')}")
        else:
            outcome.passed += 1


def postgresql_programs() -> bool:
    """Whether this machine has a PostgreSQL server to start."""
    return bool(shutil.which("initdb")) or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def run_front_end() -> Outcome:
    """The front end's tests, by Node's own runner; one line a test file would hide which failed."""
    outcome = Outcome("front end")
    npm = shutil.which("npm")
    if npm is None:
        outcome.left_out["the front end's tests: there is no npm here"] += 1
        return outcome
    command = [npm, "test", "--silent"]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    print("== front end: npm test\n" + done.stdout[-6000:] + done.stderr[-6000:], flush=True)
    for line in done.stdout.splitlines():
        words = line.replace("#", " ").replace("ℹ", " ").split()
        if len(words) == 2 and words[1].isdigit():
            if words[0] == "pass":
                outcome.passed += int(words[1])
            elif words[0] == "fail":
                outcome.failed += int(words[1])
            elif words[0] in ("skipped", "todo") and words[1] != "0":
                outcome.left_out["skipped in the front end's tests"] += int(words[1])
    if done.returncode != 0 and outcome.failed == 0:
        outcome.failed = 1
    return outcome


def workers(count: int) -> tuple[str, ...]:
    """Options for so many test processes; tests/conftest.py has put the tests in order."""
    wanted = "not long" if "--all" in sys.argv[1:] else "not long and not thorough"
    return ("-n", str(count), "--dist", "loadfile", "--no-loadscope-reorder", "-m", wanted)


def run_sqlite() -> Outcome:
    """Every test, with as many processes as there are cores."""
    return run_pytest("sqlite", *workers(CORES))


def run_postgresql() -> Outcome:
    """The tests that have a database, with half as many processes: they are half as many tests, and most wait for nothing."""
    if not postgresql_programs():
        missing = Outcome("postgresql")
        missing.left_out["every test on PostgreSQL: its server is not installed (apt-get install postgresql)"] += 1
        return missing
    only = ("-p", "only_database", "--database", "postgresql")
    return run_pytest("postgresql", *workers(max(1, CORES // 2)), *only, aside=True)


def main() -> None:
    """Run the parts, then tell."""
    in_ci = os.environ.get("CI") == "true"
    if "--long" in sys.argv[1:]:
        outcomes = [run_pytest("long", "-m", "long", "-o", "faulthandler_timeout=0")]
    else:
        with ThreadPoolExecutor() as at_once:
            wanted = (run_sqlite, run_postgresql, run_front_end) if "--all" in sys.argv[1:] else (run_sqlite, run_front_end)
            parts = [at_once.submit(part) for part in wanted]
        outcomes = [part.result() for part in parts]
    held = run_again(outcomes)
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    left_out = [(outcome.name, reason, n) for outcome in outcomes for reason, n in outcome.left_out.items()]
    print("\nLeft out:" if left_out else "\nNothing was left out.")
    for name, reason, count in left_out:
        print(f"  {name}: {count} x {reason}")
    for name in held:
        print(f"Failed beside others, and held {TIMES_AGAIN} times alone: {name}")
    if in_ci and left_out:
        print("In CI nothing may be left out: this counts as a failure.")
        failed += sum(count for _, _, count in left_out)
    if passed == 0:
        print("No test ran.")
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or passed == 0 else 0)


if __name__ == "__main__":
    main()
