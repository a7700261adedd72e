"""Run every test this machine can run, and say what was left out and why.

    python .ci/test.py [--long]

1. everything on SQLite, two processes; 2. the tests that touch the database once more on
PostgreSQL, where its programs are; 3. the front end's own tests. With CI=true nothing may be
left out: a skip is a failure.
"""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".build" / "reports"
NO_TESTS_RAN = 5


@dataclass
class Outcome:
    """What one run counted."""

    name: str
    passed: int = 0
    failed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def run_pytest(name: str, *options: str) -> Outcome:
    """Run pytest with its report in a file; the counts come from there."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "-o", "junit_family=xunit1", *options]
    print(f"== {name}: {' '.join(command[2:])}", flush=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT / ".ci")}
    code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, env=environment, check=False).returncode
    outcome = Outcome(name)
    if report.exists():
        read_report(report, outcome)
    if code not in (0, NO_TESTS_RAN) and outcome.failed == 0:
        outcome.failed = 1  # pytest itself could not go on; what it printed says why
    return outcome


def read_report(report: Path, outcome: Outcome) -> None:
    """Count the test cases of a JUnit file into `outcome`."""
    for case in ElementTree.parse(report).iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None:
            outcome.left_out[skipped.get("message") or "no reason given"] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
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


def main() -> None:
    """Run the parts, then tell."""
    in_ci = os.environ.get("CI") == "true"
    outcomes: list[Outcome] = []
    if "--long" in sys.argv[1:]:
        outcomes.append(run_pytest("long", "-m", "long"))
    else:
        workers = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")  # tests/conftest.py has put them in order
        outcomes.append(run_pytest("sqlite", *workers, "-m", "not long"))
        if postgresql_programs():
            only = ("-p", "only_database", "--database", "postgresql")
            outcomes.append(run_pytest("postgresql", *workers, "-m", "not long", *only))
        else:
            missing = Outcome("postgresql")
            missing.left_out["every test on PostgreSQL: its server is not installed (apt-get install postgresql)"] += 1
            outcomes.append(missing)
        outcomes.append(run_front_end())
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    left_out = [(outcome.name, reason, n) for outcome in outcomes for reason, n in outcome.left_out.items()]
    print("\nLeft out:" if left_out else "\nNothing was left out.")
    for name, reason, count in left_out:
        print(f"  {name}: {count} x {reason}")
    if in_ci and left_out:
        print("In CI nothing may be left out: this counts as a failure.")
        failed += sum(count for _, _, count in left_out)
    if passed == 0:
        print("No test ran.")
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or passed == 0 else 0)


if __name__ == "__main__":
    main()
