"""The media lane: a package's parts over HTTP, in front of Flask and without a database.

`GET|HEAD /p/<package>/<sha256>` with a pass (cookie `eduhub_pass`, or `Authorization: EduHub-Pass
<token>` from a node). What is named by its hash never changes, so answers are `immutable`, the ETag is
the hash, and one range is served as asked (RFC 9110). The file goes out through `wsgi.file_wrapper`,
which gunicorn turns into sendfile: it honours the file's position and Content-Length.

Which parts a pass may read, and their types, come from the manifest, which lies in the package's own
folder under the package's id. Every path that does not begin with /p/ is handed on.

This module must not know accounts, lessons or the database. See docs/formats/passes.md.
"""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from io import BufferedReader
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from eduhub import logs
from eduhub.delivery import package, passes
from eduhub.errors import BadFormat, EduHubError, NotFound, PassRefused

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logs.logger(__name__)

COOKIE = "eduhub_pass"
SCHEME = "EduHub-Pass "
_PREFIX = "/p/"
_PATH = re.compile(r"/p/([0-9a-f]{64})/([0-9a-f]{64})")
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,40})-([0-9]{0,40})[ \t]*", re.IGNORECASE)
_BLOCK_BYTES = 64 << 10
_REMEMBERED_PACKAGES = 256
_CACHING = "private, max-age=31536000, immutable"
# Types that no browser runs. Everything else that a teacher attached is only ever saved.
_SHOWN = re.compile(r"(video|audio)/.*|image/(webp|avif|png|jpeg|gif)|text/(vtt|plain)|application/(json|vnd\.apple\.mpegurl)")
_NODE_AND_TEACHER = "teacher"


class _Steady(Protocol):
    def now_s(self) -> float: ...


class Readable(NamedTuple):
    """What the lane needs to know of one file of a package."""

    type: str
    audience: str
    attachment: bool


class Span(NamedTuple):
    """Bytes `start` to `start + length - 1` of a file."""

    start: int
    length: int


class Unsatisfiable(Exception):
    """The range lies behind the end of the file."""


class MediaLane:
    """WSGI middleware that answers /p/ and hands everything else to `app`."""

    def __init__(self, app: "WSGIApplication", *, packages_dir: Path, secret: bytes, steady: _Steady) -> None:
        self._app, self._packages, self._secret, self._steady = app, packages_dir, secret, steady
        # A manifest never changes: it is named by its hash.
        self._manifest = lru_cache(maxsize=_REMEMBERED_PACKAGES)(self._read_manifest)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith(_PREFIX):
            return self._app(environ, start_response)
        try:
            return self._serve(environ, start_response)
        except EduHubError as error:
            return _refuse(environ, start_response, error.status, error.code)

    def _serve(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _refuse(environ, start_response, 405, NotFound.code, [("Allow", "GET, HEAD")])
        path = _PATH.fullmatch(environ["PATH_INFO"])
        if path is None:
            raise NotFound
        package_id, sha256 = path[1], path[2]
        # The pass first: without one, nobody learns what is here.
        found = self._pass(environ, package_id)
        readable = self._manifest(package_id).get(sha256)
        if readable is None:
            raise NotFound
        if not found.may_read(readable.audience):
            raise PassRefused
        file = _open(self._packages / package_id / sha256)
        try:
            return _answer(environ, start_response, file, sha256, readable)
        except BaseException:
            file.close()
            raise

    def _pass(self, environ: "WSGIEnvironment", package_id: str) -> passes.Pass:
        now_s = self._steady.now_s()
        for token in _tokens(environ):
            try:
                return passes.check(self._secret, token, package_id, now_s)
            except PassRefused:
                continue  # a browser may send a cookie of another time beside the good one
        raise PassRefused

    def _read_manifest(self, package_id: str) -> Mapping[str, Readable]:
        with _open(self._packages / package_id / package_id) as file:
            payload = file.read(package.MAX_MANIFEST_BYTES + 1)
        if package.id_of(payload) != package_id:
            raise BadFormat(f"the manifest of {package_id} was changed on disk")
        return readable_files(payload)


def readable_files(manifest_bytes: bytes) -> dict[str, Readable]:
    """Every file of a package by its hash: parts, their piece lists, the manifest. Raises BadFormat.

    Where two parts share their bytes, the one that fewer people may read decides.
    """
    found: dict[str, Readable] = {}
    for part in sorted(package.Manifest.from_bytes(manifest_bytes).parts, key=lambda part: _narrowness(part.audience)):
        found[part.sha256] = Readable(part.type, part.audience, not _SHOWN.fullmatch(part.type.split(";")[0]))
        if part.pieces:
            found[part.pieces] = Readable("application/octet-stream", part.audience, True)
    found[package.id_of(manifest_bytes)] = Readable("application/json", _NODE_AND_TEACHER, False)
    return found


def parse_range(header: str | None, size: int) -> Span | None:
    """The one range that is asked for; None means the whole file. Raises Unsatisfiable.

    More than one range, another unit or a malformed header is answered with the whole, as RFC 9110 allows.
    """
    found = _RANGE.fullmatch(header) if header else None
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:  # the last n bytes
        length = min(int(found[2]), size)
        if length == 0:
            raise Unsatisfiable
        return Span(size - length, length)
    first, last = int(found[1]), min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return Span(first, last - first + 1)


def pass_cookie(package_id: str, token: str, *, max_age_s: int, secure: bool) -> str:
    """The value of a Set-Cookie header that gives a browser a pass for one package."""
    flags = "; Secure" if secure else ""
    return f"{COOKIE}={token}; Max-Age={max_age_s}; Path={_PREFIX}{package_id}/; HttpOnly; SameSite=Strict{flags}"


def _tokens(environ: "WSGIEnvironment") -> Iterator[str]:
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if authorization.startswith(SCHEME):
        yield authorization[len(SCHEME) :].strip()
    for pair in environ.get("HTTP_COOKIE", "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            yield value


def _narrowness(audience: str) -> int:
    return {"open": 0, "learner": 1, "teacher": 2}.get(audience, 3)


def _open(path: Path) -> BufferedReader:
    try:
        file = open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP}:  # not here, or a symbolic link, which we never make
            raise NotFound from error
        log.error("part unreadable", package=path.parent.name, sha256=path.name, errno=error.errno)
        raise EduHubError("a part cannot be read") from error  # a broken disk must not look like a lost link
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotFound
    return file


def _answer(
    environ: "WSGIEnvironment", start_response: "StartResponse", file: BufferedReader, sha256: str, readable: Readable
) -> Iterable[bytes]:
    size, etag = os.fstat(file.fileno()).st_size, f'"{sha256}"'
    lasting = [
        ("ETag", etag), ("Cache-Control", _CACHING), ("Accept-Ranges", "bytes"), ("X-Content-Type-Options", "nosniff"),
    ]  # fmt: skip
    if _is_known(environ.get("HTTP_IF_NONE_MATCH"), etag):
        file.close()
        start_response(_status(304), lasting)
        return []
    is_get = environ["REQUEST_METHOD"] == "GET"
    asked = environ.get("HTTP_RANGE") if is_get and environ.get("HTTP_IF_RANGE", etag).strip() == etag else None
    try:
        span = parse_range(asked, size)
    except Unsatisfiable:
        file.close()
        return _refuse(environ, start_response, 416, "delivery.no_such_range", [("Content-Range", f"bytes */{size}")])
    headers = [*lasting, ("Content-Type", readable.type)]
    if readable.attachment:
        headers += [("Content-Disposition", "attachment"), ("Content-Security-Policy", "sandbox; default-src 'none'")]
    if span is None:
        span, status = Span(0, size), 200
    else:
        status = 206
        headers.append(("Content-Range", f"bytes {span.start}-{span.start + span.length - 1}/{size}"))
    start_response(_status(status), [*headers, ("Content-Length", str(span.length))])
    if not is_get:
        file.close()
        return []
    body = _FileSpan(file, span)
    wrapper: Callable[[_FileSpan, int], Iterable[bytes]] | None = environ.get("wsgi.file_wrapper")
    return wrapper(body, _BLOCK_BYTES) if wrapper else body


class _FileSpan:
    """A part of a file that every server reads right: gunicorn by `fileno`, others by `read`."""

    def __init__(self, file: BufferedReader, span: Span) -> None:
        self._file, self._left = file, span.length
        os.lseek(file.fileno(), span.start, os.SEEK_SET)  # gunicorn asks the descriptor where to begin

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(found)
        return found

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        while found := self.read(_BLOCK_BYTES):
            yield found


def _is_known(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    named = [text.strip().removeprefix("W/") for text in if_none_match.split(",")]
    return etag in named or named == ["*"]


def _status(number: int) -> str:
    return f"{number} {HTTPStatus(number).phrase}"


def _refuse(
    environ: "WSGIEnvironment", start_response: "StartResponse", status: int, code: str,
    headers: list[tuple[str, str]] | None = None,
) -> Iterable[bytes]:  # fmt: skip
    """A small JSON answer that no cache keeps."""
    body = dumps({"code": code}).encode("ascii")
    start_response(_status(status), [
        ("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"), *(headers or []),
    ])  # fmt: skip
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
