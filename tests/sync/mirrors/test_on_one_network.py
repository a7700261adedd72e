"""Two boxes on one network, each as `eduhub serve` runs it: they find each other by themselves, and no hub is there."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from eduhub import clock, config
from eduhub.delivery.models import PackageRow
from eduhub.installation import Installation
from eduhub.sync.mirrors.models import Mirror
from tests.sync.mirrors import namespaces
from tests.sync.mirrors.village import Village, held_parts

pytestmark = [pytest.mark.processes, pytest.mark.any_engine]

ROOT = Path(__file__).parents[3]
LIMIT_S = 150
ASK_NAME = """
import sys
from zeroconf import AddressResolverIPv4, IPVersion, Zeroconf
with Zeroconf(ip_version=IPVersion.V4Only) as network:
    resolver = AddressResolverIPv4(sys.argv[1] + ".local.")
    resolver.request(network, 5000)
    print(*resolver.parsed_addresses())
"""


def serve(namespace: str, box: Installation, log: Path) -> "subprocess.Popen[bytes]":
    settings = replace(box.settings, bind="0.0.0.0", port=8080, sync_every_s=2, web_processes=1)  # noqa: S104 - in a namespace
    with log.open("wb") as lines:
        return subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-m", "eduhub", "serve"], cwd=ROOT, stdout=lines, stderr=lines,
            env=config.as_environment(settings),
        )  # fmt: skip


def is_whole(box: Installation, package_id: str) -> bool:
    with box.database.read() as session:
        row = session.get(PackageRow, package_id)
        return row is not None and row.floor_held


def test_a_box_finds_its_neighbour_and_gets_its_lesson_without_any_hub(village: Village, tmp_path: Path) -> None:
    clock.freeze(None)
    with namespaces.cable() as (one, two):
        served = [serve(one, village.near, tmp_path / "near.log"), serve(two, village.far, tmp_path / "far.log")]
        try:
            until_s = clock.monotonic_s() + LIMIT_S
            while not is_whole(village.far, village.package):
                assert clock.monotonic_s() < until_s, (tmp_path / "far.log").read_text()[-6000:]
                clock.sleep_s(0.3)
            until_s = clock.monotonic_s() + LIMIT_S
            while held_parts(village.far, village.package) != held_parts(village.near, village.package):
                assert clock.monotonic_s() < until_s, (tmp_path / "far.log").read_text()[-6000:]
                clock.sleep_s(0.3)
            with village.far.database.read() as session:
                found = session.scalars(select(Mirror)).one()
            assert (found.url, found.kind, found.name) == ("http://10.99.0.1:8080", "found", "shuanghu-1")
            assert (found.node_uid, found.why) == (village.near_uid, None)
            asked = subprocess.run(
                ["ip", "netns", "exec", two, sys.executable, "-c", ASK_NAME, "shuanghu-1"],
                capture_output=True, text=True, check=True, cwd=ROOT,
            )  # fmt: skip
            assert asked.stdout.split() == ["10.99.0.1"]
        finally:
            for process in served:
                process.terminate()
            for process in served:
                process.wait(30)
