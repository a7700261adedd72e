"""A box stays known on its network when addresses change, when there is no network, and when its thread has died."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from eduhub import clock
from eduhub.installation import Installation
from eduhub.sync.mirrors import neighbours, places
from tests.sync.mirrors import namespaces
from tests.sync.mirrors.village import Village

ROOT = Path(__file__).parents[3]
TELL = """
import json, sys
from pathlib import Path
from eduhub import clock
from eduhub.config import Settings
from eduhub.installation import open_installation
from eduhub.sync.mirrors import neighbours
found = json.loads(sys.argv[1])
box = open_installation(Settings(**found | {"data_dir": Path(found["data_dir"])}))
neighbours.EVERY_S = 0.5
neighbours.keep(box)
(keeper,) = neighbours._keepers.values()
while True:
    held = keeper._presence
    print(json.dumps(held.places.addresses if held is not None and held.is_alive else []), flush=True)
    clock.sleep_s(0.2)
"""


@pytest.mark.processes
@pytest.mark.any_engine
def test_a_box_follows_its_addresses(village: Village) -> None:
    settings = replace(village.near.settings, bind="0.0.0.0")  # noqa: S104 - in a namespace
    with namespaces.cable() as (one, _two):
        running = subprocess.Popen(
            ["ip", "netns", "exec", one, sys.executable, "-c", TELL, json.dumps(asdict(settings) | {"data_dir": str(settings.data_dir)})],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert running.stdout is not None

        def wait_for(addresses: list[str]) -> None:
            clock.freeze(None)
            until_s = clock.monotonic_s() + 60
            for line in running.stdout or ():
                if line.startswith("[\"") or line.strip() == "[]":
                    if json.loads(line) == addresses:
                        return
                assert clock.monotonic_s() < until_s, line
            raise AssertionError("it ended")

        def ip(*words: str) -> None:
            subprocess.run(["ip", "-n", one, "addr", *words, "dev", one], check=True)

        try:
            wait_for(["10.99.0.1"])
            ip("add", "10.99.1.9/24")
            wait_for(["10.99.0.1", "10.99.1.9"])
            ip("del", "10.99.0.1/24")
            wait_for(["10.99.1.9"])
            ip("del", "10.99.1.9/24")
            wait_for([])
            ip("add", "10.99.0.1/24")
            wait_for(["10.99.0.1"])
        finally:
            running.terminate()
            running.wait(30)
            running.stdout.close()


def test_a_thread_that_died_is_replaced_and_one_that_lives_is_kept(box: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.freeze(None)
    monkeypatch.setattr(neighbours, "_keepers", {})
    neighbours.keep(box)  # it serves itself only, and so there is nothing to say
    (first,) = neighbours._keepers.values()
    neighbours.keep(box)
    assert list(neighbours._keepers.values()) == [first]
    first.stop()
    assert not first.is_alive()
    neighbours.keep(box)
    (second,) = neighbours._keepers.values()
    assert second is not first
    assert second.is_alive()
    second.stop()


def test_a_turn_that_fails_is_not_the_last(box: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.freeze(None)
    turns: list[int] = []

    def fail(_bind: str) -> places.Places:
        turns.append(1)
        raise OSError("no such device")

    monkeypatch.setattr(neighbours, "AFTER_FAILURE_S", 0.05)
    monkeypatch.setattr(places, "here", fail)
    keeper = neighbours.Keeper(box)
    keeper.start()
    until_s = clock.monotonic_s() + 20
    while len(turns) < 3 and clock.monotonic_s() < until_s:
        clock.sleep_s(0.02)
    keeper.stop()
    assert len(turns) >= 3


def test_a_box_that_shall_not_be_known_says_nothing(box: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_keepers", {})
    quiet = replace(box, settings=replace(box.settings, neighbours=False))
    neighbours.keep(quiet)
    assert neighbours._keepers == {}


def test_a_box_that_serves_itself_only_is_nowhere() -> None:
    assert places.here("127.0.0.1").addresses == []
