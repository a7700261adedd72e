"""What a process that was killed leaves behind goes with the next run, and nothing that is in use goes."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

from eduhub import clock
from eduhub.installation import Installation
from eduhub.media import uploads, workroom
from eduhub.media.intents import UploadIntent
from eduhub.uids import new_uid


def killed_while_it_holds(code: str, ready: Path) -> None:
    """Run Python code that makes `ready` and waits; kill it there."""
    environment = {**os.environ, "PYTHONPATH": str(Path(workroom.__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    deadline_s = clock.monotonic_s() + 30
    while not ready.exists():
        assert process.poll() is None
        assert clock.monotonic_s() < deadline_s
        clock.sleep_s(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_work_folder_of_a_killed_encoder_goes_and_one_in_use_stays(tmp_path: Path) -> None:
    source, ready, parent = tmp_path / "source", tmp_path / "ready", tmp_path / "work"
    source.write_bytes(b"x")
    (parent / "media-of-a-person").mkdir(parents=True)
    killed_while_it_holds(
        "import time; from pathlib import Path; from eduhub.media import workroom\n"
        f"with workroom.staged(Path({str(source)!r}), Path({str(parent)!r})) as work:\n"
        f"    (work / 'v240.mp4').write_bytes(b'half'); Path({str(ready)!r}).touch(); time.sleep(60)\n",
        ready,
    )
    assert len(list(parent.iterdir())) == 2
    with workroom.staged(source, parent) as first, workroom.staged(source, parent) as second:
        assert {path.name for path in parent.iterdir()} == {"media-of-a-person", first.name, second.name}
        assert (first / workroom.INPUT).read_bytes() == b"x"
    assert [path.name for path in parent.iterdir()] == ["media-of-a-person"]


def test_half_a_file_of_a_killed_server_goes_with_the_next_upload(installation: Installation) -> None:
    incoming = installation.settings.data_dir / "incoming"
    (incoming / f"{new_uid()}.part").write_bytes(b"half a film")
    intent = UploadIntent(
        source_uid=new_uid(), org_uid=new_uid(), max_bytes=100, then=None, expires_steady_s=1000, language="zh", back="/"
    )
    (incoming / f"{intent.source_uid}.part").write_bytes(b"half of this film")
    source = uploads.receive(installation, intent, io.BytesIO(b"the whole film"), "film.mp4")
    assert installation.blobs.path(str(source.sha256)).read_bytes() == b"the whole film"
    assert not any(incoming.iterdir())
