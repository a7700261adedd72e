"""Once over real sockets: a hub behind gunicorn, a box process that is killed in the middle of fetching."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import select

from eduhub import clock
from eduhub.config import Settings
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import PIECE_BYTES
from eduhub.installation import Installation
from eduhub.learning.models import Event
from eduhub.sync import joining, rounds
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
