"""One script of requests for @tus/server and for ours: every difference stands, with its reason, in docs/formats/uploads.md."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from eduhub.installation import Installation
from tests.media.serving import credential, intent_of, served

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "media" / "tus" / "reference.mjs"
BODY = {"Content-Type": "application/offset+octet-stream"}
WATCHED = (
    "tus-resumable", "tus-version", "tus-extension", "tus-max-size", "upload-offset", "upload-length",
    "upload-defer-length", "upload-metadata", "upload-expires", "location", "cache-control",
)
# What differs from run to run: only whether it stands there is compared.
CLOSED = 999
PLACES = {"upload-expires": "a date", "location": "a place"}

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
]


class Theirs:
    """A client of the reference server."""

    def __init__(self, address: str) -> None:
        self.address, self._http = address, httpx.Client(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def fresh(self) -> dict[str, str]:
        """The headers of somebody who may begin one upload."""
        return {"Tus-Resumable": "1.0.0"}

    def nowhere(self) -> tuple[str, dict[str, str]]:
        """The address of an upload that never was, and headers for it."""
        return f"{self.address}/00000000000000000000000000000000", self.fresh()

    def send(self, method: str, url: str, headers: dict[str, str], content: bytes | None = None) -> httpx.Response:
        try:
            return self._http.request(method, httpx.URL(self.address).join(url), headers=headers, content=content)
        except httpx.RemoteProtocolError:  # it hangs up without a word
            return httpx.Response(CLOSED)

    def create(self, headers: dict[str, str], **more: str) -> str:
        made = self.send("POST", self.address, headers | {"Upload-Length": "10"} | more)
        assert made.status_code == 201, made.text
        return made.headers["Location"]


class Ours(Theirs):
    """A client of our server, with an intent for every upload."""

    def __init__(self, address: str, installation: Installation) -> None:
        super().__init__(address)
        self._installation = installation

    def fresh(self) -> dict[str, str]:
        return credential(self._installation, intent_of(self._installation))

    def nowhere(self) -> tuple[str, dict[str, str]]:
        intent = intent_of(self._installation)
        return f"{self.address}/{intent.source_uid}", credential(self._installation, intent)


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


def requests(server: Theirs) -> Iterator[tuple[str, httpx.Response]]:
    """The script: what is asked, and the answer."""
    yield "options", server.send("OPTIONS", server.address, {})
    yield from creations(server)
    yield from one_session(server)
    yield from refused_patches(server)
    yield from endings(server)


def creations(server: Theirs) -> Iterator[tuple[str, httpx.Response]]:
    def post(content: bytes | None = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return server.send("POST", server.address, server.fresh() | named, content)

    yield "create", post(Upload_Length="10", Upload_Metadata="filename cmFpbi5tcDQ=")
    yield "create, no version", server.send("POST", server.address, without(server.fresh(), "Tus-Resumable") | {"Upload-Length": "10"})
    yield "create, version 0.2.2", post(Tus_Resumable="0.2.2", Upload_Length="10")
    yield "create, no length", post()
    yield "create, length and deferred", post(Upload_Length="10", Upload_Defer_Length="1")
    yield "create, deferred 2", post(Upload_Defer_Length="2")
    yield "create, length -1", post(Upload_Length="-1")
    yield "create, length x", post(Upload_Length="x")
    yield "create, empty file", post(Upload_Length="0")
    yield "create, too large", post(Upload_Length="99999999")
    yield "create, metadata not base64", post(Upload_Length="10", Upload_Metadata="filename !!!")
    yield "create, metadata key twice", post(Upload_Length="10", Upload_Metadata="filename YQ==,filename Yg==")
    yield "create, deferred", post(Upload_Defer_Length="1")
    yield "create with a body", post(b"hello", Upload_Length="10", **{"Content_Type": BODY["Content-Type"]})
    yield "create with the whole body", post(b"helloworld", Upload_Length="10", **{"Content_Type": BODY["Content-Type"]})
    yield "create with too much body", post(b"helloworld!", Upload_Length="10", **{"Content_Type": BODY["Content-Type"]})
    yield "create, concatenated", post(Upload_Length="10", Upload_Concat="partial")


def one_session(server: Theirs) -> Iterator[tuple[str, httpx.Response]]:
    mine = server.fresh()
    place = server.create(mine, **{"Upload-Metadata": "filename cmFpbi5tcDQ="})
    yield "head, no byte yet", server.send("HEAD", place, mine)
    yield "head, no version", server.send("HEAD", place, without(mine, "Tus-Resumable"))
    yield "patch", server.send("PATCH", place, mine | BODY | {"Upload-Offset": "0"}, b"hello")
    yield "patch, more", server.send("PATCH", place, mine | BODY | {"Upload-Offset": "5"}, b"wo")
    yield "head, half", server.send("HEAD", place, mine)
    yield "patch, empty", server.send("PATCH", place, mine | BODY | {"Upload-Offset": "7"}, b"")
    yield "patch, last", server.send("PATCH", place, mine | BODY | {"Upload-Offset": "7"}, b"rld")
    yield "head, whole", server.send("HEAD", place, mine)
    yield "patch, behind the end", server.send("PATCH", place, mine | BODY | {"Upload-Offset": "10"}, b"!")
    yield "patch, empty at the end", server.send("PATCH", place, mine | BODY | {"Upload-Offset": "10"}, b"")
    yield "patch, again from 0", server.send("PATCH", place, mine | BODY | {"Upload-Offset": "0"}, b"hello")

    mine = server.fresh()
    place = server.send("POST", server.address, mine | {"Upload-Defer-Length": "1"}).headers["Location"]
    yield "head, deferred", server.send("HEAD", place, mine)
    yield "patch, deferred", server.send("PATCH", place, mine | BODY | {"Upload-Offset": "0"}, b"hello")
    told = {"Upload-Offset": "5", "Upload-Length": "7"}
    yield "patch, length told", server.send("PATCH", place, mine | BODY | told, b"w")
    other = {"Upload-Offset": "6", "Upload-Length": "8"}
    yield "patch, another length told", server.send("PATCH", place, mine | BODY | other, b"o")
    yield "head, length told", server.send("HEAD", place, mine)


def refused_patches(server: Theirs) -> Iterator[tuple[str, httpx.Response]]:
    mine = server.fresh()
    place, good = server.create(mine), mine | BODY | {"Upload-Offset": "0"}
    overridden = good | {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "1"}
    yield "post as patch, offset ahead", server.send("POST", place, overridden, b"hello")
    yield "patch, no type", server.send("PATCH", place, without(good, "Content-Type"), b"hello")
    yield "patch, another type", server.send("PATCH", place, good | {"Content-Type": "text/plain"}, b"hello")
    yield "patch, no offset", server.send("PATCH", place, without(good, "Upload-Offset"), b"hello")
    yield "patch, offset x", server.send("PATCH", place, good | {"Upload-Offset": "x"}, b"hello")
    yield "patch, offset ahead", server.send("PATCH", place, good | {"Upload-Offset": "3"}, b"hello")
    yield "patch, no version", server.send("PATCH", place, without(good, "Tus-Resumable"), b"hello")
    yield "patch, too much", server.send("PATCH", place, good, b"helloworld!")
    yield "head, nothing of that kept", server.send("HEAD", place, mine)
    nowhere, headers = server.nowhere()
    yield "patch, unknown", server.send("PATCH", nowhere, headers | BODY | {"Upload-Offset": "0"}, b"hello")
    yield "head, unknown", server.send("HEAD", nowhere, headers)
    yield "delete, unknown", server.send("DELETE", nowhere, headers)


def endings(server: Theirs) -> Iterator[tuple[str, httpx.Response]]:
    mine = server.fresh()
    place = server.create(mine)
    yield "delete, no version", server.send("DELETE", place, without(mine, "Tus-Resumable"))
    yield "delete", server.send("DELETE", place, mine)
    yield "head, deleted", server.send("HEAD", place, mine)
    yield "patch, deleted", server.send("PATCH", place, mine | BODY | {"Upload-Offset": "0"}, b"hello")
    mine = server.fresh()
    whole = server.send("POST", server.address, mine | BODY | {"Upload-Length": "5"}, b"hello").headers["Location"]
    yield "delete, whole", server.send("DELETE", whole, mine)


def looked_at(answer: httpx.Response) -> dict[str, str]:
    found = {"status": str(answer.status_code)}
    for name in WATCHED:
        if name in answer.headers:
            found[name] = PLACES.get(name, answer.headers[name])
    return found


@pytest.fixture
def installation(make_installation: Callable[..., Installation]) -> Installation:
    return make_installation(upload_max_mb=10)


@pytest.fixture
def reference(tmp_path: Path, installation: Installation) -> Iterator[Theirs]:
    folder = tmp_path / "reference"
    folder.mkdir()
    most = str(installation.settings.upload_max_mb << 20)
    process = subprocess.Popen(["node", str(REFERENCE), str(folder), most], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        with Theirs(f"http://127.0.0.1:{int(process.stdout.readline())}/media/uploads") as theirs:
            yield theirs
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def listed(found: set[tuple[str, str, str, str]]) -> set[tuple[str, str, str, str]]:
    """The table of differences of the page: request, what, theirs, ours; each with a reason. `*`: wherever it is found."""
    text = (ROOT / "docs" / "formats" / "uploads.md").read_text(encoding="utf-8")
    rows = re.search(r"\| request \| what \| @tus/server \| here \| why \|\n\|[ |-]+\n((?:\|.*\n)+)", text)
    assert rows is not None, "the page has no table of differences"
    expected: set[tuple[str, str, str, str]] = set()
    for line in rows[1].splitlines():
        requests, what, theirs, ours, why = (cell.strip() for cell in line.strip("|").split(" | "))
        assert why, f"no reason: {line}"
        said = (what, theirs.strip("`"), ours.strip("`"))
        names = sorted(row[0] for row in found if row[1:] == said) if requests == "*" else requests.split("; ")
        expected |= {(name, *said) for name in names}
    return expected


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    return {
        (request, what, theirs[request].get(what, "-"), ours[request].get(what, "-"))
        for request in theirs
        for what in ("status", *WATCHED)
        if theirs[request].get(what) != ours[request].get(what)
    }


def test_every_difference_from_the_reference_server_is_listed(
    reference: Theirs, installation: Installation, tmp_path: Path
) -> None:
    with served(installation, tmp_path / "log") as server:
        theirs = {name: looked_at(answer) for name, answer in requests(reference)}
        with Ours(server.address, installation) as client:
            ours = {name: looked_at(answer) for name, answer in requests(client)}
    assert set(theirs) == set(ours)
    found = differences(theirs, ours)
    assert sorted(found - listed(found)) == []
    assert sorted(listed(found) - found) == []
