"""The battery is told of where there is one, and of nobody else's."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.sync.status import battery
from eduhub.sync.status.battery import Battery

pytestmark = pytest.mark.any_engine


def supply(folder: Path, name: str, **words: str) -> None:
    """As the kernel shows one: a folder of small files."""
    (folder / name).mkdir()
    for file, word in words.items():
        (folder / name / file).write_text(f"{word}\n", encoding="ascii")


def test_a_machine_without_a_battery_has_none(tmp_path: Path) -> None:
    assert battery.read(tmp_path / "nowhere") is None
    assert battery.read(tmp_path) is None
    supply(tmp_path, "AC", type="Mains", online="1")
    supply(tmp_path, "hid-mouse", type="Battery", scope="Device", capacity="12", status="Discharging")
    supply(tmp_path, "BAT9", type="Battery", status="Unknown")  # a bay with nothing in it
    assert battery.read(tmp_path) is None


@pytest.mark.parametrize(
    ("status", "is_charging"), [("Charging", True), ("Full", True), ("Discharging", False), ("Not charging", None), ("Unknown", None)]
)
def test_it_says_how_full_it_is_and_whether_it_is_charging(tmp_path: Path, status: str, is_charging: bool | None) -> None:
    supply(tmp_path, "BAT0", type="Battery", capacity="63", status=status)
    assert battery.read(tmp_path) == Battery(63, is_charging)


def test_two_batteries_are_one_and_the_one_that_empties_counts(tmp_path: Path) -> None:
    supply(tmp_path, "BAT0", type="Battery", capacity="100", status="Full")
    supply(tmp_path, "BAT1", type="Battery", scope="System", capacity="40", status="Discharging")
    assert battery.read(tmp_path) == Battery(70, False)


@given(capacity=st.binary(max_size=200), status=st.binary(max_size=200))
def test_whatever_the_kernel_writes_is_a_battery_or_none(
    tmp_path_factory: pytest.TempPathFactory, capacity: bytes, status: bytes
) -> None:
    folder = tmp_path_factory.mktemp("supplies")
    supply(folder, "BAT0", type="Battery")
    (folder / "BAT0" / "capacity").write_bytes(capacity)
    (folder / "BAT0" / "status").write_bytes(status)
    found = battery.read(folder)
    assert found is None or 0 <= found.percent <= 100
