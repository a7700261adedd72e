"""What a box does when its disk is full: rows, then files, then blobs, then what comes instead.

Run as a program, below the recorder, which sees the box alone: `python -m tests.power.evicting_flow BOX HUB`.
"""

import sys
from pathlib import Path

from sqlalchemy import select

from eduhub import clock, logs
from eduhub.courses.models import Lesson
from eduhub.delivery import sweeping
from eduhub.installation import Installation
from eduhub.schools.models import Site
from eduhub.sync.allowance import evicting, policies, wishes
from eduhub.sync.models import Dropped
from tests.power.stick_flow import machine, promise
from tests.sync.test_what_is_wanted import plan_for
from tests.sync.world import WEDNESDAY_MS, Hub, noise

PARTS = {"index": 1_000, "aac": 20_000, "v240": 40_000}
LARGE = {"index": 1_000, "aac": 125_000}
HOUR_S = 3600


def pass_hours(box: Installation, hours: float) -> None:
    """Let the steady clock of a box run on."""
    now_s = box.steady.now_s()
    box.steady.now_s = lambda: now_s + hours * HOUR_S  # type: ignore[method-assign]


def sweep(box: Installation) -> None:
    """Look for what nobody needs any more, as the timer does."""
    notes = box.settings.data_dir / "run" / "unneeded.json"
    sweeping.run(box.database, box.blobs, notes, now_steady_s=box.steady.now_s())


def clear_away(box: Installation) -> None:
    """All that a box does in a day after it let go of something."""
    pass_hours(box, box.settings.pass_hours + 1)
    evicting.clear_away(box)
    for _ in range(3):
        sweep(box)
        pass_hours(box, 2)


def main(data: Path, of_hub: Path) -> None:
    """Everything, once."""
    clock.freeze(WEDNESDAY_MS)
    policies.MB = 1_000  # so that a disk is full soon
    hub, box = Hub(machine(of_hub, "hub")), machine(data, "node")
    logs.configure(hub.here.settings)
    school = hub.school("Shuanghu", children=1)
    course = hub.course(hub.region, groups=(school,))
    with hub.here.database.write() as session:
        policies.set_site(session, session.get_one(Site, school.site), disk_mb=205)
    packages = [
        hub.lesson(course, position=number, parts={name: noise(f"{number} {name}", size) for name, size in PARTS.items()})
        for number in range(3)
    ]
    plan_for(hub, school, packages[0], "2026-11-27")
    hub.join(box, school)
    hub.sync(box)
    wish = hub.lesson(course, position=9, parts={name: noise(f"wish {name}", size) for name, size in LARGE.items()})
    hub.sync(box)
    promise(full=1)
    with box.database.write() as session:
        wishes.make(session, box.steady, session.scalars(select(Lesson.uid).where(Lesson.package_id == wish)).one())
    hub.sync(box)
    with box.database.read() as session:
        gone = sorted(set(session.scalars(select(Dropped.package_id).where(Dropped.is_floor))))
    assert gone
    promise(dropped=gone)
    clear_away(box)
    promise(cleared=1)
    hub.sync(box)
    promise(shown=wish)
    box.database.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
