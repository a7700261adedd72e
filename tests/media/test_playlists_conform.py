"""The playlists of real lessons satisfy two strict readers, and stock players play them from our own lane to the end."""

import functools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import m3u8
import pytest
from playwright.sync_api import Browser
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from eduhub.clock import SteadyClock
from eduhub.delivery import package, passes
from eduhub.delivery.http import COOKIE, MediaLane
from eduhub.delivery.package import Manifest, Part
from eduhub.media import binding
from eduhub.media.recipes import WHOLE, Recipe, Sound
from eduhub.uids import new_uid
from tests.media import clips, stepping

pytestmark = pytest.mark.ffmpeg

ROOT = Path(__file__).parents[2]
HLS_JS = ROOT / "node_modules" / "hls.js" / "dist" / "hls.min.js"
SECRET = b"s" * 32


def two_voices(target: Path) -> Path:
    """13 s: a picture, 300 Hz in Chinese and 900 Hz in Tibetan."""
    return clips.make(
        target, "-f", "lavfi", "-i", "testsrc2=s=160x96:r=10:d=13", "-f", "lavfi", "-i", "sine=f=300:d=13", "-f", "lavfi",
        "-i", "sine=f=900:d=13", "-map", "0", "-map", "1", "-map", "2", "-c:v", "mpeg4", "-c:a", "aac", "-metadata:s:a:0",
        "language=zho", "-metadata:s:a:1", "language=bod",
    )  # fmt: skip


CASES: dict[str, tuple[Any, tuple[str, ...], Recipe]] = {
    "pictures": (clips.lesson, ("floor", "v240", "v360"), WHOLE),
    "sound": (clips.sound_alone, ("floor",), WHOLE),
    "languages": (two_voices, ("floor", "v240"), Recipe(sounds=(Sound(1, "zh"), Sound(2, "bo")))),
}


@dataclass(frozen=True)
class Bound:
    """A lesson in a package's folder, as it is published."""

    packages: Path
    package_id: str
    duration_ms: int
    frame_s: float
    by_name: dict[str, str]  # part name -> hash

    @property
    def folder(self) -> Path:
        return self.packages / self.package_id

    def playlists(self) -> list[Path]:
        return [self.folder / sha256 for name, sha256 in self.by_name.items() if name.endswith(".m3u8")]

    def cookie(self) -> str:
        return passes.mint(
            SECRET, package_id=self.package_id, audience="learner", person_uid="", expires_steady_s=10**9
        )


@pytest.fixture(scope="module")
def bound_as(tmp_path_factory: pytest.TempPathFactory, clip: Any) -> Callable[[str], Bound]:
    """`bound_as("sound")`: that kind of lesson, encoded and bound at the first call."""
    return functools.cache(lambda case: bind(case, tmp_path_factory.mktemp("bound"), clip))


@pytest.fixture(scope="module", params=CASES)
def bound(request: pytest.FixtureRequest, bound_as: Callable[[str], Bound]) -> Bound:
    """Each kind of lesson."""
    return bound_as(str(request.param))


def bind(case: str, folder: Path, clip: Any) -> Bound:
    source, steps, recipe = CASES[case]
    made = stepping.run(clip(source), folder, *steps, recipe=recipe)
    rows = [part.index_row for part in made.parts if part.index_row and "chunk_bytes" in part.index_row]
    stills = next((part.index_row for part in made.parts if part.facts["kind"] == "stills"), None)
    payloads = [(part.facts, part.path.read_bytes() if part.path.exists() else (made.folder / part.path.name).read_bytes())
                for part in made.parts]  # fmt: skip
    payloads += [(part.facts, part.payload) for part in binding.bind(rows, stills, made.chosen.duration_ms)]
    plain = {"pieces": None, "floor": False}
    parts = tuple(Part.from_json({**facts, **(plain if not facts["pieces"] else {})}) for facts, _payload in payloads)
    manifest = Manifest(
        hub=new_uid(), lesson=new_uid(), course=new_uid(), org=new_uid(), revision=1, timeline=new_uid(), supersedes=None,
        language="zh", titles={"zh": "冰"}, texts={}, audience="own", duration_ms=made.chosen.duration_ms, parts=parts,
    ).to_bytes()  # fmt: skip
    package_id = package.id_of(manifest)
    target = folder / "packages" / package_id
    target.mkdir(parents=True)
    (target / package_id).write_bytes(manifest)
    for facts, payload in payloads:
        (target / facts["sha256"]).write_bytes(payload)
    fps = [row["fps_milli"] for row in rows if row["kind"] == "video"]
    frame_s = 1000 / fps[0] if fps else 1024 / 48_000
    names = {facts["name"]: facts["sha256"] for facts, _payload in payloads}
    return Bound(folder / "packages", package_id, made.chosen.duration_ms, frame_s, names)


# --- two strict readers -------------------------------------------------------------


def complaints(paths: list[Path]) -> list[str]:
    """What hls-parser (strict) and m3u8 (strict) have to say."""
    reader = Path(__file__).with_suffix(".mjs")
    told = subprocess.run(["node", reader, *paths], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    found = [problem for problem in json.loads(told.stdout) if problem]
    for path in paths:
        try:
            m3u8.parser.parse(path.read_text("ascii"), strict=True)
        except Exception as error:  # noqa: BLE001 - its own errors are of several kinds
            found.append(f"{type(error).__name__}: {error}")
    return found


def test_both_strict_readers_accept_every_playlist(bound: Bound) -> None:
    paths = bound.playlists()
    assert len(paths) >= 3
    assert complaints(paths) == []


FAULTS: dict[str, Callable[[str], str]] = {
    "a segment longer than the target": lambda text: text.replace("#EXT-X-TARGETDURATION:", "#EXT-X-TARGETDURATION:0."),
    "no version for byte ranges": lambda text: text.replace("#EXT-X-VERSION:7", "#EXT-X-VERSION:2"),
    "a length that is no number": lambda text: text.replace("#EXTINF:", "#EXTINF:long", 1),
    "no beginning": lambda text: text.replace("#EXTM3U\n", "", 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_readers_do_catch_a_fault(bound_as: Callable[[str], Bound], fault: str, tmp_path: Path) -> None:
    pictures = bound_as("pictures")
    text = (pictures.folder / pictures.by_name["v240.m3u8"]).read_text("ascii")
    broken = tmp_path / "broken.m3u8"
    broken.write_text(FAULTS[fault](text), "ascii")
    assert broken.read_text("ascii") != text
    assert complaints([broken]) != []


def test_every_byte_range_lies_in_its_track_and_the_lengths_add_up(bound: Bound) -> None:
    for path in bound.playlists():
        playlist = m3u8.loads(path.read_text("ascii"))
        if playlist.is_variant:
            continue
        ends = [sum(map(int, segment.byterange.split("@"))) for segment in playlist.segments]
        assert {segment.uri for segment in playlist.segments} <= set(bound.by_name.values())
        assert ends[-1] == (bound.folder / playlist.segments[0].uri).stat().st_size
        total_s = sum(segment.duration for segment in playlist.segments)
        assert total_s == pytest.approx(bound.duration_ms / 1000, abs=0.1)


# --- stock players, from our own lane -----------------------------------------------


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Callable[[Bound], str]]:
    """`lane(bound)`: the address of a server with our lane; beside it a page that has hls.js."""
    servers = []

    @Request.application
    def page(request: Request) -> Response:
        if request.path == "/hls.js":
            return Response(HLS_JS.read_bytes(), content_type="text/javascript")
        return Response("<!doctype html><video muted></video><script src=/hls.js></script>", content_type="text/html")

    def serve(found: Bound) -> str:
        steady = SteadyClock(tmp_path / "steady-clock.json")
        app = MediaLane(page, packages_dir=found.packages, secret=SECRET, steady=steady)
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_ffmpeg_plays_it_to_the_end_without_a_word(
    bound: Bound, lane: Callable[[Bound], str], ffmpeg_program: str
) -> None:
    place = f"{lane(bound)}/p/{bound.package_id}"
    command = [ffmpeg_program, "-v", "error", "-nostdin"]
    if "extension_picky" in _help(ffmpeg_program):
        # ffmpeg 9 joins neighbouring ranges into one request over HTTP and then plays the first segment alone, from
        # nginx serving plain files as well. So this release of it reads the folder.
        place = str(bound.folder)
        command += ["-extension_picky", "0", "-f", "hls"]
    else:
        command += ["-headers", f"Cookie: {COOKIE}={bound.cookie()}\r\n"]
    address = f"{place}/{bound.by_name['master.m3u8']}"
    # All tracks: of those that it drops half-way, ffmpeg 9 says that their last packet is cut.
    command += ["-allowed_extensions", "ALL", "-i", address, "-map", "0", "-f", "framehash", "-"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    kinds, lengths = _lengths(told.stdout.splitlines())
    assert "audio" in kinds
    assert ("video" in kinds) == any(name.startswith("v") for name in bound.by_name)
    for kind, length_s in zip(kinds, lengths, strict=True):
        slack_s = bound.frame_s + 0.001 if kind == "video" else 0.1
        assert length_s == pytest.approx(bound.duration_ms / 1000, abs=slack_s), kind


def _lengths(lines: list[str]) -> tuple[list[str], list[float]]:
    """The kind of each track, and from its first frame to the end of its last, in seconds."""
    kinds = [line.split(": ")[1] for line in lines if line.startswith("#media_type")]
    bases = [[int(number) for number in line.split(": ")[1].split("/")] for line in lines if line.startswith("#tb")]
    rows = [[int(field) for field in line.split(",")[:4]] for line in lines if not line.startswith("#")]
    lengths = []
    for number, (over, under) in enumerate(bases):
        of_track = [row for row in rows if row[0] == number]
        lengths.append((of_track[-1][2] + of_track[-1][3] - of_track[0][2]) * over / under)
    return kinds, lengths


def _help(program: str) -> str:
    return subprocess.run([program, "-h", "demuxer=hls"], capture_output=True, text=True, timeout=30, check=False).stdout


_PLAY = """
async ([address, sought]) => {
  const video = document.querySelector("video"), errors = [];
  const hls = new Hls({ enableWorker: false });
  hls.on(Hls.Events.ERROR, (_event, data) => { if (data.fatal || data.type === "mediaError") errors.push(data.details); });
  const parsed = new Promise(done => hls.on(Hls.Events.MANIFEST_PARSED, (_event, data) => done(data.levels.length)));
  hls.loadSource(address);
  hls.attachMedia(video);
  const levels = await parsed;
  const until = (holds) => new Promise((done, fail) => {
    const ends = setTimeout(() => fail(new Error(`stuck at ${video.currentTime} of ${video.duration}: ${errors}`)), 20000);
    const look = () => { if (holds()) { clearTimeout(ends); done(); } else setTimeout(look, 20); };
    look();
  });
  video.playbackRate = 4;
  await video.play();
  await until(() => video.currentTime > 0.5);
  const levelsSeen = new Set();
  hls.on(Hls.Events.FRAG_BUFFERED, (_event, data) => { if (data.frag.type === "main") levelsSeen.add(data.frag.level); });
  if (levels > 1) {
    hls.currentLevel = 0;
    await until(() => levelsSeen.has(0));
    hls.currentLevel = levels - 1;
    await until(() => levelsSeen.has(levels - 1));
  }
  video.currentTime = sought;
  await until(() => !video.seeking && video.currentTime >= sought);
  await video.play();
  await until(() => video.ended);
  return { errors, duration: video.duration, ended: video.currentTime, levels, tracks: hls.audioTracks.map(track => track.lang) };
}
"""


@pytest.mark.browser
def test_stock_hls_js_plays_seeks_and_changes_level(bound: Bound, lane: Callable[[Bound], str], chromium: Browser) -> None:
    origin = lane(bound)
    context = chromium.new_context()
    context.add_cookies([
        {"name": COOKIE, "value": bound.cookie(), "domain": "127.0.0.1", "path": f"/p/{bound.package_id}/"}
    ])  # fmt: skip
    page = context.new_page()
    page.goto(origin)
    address = f"{origin}/p/{bound.package_id}/{bound.by_name['master.m3u8']}"
    found = page.evaluate(_PLAY, [address, bound.duration_ms / 2000])
    context.close()
    assert found["errors"] == []
    assert found["duration"] == pytest.approx(bound.duration_ms / 1000, abs=0.1)
    assert found["ended"] == pytest.approx(found["duration"], abs=bound.frame_s)
    if "aac-bo" in bound.by_name:
        assert {"zh", "bo"} <= set(found["tracks"])


@pytest.fixture(scope="module", autouse=True)
def _node_is_here() -> None:
    if shutil.which("node") is None or not HLS_JS.is_file():
        assert os.environ.get("CI") != "true", "node and its packages are missing. In CI nothing may be left out."
        pytest.skip("node or its packages are not installed (make build)")
