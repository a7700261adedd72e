"""`eduhub media encode`: one file, no database."""

import json
import subprocess
from pathlib import Path

import pytest

from eduhub.config import Settings
from eduhub.media import program
from tests.ops.commanding import eduhub

pytestmark = [pytest.mark.ffmpeg, pytest.mark.any_engine]


@pytest.fixture
def clip(settings: Settings, tmp_path: Path) -> Path:
    made = tmp_path / "clip.mp4"
    subprocess.run(
        [
            str(program.find(settings).path), "-nostdin", "-loglevel", "error",
            "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15:duration=4",
            "-f", "lavfi", "-i", "sine=frequency=440:duration=4",
            "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", str(made),
        ],
        check=True,
    )  # fmt: skip
    return made


def test_the_report_names_every_rendition(settings: Settings, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = eduhub(settings, "media", "encode", str(clip), str(out), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {"video", "audio", "stills"} <= {rendition["kind"] for rendition in report["renditions"]}
    for rendition in report["renditions"]:
        assert {"name", "kind", "codec", "width", "height", "fps", "bytes", "kbit_s"} <= rendition.keys()
        assert (out / rendition["file"]).stat().st_size == rendition["bytes"]
    assert report["encode_s"] > 0
    assert report["source"]
    assert (out / "manifest.json").exists()
    assert (out / "master.m3u8").exists()


def test_a_text_file_is_refused_in_three_sentences(settings: Settings, tmp_path: Path) -> None:
    lying = tmp_path / "lesson.mp4"
    lying.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", encoding="ascii")
    done = eduhub(settings, "media", "encode", str(lying), str(tmp_path / "out"))
    assert done.returncode == 1
    assert "cannot be used as a lesson" in done.stderr
    assert "Traceback" not in done.stderr
