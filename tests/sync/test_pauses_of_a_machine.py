"""A pause that one process of a box was asked for holds for all of them, by the steady clock, and always ends."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from eduhub import clock
from eduhub.errors import EduHubError
from eduhub.installation import Installation
from eduhub.sync import resting, rounds
from eduhub.sync.meeting import Turns
from eduhub.sync.polling import DAY_S
from tests.sync.world import Hub

MakeBox = Callable[[], Installation]
_ASKED = """
import sys
from pathlib import Path
from eduhub.config import Settings
from eduhub.installation import open_installation
from eduhub.sync import resting
print(resting.is_resting(open_installation(Settings(role="node", data_dir=Path(sys.argv[1]), secure_cookies=False))))
"""


def asked_in_another_process(box: Installation) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _ASKED, str(box.settings.data_dir)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def later(box: Installation, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now_s = box.steady.now_s()
    monkeypatch.setattr(box.steady, "now_s", lambda: now_s + seconds)


@pytest.mark.processes
def test_another_process_of_the_machine_waits_too(box: Installation) -> None:
    assert asked_in_another_process(box) == "False"
    resting.rest(box, 600)
    assert asked_in_another_process(box) == "True"
    resting.over(box)
    assert asked_in_another_process(box) == "False"


def test_a_busy_hub_is_asked_by_no_worker_until_the_pause_is_over(
    hub: Hub, box: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.join(box, hub.school("Shuanghu"))
    hub.sync(box)
    keep = rounds.keep
    monkeypatch.setattr(rounds, "keep", lambda installation, _transport=None: keep(installation, hub.wire))
    told, other = Turns(), Turns()  # of two processes
    other.is_due(box)
    real = clock.monotonic_s
    monkeypatch.setattr(clock, "monotonic_s", lambda: real() + 7200)
    inner = hub.wire._inner.handle_request
    hub.wire._inner.handle_request = lambda _request: httpx.Response(503, headers={"Retry-After": "1200"}, content=b"")  # type: ignore[method-assign]
    with pytest.raises(EduHubError):
        told.take(box, lambda _share: None)
    assert not other.is_due(box)
    later(box, monkeypatch, 1190)
    assert not other.is_due(box), "its own moment, and the pause before it"
    later(box, monkeypatch, 1200 + 120)
    hub.wire._inner.handle_request = inner  # type: ignore[method-assign]
    assert other.is_due(box)


def test_the_longer_of_two_pauses_counts_and_an_answer_ends_it(box: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    resting.rest(box, 600)
    resting.rest(box, 5)
    later(box, monkeypatch, 300)
    assert resting.is_resting(box)
    later(box, monkeypatch, 301)
    assert not resting.is_resting(box)


@pytest.mark.parametrize("written", ["", "soon", "nan", "inf", "-5", "1e300", "9" * 5000, "\x00"])
def test_a_file_that_says_nothing_is_no_pause(box: Installation, written: str) -> None:
    path: Path = box.settings.data_dir / "run" / "sync-rests"
    path.write_text(written, encoding="ascii")
    assert not resting.is_resting(box)
    resting.rest(box, 60)
    assert resting.is_resting(box)


@given(st.floats(allow_nan=False))
@limits(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_every_pause_ends(box: Installation, seconds: float) -> None:
    resting.rest(box, seconds)
    with pytest.MonkeyPatch.context() as patch:
        later(box, patch, 2 * DAY_S + 1)
        assert not resting.is_resting(box)
    resting.over(box)
