"""What is proposed for the kernel of a machine that serves boxes over bad links."""

from pathlib import Path

import pytest

from eduhub.config import Settings
from eduhub.ops import tuning
from tests.ops.commanding import eduhub


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A kernel as Linux starts, without the newest of the settings."""
    folder = tmp_path / "net" / "ipv4"
    folder.mkdir(parents=True)
    (folder / "tcp_slow_start_after_idle").write_text("1\n")
    (folder / "tcp_retries2").write_text("15\n")
    return tmp_path


def test_what_is_set_otherwise_is_proposed_and_what_the_kernel_does_not_have_is_not(kernel: Path) -> None:
    assert [proposal.name for proposal in tuning.proposed(kernel)] == [
        "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_retries2",
    ]  # fmt: skip


def test_what_is_set_is_proposed_no_more(kernel: Path) -> None:
    for proposal in tuning.PROPOSALS:
        (kernel / proposal.name.replace(".", "/")).write_text(f"{proposal.value}\n")
    assert list(tuning.proposed(kernel)) == []


def test_a_route_keeps_what_it_has_and_is_proposed_once(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_default_routes", lambda: "default via 10.0.0.1 dev eth0 mtu 1400 \n")
    assert tuning.commands(kernel)[-1] == "ip route change default via 10.0.0.1 dev eth0 mtu 1400 initcwnd 40"
    monkeypatch.setattr(tuning, "_default_routes", lambda: "default via 10.0.0.1 dev eth0 mtu 1400 initcwnd 40\n")
    assert not any("route" in line for line in tuning.commands(kernel))


def test_the_command_prints_lines_for_a_shell_and_changes_nothing(settings: Settings) -> None:
    before = [place.read_text() for place in Path("/proc/sys/net/ipv4").glob("tcp_*") if place.stat().st_mode & 0o444]
    done = eduhub(settings, "doctor", "--tune")
    assert done.returncode == 0
    assert all(line.startswith(("#", "sysctl -w net.ipv4.", "ip route change ")) for line in done.stdout.splitlines())
    assert [place.read_text() for place in Path("/proc/sys/net/ipv4").glob("tcp_*") if place.stat().st_mode & 0o444] == before
