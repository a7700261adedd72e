"""Answers are small on the wire, in a coding that their reader takes, and never an old form of a file."""

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_compress.compat import compression
from hypothesis import given
from hypothesis import strategies as st

from eduhub.delivery import codings
from eduhub.delivery.codings import choose
from eduhub.web import compression as web_compression
from eduhub.web import csrf
from tests.web.world import Reader, World

ROOT = Path(__file__).parents[2]
UNPACK: dict[str | None, Callable[[bytes], bytes]] = {
    "br": brotli.decompress, "gzip": gzip.decompress, "zstd": compression.zstd.decompress, None: bytes,
}  # fmt: skip


@pytest.mark.parametrize(
    ("header", "coding"),
    [(None, None), ("", None), ("gzip", "gzip"), ("gzip, deflate, br, zstd", "br"), ("gzip, zstd", "zstd"), ("*", "br"),
     ("br;q=0, *", "zstd"), ("br;q=0", None), ("gzip;q=0", None), ("gzip;q=0.5, br;q=0.4", "gzip"), ("GZip", "gzip"),
     ("gzip;q=0.5, identity", None), ("gzip;q=0.5", "gzip"), ("identity;q=0, gzip;q=0.1", "gzip"), ("x-gzip", "gzip"),
     ("gzip;q=many", None), ("deflate", None), ("identity;q=0", None), ("br ; q=1 , gzip", "br"), (",,;q=1,", None)],
)  # fmt: skip
def test_the_coding_is_the_one_that_was_asked_for(header: str | None, coding: str | None) -> None:
    assert choose(header).coding == coding


_CODING = st.sampled_from(["br", "gzip", "zstd", "identity", "*", "deflate", "x"])
_WEIGHT = st.sampled_from(["", ";q=0", ";q=0.0", ";q=0.3", ";q=1", "; q=0.700", ";q=", ";q=-1", ";q=nan", ";level=9"])


@given(st.lists(st.tuples(_CODING, _WEIGHT), max_size=6))
def test_a_coding_is_never_one_that_was_refused(asked: list[tuple[str, str]]) -> None:
    found = choose(", ".join(coding + weight for coding, weight in asked)).coding
    last = dict(asked)  # the last word on a coding counts
    if found is not None:
        assert found in codings.CODINGS
        assert last.get(found, last.get("*")) in {"", ";q=0.3", ";q=1", "; q=0.700", ";level=9"}


@given(st.text(max_size=60))
def test_no_header_is_too_odd(header: str) -> None:
    assert choose(header).coding in {None, *codings.CODINGS}


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_page_comes_in_each_coding(app: Flask, world: World, coding: str, method: str) -> None:
    dolma = Reader(app.test_client()).card(world.dolma_card).client
    plain = dolma.get("/", headers={"Accept-Encoding": "identity"})
    answer = dolma.open("/", method=method, headers={"Accept-Encoding": coding})
    assert answer.headers["Content-Encoding"] == coding
    assert {"Accept-Encoding", "Cookie"} <= set(answer.vary)
    assert int(answer.headers["Content-Length"]) < len(plain.data) / 2
    assert answer.headers["ETag"].startswith("W/"), "one page in several codings is the same page, not the same bytes"
    if method == "GET":
        assert without_tokens(UNPACK[coding](answer.data).decode()) == without_tokens(plain.text)
    again = dolma.open("/", method=method, headers={"Accept-Encoding": coding, "If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert "Content-Encoding" not in again.headers


def without_tokens(page: str) -> str:
    return "".join(part.partition('"')[2] for part in page.split('name="csrf_token" value="'))


@pytest.mark.parametrize("header", ["br;q=0", "identity", "deflate", ""])
def test_who_takes_no_coding_gets_the_plain_page(app: Flask, header: str) -> None:
    answer = app.test_client().get("/sign-in", headers={"Accept-Encoding": header})
    assert "Content-Encoding" not in answer.headers
    assert "csrf_token" in answer.text


def test_tiny_answers_and_those_of_programs_are_left_alone(app: Flask) -> None:
    client = app.test_client()
    wish = {"Accept-Encoding": "br, gzip"}
    assert "Content-Encoding" not in client.get("/health", headers=wish).headers
    assert "Content-Encoding" not in client.get("/p/x/y", headers=wish).headers
    assert "Content-Encoding" not in client.get("/sync/v1/catalog/head", headers=wish).headers
    assert client.get("/api/openapi.json", headers=wish).headers.get("Content-Encoding") == "br"


# --- static files -------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of static files, built; nothing in it is changed."""
    if shutil.which("node") is None:
        assert os.environ.get("CI") != "true", "node is missing. In CI nothing may be left out."
        pytest.skip("node is not installed")
    folder = tmp_path_factory.mktemp("static")
    (folder / "built").mkdir()
    (folder / "built" / "player.js").write_text("let seconds = 0;\n" * 300)
    (folder / "eduhub.css").write_text("p { margin: 0 }\n" * 100)
    (folder / "noise.svg").write_bytes(os.urandom(400))
    pack(folder)
    return folder


@pytest.fixture
def files(built: Path, tmp_path: Path) -> Path:
    """A copy of them, times and all."""
    return shutil.copytree(built, tmp_path / "static")


@pytest.fixture
def client(files: Path) -> FlaskClient:
    made = Flask("files", static_folder=str(files))
    made.test_client_class = Whole
    web_compression.register(made)
    return made.test_client()


class Whole(FlaskClient):
    """Reads every answer to its end."""

    def open(self, *arguments: Any, **options: Any) -> Any:
        return super().open(*arguments, **{"buffered": True, **options})


def pack(folder: Path) -> None:
    subprocess.run(["node", "eduhub/web/player/compress.mjs", folder], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("coding", ["br", "gzip"])
@pytest.mark.parametrize("name", ["eduhub.css", "built/player.js"])
def test_a_static_file_was_compressed_when_it_was_built(client: FlaskClient, files: Path, coding: str, name: str) -> None:
    plain = client.get(f"/static/{name}")
    answer = client.get(f"/static/{name}", headers={"Accept-Encoding": coding})
    assert answer.headers["Content-Encoding"] == coding
    assert answer.data == (files / f"{name}{codings.BUILT[coding]}").read_bytes()
    assert UNPACK[coding](answer.data) == plain.data
    assert answer.mimetype == plain.mimetype
    assert answer.headers["ETag"] != plain.headers["ETag"], "other bytes have another tag"
    assert {"Accept-Encoding"} <= set(answer.vary)
    assert {"Accept-Encoding"} <= set(plain.vary)
    again = client.get(f"/static/{name}", headers={"Accept-Encoding": coding, "If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    crossed = client.get(f"/static/{name}", headers={"If-None-Match": answer.headers["ETag"]})
    assert crossed.status_code == 200
    head = client.head(f"/static/{name}", headers={"Accept-Encoding": coding})
    assert (head.data, head.headers["Content-Length"]) == (b"", str(len(answer.data)))


def test_a_part_of_a_static_file_is_of_its_plain_form(client: FlaskClient, files: Path) -> None:
    answer = client.get("/static/eduhub.css", headers={"Accept-Encoding": "br", "Range": "bytes=5-9"})
    assert (answer.status_code, answer.data) == (206, (files / "eduhub.css").read_bytes()[5:10])
    assert "Content-Encoding" not in answer.headers


def test_what_compressing_does_not_help_and_what_is_not_there(client: FlaskClient) -> None:
    assert "Content-Encoding" not in client.get("/static/noise.svg", headers={"Accept-Encoding": "br"}).headers
    assert client.get("/static/nothing.css", headers={"Accept-Encoding": "br"}).status_code == 404
    assert client.get("/static/../secret", headers={"Accept-Encoding": "br"}).status_code == 404


@pytest.mark.parametrize("age_s", [-3600, 0, 3600])
def test_an_old_compressed_file_is_never_sent(client: FlaskClient, files: Path, age_s: int) -> None:
    """Whatever the times say: a checkout, a copy and a package give files any time they like."""
    fresh = b"p { margin: 9 }\n" * 100  # as long as before
    (files / "eduhub.css").write_bytes(fresh)
    times = (files / "eduhub.css.br").stat().st_mtime + age_s
    os.utime(files / "eduhub.css", (times, times))
    for coding in ("br", "gzip"):
        answer = client.get("/static/eduhub.css", headers={"Accept-Encoding": coding})
        assert (answer.data, answer.headers.get("Content-Encoding")) == (fresh, None)
    assert codings.remove_stale(files) == ["eduhub.css.br", "eduhub.css.gz"]
    assert (files / "built" / "player.js.br").exists()
    pack(files)
    assert brotli.decompress(client.get("/static/eduhub.css", headers={"Accept-Encoding": "br"}).data) == fresh


def test_a_broken_compressed_file_is_not_sent(client: FlaskClient, files: Path) -> None:
    for end in codings.BUILT.values():
        (files / f"eduhub.css{end}").write_bytes(b"half of it")
    answer = client.get("/static/eduhub.css", headers={"Accept-Encoding": "br, gzip"})
    assert answer.data == (files / "eduhub.css").read_bytes()


def test_building_twice_gives_the_same_bytes_and_leaves_nothing_behind(files: Path) -> None:
    before = {path.name: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    (files / "gone.css.br").write_bytes(b"of a file that is no more")
    for path in files.rglob("*.gz"):
        path.unlink()
    pack(files)
    assert {path.name: path.read_bytes() for path in files.rglob("*") if path.is_file()} == before
    assert not list(files.rglob("*.new"))


def test_what_is_built_goes_into_the_wheel() -> None:
    told = (ROOT / "pyproject.toml").read_text("utf-8")
    line = next(line for line in told.splitlines() if line.startswith("artifacts = "))
    artifacts = json.loads(line.partition(" = ")[2])
    assert {"eduhub/web/static/built/*", "eduhub/web/static/*.br", "eduhub/web/static/*.gz"} <= set(artifacts)
    assert "compress.mjs" in json.loads((ROOT / "package.json").read_text("utf-8"))["scripts"]["build"]


# --- what a compressed page must not give away --------------------------------------


def test_the_secret_of_a_session_stands_on_no_page_and_every_page_has_other_letters(app: Flask, world: World) -> None:
    dolma = Reader(app.test_client()).card(world.dolma_card)
    pages = [dolma.get("/").text for _ in range(3)]
    with dolma.client.session_transaction() as session:
        secret = session["csrf_token"]
    tokens = [page.split('name="csrf_token" value="')[1].split('"')[0] for page in pages]
    assert len(set(tokens)) == 3
    assert not any(secret in page for page in pages)
    one, other = tokens[:2]
    assert not any(one[at : at + 8] in other for at in range(len(one) - 8))
    for token in tokens:
        sent = dolma.client.post("/language", data={"csrf_token": token, "language": "zh", "back": "/"})
        assert sent.status_code == 303


@pytest.mark.parametrize("forged", ["", "x", "AAAA", "A" * 56, "é", "=" * 56])
def test_a_token_of_another_session_or_of_nobody_is_refused(app: Flask, world: World, forged: str) -> None:
    dolma = Reader(app.test_client()).card(world.dolma_card)
    lhamo = Reader(app.test_client()).card(world.lhamo_card)
    for token in (forged, lhamo.csrf("/")):
        assert dolma.client.post("/language", data={"csrf_token": token, "language": "zh"}).status_code == 400


def test_a_page_does_not_repeat_what_a_stranger_wrote_into_its_address(app: Flask, world: World) -> None:
    dolma = Reader(app.test_client()).card(world.dolma_card)
    page = dolma.get(f"/lessons/{world.lesson}?page=2&class={world.group}&guess=%22token%22:%22A").text
    assert "guess" not in page
    assert f'name="back" value="/lessons/{world.lesson}?page=2&amp;class={world.group}"' in page


def test_the_mask_and_the_secret_are_of_one_length(app: Flask) -> None:
    with app.test_request_context():
        assert csrf.is_ours(csrf.token())
        assert len(bytes.fromhex(csrf.secret_of_session())) == 20
