"""Once over real sockets: a hub behind gunicorn, a box process that is killed in the middle of fetching."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.config import Settings
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import PIECE_BYTES
from eduhub.installation import Installation
from eduhub.learning.models import Event
from eduhub.sync import rounds
from eduhub.sync.boxes import joining
from eduhub.sync.meeting import Meeting, Turns
from tests.sync.world import Hub, noise

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
BOX = """
import json, sys
from pathlib import Path
from eduhub.config import Settings
from eduhub.installation import open_installation
from eduhub.sync import rounds
found = json.loads(sys.argv[1])
box = open_installation(Settings(**found | {"data_dir": Path(found["data_dir"])}))
rounds.run(box, on_progress=lambda share: print(share, flush=True))
"""


def as_json(settings: Settings) -> str:
    return json.dumps(asdict(settings) | {"data_dir": str(settings.data_dir)})


@pytest.fixture
def address(hub: Hub) -> Iterator[str]:
    """The hub behind gunicorn, on a free port of this machine."""
    clock.freeze(None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.sync.serving", str(listening.fileno()), as_json(hub.here.settings)],
            pass_fds=[listening.fileno()], cwd=ROOT,
        )  # fmt: skip
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        process.terminate()
        process.wait(30)


def test_a_box_joins_is_killed_while_fetching_and_goes_on(
    hub: Hub, address: str, box: Installation, make_box: Callable[[], Installation]
) -> None:
    school = hub.school("Shuanghu", children=2)
    parts = {"index": noise("i", 800), "aac": noise("a", 20 * PIECE_BYTES), "v240": noise("v", 100 * PIECE_BYTES + 5)}
    package = hub.lesson(hub.course(hub.region, groups=(school,)), parts=parts)
    joining.join(box, address, hub.code(school))

    running = subprocess.Popen(
        [sys.executable, "-c", BOX, as_json(box.settings)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert running.stdout is not None
    for line in running.stdout:
        if float(line) > 0.2:
            break
    os.kill(running.pid, signal.SIGKILL)
    running.wait(30)
    running.stdout.close()

    with box.database.read() as session:
        assert not session.scalar(select(PartRow.held).where(PartRow.bytes == 100 * PIECE_BYTES + 5))
    report = rounds.run(box, on_progress=lambda _share: None)
    arrived = sum(len(payload) for payload in parts.values())
    assert report.fetched.bytes < arrived
    with box.database.read() as session:
        assert session.get_one(PackageRow, package).floor_held
        assert all(session.scalars(select(PartRow.held).where(PartRow.package_id == package)))
    with hub.here.database.read() as session:
        assert session.scalars(select(Event.kind)).all() == ["arrived"]


def test_an_idle_poll_is_less_than_600_bytes_with_all_its_packets(hub: Hub, address: str, box: Installation) -> None:
    joining.join(box, address, hub.code(hub.school("Shuanghu", children=2)))
    meeting = Meeting(box)
    for _ in range(4):
        if meeting.turn(lambda _share: None).polled:
            break
    assert meeting.kept is not None
    costs = []
    for _ in range(3):
        before = meeting.kept.link.meter.total()
        assert meeting.turn(lambda _share: None).polled
        passed = meeting.kept.link.meter.total()
        costs.append(passed.down - before.down + passed.up - before.up)
    meeting.close()
    # By the kernel's own count, headers of TCP and IP among it; the last packet of one may be counted with the next.
    assert 200 < min(costs)
    assert sum(costs) / len(costs) <= 600


def test_a_worker_takes_its_turns_and_keeps_to_its_moment(hub: Hub, address: str, box: Installation) -> None:
    joining.join(box, address, hub.code(hub.school("Shuanghu", children=2)))
    turns = Turns()
    every_s = replace(box.settings, sync_every_s=1)
    here = replace(box, settings=every_s)
    asked = []
    until_s = clock.monotonic_s() + 60
    while len(asked) < 4 and clock.monotonic_s() < until_s:
        if turns.is_due(here):
            asked.append(turns.take(here, lambda _share: None))
        clock.sleep_s(0.05)
    turns.close()
    assert [report.ran for report in asked] == [True] * 4
    assert asked[-1].polled
