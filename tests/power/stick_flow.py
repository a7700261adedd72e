"""What is done with a stick, for pulling it out: the hub fills it, a box takes it and gives to it, the hub fills it again.

Run as a program, below the recorder, which sees the stick alone: `python -m tests.power.stick_flow STICK MACHINES`. Of the
machines a copy is kept from before each trip.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from eduhub import clock, logs
from eduhub.config import Settings
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate
from tests.sync.sticks import bring, fill, watch
from tests.sync.world import WEDNESDAY_MS, Hub, noise

BOX = "shuanghu-3"
PARTS = {"index": 900, "stills": 9_000, "aac": 30_000, "v240": 300_000}


def machine(folder: Path, role: str) -> Installation:
    """A machine in a folder, new or as it was left."""
    opened = open_installation(Settings(data_dir=folder, role=role, secure_cookies=False))  # type: ignore[arg-type]
    migrate.upgrade(opened.database)
    return opened


def promise(**fact: Any) -> None:
    """This is said to be done: the stick may be pulled out now."""
    log = os.open(os.environ["POWER_LOG"], os.O_WRONLY | os.O_APPEND)
    os.write(log, b"A " + json.dumps(fact).encode() + b"\n")
    os.close(log)


def keep(opened: Installation, to: Path) -> None:
    """A copy of a machine, as it is now."""
    with opened.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(opened.settings.data_dir, to)


def main(stick: Path, machines: Path) -> None:
    """Everything, once."""
    clock.freeze(WEDNESDAY_MS)
    hub, box = Hub(machine(machines / "hub", "hub")), machine(machines / "box", "node")
    logs.configure(hub.here.settings)
    school = hub.school("Shuanghu", children=2)
    course = hub.course(school.org, groups=(school,))
    hub.join(box, school, BOX)
    for number in range(2):
        hub.lesson(course, position=number, parts={name: noise(f"{number} {name}", size) for name, size in PARTS.items()})
    keep(box, machines / "box before")
    fill(hub, stick, BOX)
    promise(filled=1)
    bring(box, stick)
    watch(box, school, 40)
    keep(box, machines / "box watched")
    keep(hub.here, machines / "hub before")
    bring(box, stick)
    promise(given=1)
    bring(hub.here, stick)
    hub.lesson(course, position=2, parts={name: noise(f"2 {name}", size) for name, size in PARTS.items()})
    keep(hub.here, machines / "hub after")
    keep(box, machines / "box after")
    fill(hub, stick)
    promise(filled=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
