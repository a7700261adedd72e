"""The media lane: a package's parts over HTTP, in front of Flask and without a database.

`GET|HEAD /p/<package>/<sha256>` with a pass (cookie `eduhub_pass`, or `Authorization: EduHub-Pass
<token>` from a node). What is named by its hash never changes, so answers are `immutable`, the ETag is
the hash, and one range is served as asked (RFC 9110). The file goes out through `wsgi.file_wrapper`,
which gunicorn turns into sendfile: it honours the file's position and Content-Length.

Which parts a pass may read, and their types, come from the manifest, which lies in the package's own
folder under the package's id. Every path that does not begin with /p/ is handed on.

Where nginx stands in front it sends the plain answers itself and asks here, at /_lane/check, once for each pass
and part: 204 with the type, and for how long that may be remembered; or 403. What is not a plain answer it hands on.

This module must not know accounts, lessons or the database. See docs/formats/passes.md.
"""

import contextlib
import errno
import os
import re
import socket
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from io import BufferedReader
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from eduhub import logs
from eduhub.delivery import asked, front, pacing, package, passes, release
from eduhub.delivery.lending import Lending, LentFile
from eduhub.errors import BadFormat, EduHubError, NotFound, PassRefused

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logs.logger(__name__)

COOKIE = "eduhub_pass"
CHECK_PATH = "/_lane/check"
REMEMBERED_S = 60  # how long nginx may go by an answer; a pass that was ended by hand lives on for so long
_PREFIX = "/p/"
_PATH = re.compile(r"/p/([0-9a-f]{64})/([0-9a-f]{64})")
# The same for a teacher's preview: not kept by any browser, and as slow as the line that the address names (0: no slower).
PREVIEW_COOKIE = "eduhub_preview"
_PREVIEW_PREFIX = "/preview/"
_PREVIEW_PATH = re.compile(r"/preview/(0|64|128|512)/([0-9a-f]{64})/([0-9a-f]{64})")
LINES_FILE = "lines"
_BLOCK_BYTES = 64 << 10
_REMEMBERED_PACKAGES = 256
CACHING = "private, max-age=31536000, immutable"
ATTACHED = {"Content-Disposition": "attachment", "Content-Security-Policy": "sandbox; default-src 'none'"}
# A reader that takes no byte for so long is gone. One that is only slow takes some now and then.
_GONE_MS = 180_000
# Types that no browser runs. Everything else that a teacher attached is only ever saved.
_SHOWN = re.compile(r"(video|audio)/.*|image/(webp|avif|png|jpeg|gif)|text/(vtt|plain)|application/(json|vnd\.apple\.mpegurl)")
_NODE_AND_TEACHER = "teacher"
_OF_BOXES = "node"
_LOW_EFFORT = 0x20  # DSCP CS1: networks that know it, air above all, let everything else go first
_NODE = "node"  # of nobody's pass but a box's


class _Steady(Protocol):
    def now_s(self) -> float: ...


class Readable(NamedTuple):
    """What the lane needs to know of one file of a package."""

    type: str
    audience: str
    attachment: bool


class MediaLane:
    """WSGI middleware that answers /p/ and hands everything else to `app`."""

    def __init__(
        self, app: "WSGIApplication", *, packages_dir: Path, secret: bytes, steady: _Steady, run_dir: Path | None = None,
        lending: Lending | None = None,
    ) -> None:  # fmt: skip
        """`run_dir`: where the narrow lines of previews are kept; None: there are no previews.

        `lending`: how other boxes are served; None: as everybody is.
        """
        self._lending = lending
        self._lines = None if run_dir is None else run_dir / LINES_FILE
        self._app, self._folder, self._secret, self._steady = app, packages_dir, secret, steady
        # A manifest never changes: it is named by its hash.
        self._manifest = lru_cache(maxsize=_REMEMBERED_PACKAGES)(self._read_manifest)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == CHECK_PATH and front.is_ours(environ):
            return self._check(environ, start_response)
        is_preview = path.startswith(_PREVIEW_PREFIX) and self._lines is not None
        if not is_preview and not path.startswith(_PREFIX):
            return self._app(environ, start_response)
        try:
            return self._preview(environ, start_response) if is_preview else self._serve(environ, start_response)
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
        found = self._pass(_tokens(environ), package_id, self._steady.now_s())
        readable = self._readable(found, package_id, sha256)
        file = _open(self._folder / package_id / sha256)
        line = None
        if self._lending is not None and found.audience == _OF_BOXES:
            give_back = self._lending.begin()
            if give_back is None:
                file.close()
                return _refuse(environ, start_response, 503, "delivery.others_come_first", [("Retry-After", "2")])
            file, line = LentFile(file.detach(), give_back), self._lending.line()
            _let_others_pass(environ.get("gunicorn.socket"))
        try:
            return _answer(environ, start_response, file, sha256, readable, line=line)
        except BaseException:
            file.close()
            raise

    def _preview(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """A part as it comes through a line of so many kbit a second. Its pass has a cookie of its own."""
        path = _PREVIEW_PATH.fullmatch(environ["PATH_INFO"])
        if path is None or environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            raise NotFound
        kbit_s, package_id, sha256 = int(path[1]), path[2], path[3]
        tokens = list(_tokens(environ, PREVIEW_COOKIE))
        found = self._pass(tokens, package_id, self._steady.now_s())
        readable = self._readable(found, package_id, sha256)
        file = _open(self._folder / package_id / sha256)
        assert self._lines is not None
        line = pacing.Line(self._lines, f"{kbit_s} {found.person_uid} {package_id}", kbit_s) if kbit_s else None
        try:
            return _answer(environ, start_response, file, sha256, readable, _Preview(line))
        except BaseException:
            file.close()
            raise

    def _check(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Whether nginx may send this part to the bearer of this one pass, as what, and for how many seconds."""
        try:
            path = _PATH.fullmatch(environ.get("HTTP_X_EDUHUB_PART", ""))
            if path is None:
                raise NotFound
            now_s = self._steady.now_s()
            found = self._pass([environ.get("HTTP_X_EDUHUB_PASS", "")], path[1], now_s)
            readable = self._readable(found, path[1], path[2])
            if self._lending is not None and found.audience == _OF_BOXES:
                raise PassRefused  # it is served here: nginx does not count together with us
            _open(self._folder / path[1] / path[2]).close()  # nginx does not see whether it is a symbolic link
        except EduHubError:
            return _refuse(environ, start_response, 403, PassRefused.code, [("X-Accel-Expires", "0")])
        lasts_s = min(REMEMBERED_S, int(found.expires_steady_s - now_s))
        headers = [("X-Accel-Expires", str(lasts_s)), ("X-Part-Type", readable.type)]
        if readable.attachment:
            headers += [("X-Part-Disposition", ATTACHED["Content-Disposition"]), ("X-Part-Policy", ATTACHED["Content-Security-Policy"])]
        start_response(_status(204), headers)
        return []

    def _pass(self, tokens: Iterable[str], package_id: str, now_s: float) -> passes.Pass:
        for token in tokens:
            try:
                return passes.check(self._secret, token, package_id, now_s)
            except PassRefused:
                continue  # a browser may send a cookie of another time beside the good one
        raise PassRefused

    def _readable(self, found: passes.Pass, package_id: str, sha256: str) -> "Readable":
        readable = self._manifest(package_id).get(sha256)
        if readable is None:
            raise NotFound
        if not found.may_read(readable.audience):
            raise PassRefused
        return readable

    def _read_manifest(self, package_id: str) -> Mapping[str, Readable]:
        with _open(self._folder / package_id / package_id) as file:
            payload = file.read(package.MAX_MANIFEST_BYTES + 1)
        if package.id_of(payload) != package_id:
            raise BadFormat(f"the manifest of {package_id} was changed on disk")
        return readable_files(payload)


def readable_files(manifest_bytes: bytes) -> dict[str, Readable]:
    """Every file of a package by its hash: parts, their piece lists, the manifest. Raises BadFormat.

    Where two parts share their bytes, the one that fewer people may read decides.
    """
    found: dict[str, Readable] = {}
    try:
        parts = package.Manifest.from_bytes(manifest_bytes).parts
    except BadFormat:
        return _release_files(manifest_bytes)
    for part in sorted(parts, key=lambda part: _narrowness(part.audience)):
        found[part.sha256] = Readable(part.type, part.audience, not _SHOWN.fullmatch(part.type.split(";")[0]))
        if part.pieces:
            found[part.pieces] = Readable("application/octet-stream", part.audience, True)
    found[package.id_of(manifest_bytes)] = Readable("application/json", _NODE_AND_TEACHER, False)
    return found


def _release_files(manifest_bytes: bytes) -> dict[str, Readable]:
    """The program travels in the same lane, for boxes only: no browser has a pass that opens it."""
    names = release.Release.from_bytes(manifest_bytes).blobs() | {release.id_of(manifest_bytes)}
    return {name: Readable("application/octet-stream", _NODE, True) for name in names}


def pass_cookie(package_id: str, token: str, *, max_age_s: int, secure: bool) -> str:
    """The value of a Set-Cookie header that gives a browser a pass for one package."""
    flags = "; Secure" if secure else ""
    return f"{COOKIE}={token}; Max-Age={max_age_s}; Path={_PREFIX}{package_id}/; HttpOnly; SameSite=Strict{flags}"


def preview_cookie(package_id: str, kbit_s: int, token: str, *, max_age_s: int, secure: bool) -> str:
    """The same for a preview over a line of so many kbit a second (0: as fast as it comes)."""
    flags = "; Secure" if secure else ""
    path = preview_base(package_id, kbit_s)
    return f"{PREVIEW_COOKIE}={token}; Max-Age={max_age_s}; Path={path}; HttpOnly; SameSite=Strict{flags}"


def preview_base(package_id: str, kbit_s: int) -> str:
    """Where the parts of a package lie for a preview."""
    return f"{_PREVIEW_PREFIX}{kbit_s}/{package_id}/"


def _tokens(environ: "WSGIEnvironment", cookie: str = COOKIE) -> Iterator[str]:
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if authorization.startswith(asked.SCHEME):
        yield authorization[len(asked.SCHEME) :].strip()
    for pair in environ.get("HTTP_COOKIE", "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == cookie:
            yield value


def _narrowness(audience: str) -> int:
    return {"open": 0, "learner": 1, "teacher": 2}.get(audience, 3)


def _open(path: Path) -> BufferedReader:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP}:  # not here, or a symbolic link, which we never make
            raise NotFound from error
        log.error("part unreadable", package=path.parent.name, sha256=path.name, errno=error.errno)
        raise EduHubError("a part cannot be read") from error  # a broken disk must not look like a lost link
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotFound
    return open(descriptor, "rb")


class _Preview(NamedTuple):
    """How an answer of a preview leaves: over a narrow line, or as fast as it can."""

    line: pacing.Line | None


def _answer(
    environ: "WSGIEnvironment", start_response: "StartResponse", file: BufferedReader, sha256: str, readable: Readable,
    preview: _Preview | None = None, line: pacing.Line | None = None,
) -> Iterable[bytes]:  # fmt: skip
    size, etag = os.fstat(file.fileno()).st_size, f'"{sha256}"'
    lasting = [("ETag", etag), ("Cache-Control", CACHING), ("X-Content-Type-Options", "nosniff")]
    if preview is not None:  # what a browser kept would come at once; and nothing in front may take it faster than it comes
        lasting[1:2] = [("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")]
    if not asked.is_wanted(environ.get("HTTP_IF_MATCH"), etag):
        file.close()
        return _refuse(environ, start_response, 412, "delivery.other_bytes")
    if asked.is_known(environ.get("HTTP_IF_NONE_MATCH"), etag):
        file.close()
        start_response(_status(304), lasting)
        return []
    is_get = environ["REQUEST_METHOD"] == "GET"
    wanted = environ.get("HTTP_RANGE") if is_get and environ.get("HTTP_IF_RANGE", etag).strip() == etag else None
    try:
        span = asked.parse_range(wanted, size)
    except asked.Unsatisfiable:
        file.close()
        return _refuse(environ, start_response, 416, "delivery.no_such_range", [("Content-Range", f"bytes */{size}")])
    is_terse = preview is None and asked.is_terse(environ.get("HTTP_PREFER"), environ.get("HTTP_AUTHORIZATION"))
    headers = [*([] if is_terse else lasting), ("Content-Type", readable.type)]
    if readable.attachment:
        headers += ATTACHED.items()
    if span is None:
        span, status = asked.Span(0, size), 200
        headers.append(("Accept-Ranges", "bytes"))
    else:
        status = 206
        headers.append(("Content-Range", f"bytes {span.start}-{span.start + span.length - 1}/{size}"))
    narrow = (preview.line if preview is not None else line) if is_get else None
    if narrow is not None and not pacing.begin():
        file.close()
        return _refuse(environ, start_response, 503, "delivery.lines_are_busy", [("Retry-After", "5")])
    start_response(_status(status), [*headers, ("Content-Length", str(span.length))])
    if not is_get:
        file.close()
        return []
    cut_when_gone(environ.get("gunicorn.socket"))
    body = _FileSpan(file, span)
    if narrow is not None:
        return pacing.Answer(narrow, body.read, body.close)
    wrapper: Callable[[_FileSpan, int], Iterable[bytes]] | None = environ.get("wsgi.file_wrapper")
    return wrapper(body, _BLOCK_BYTES) if wrapper else body


class _FileSpan:
    """A part of a file that every server reads right: gunicorn by `fileno`, others by `read`."""

    def __init__(self, file: BufferedReader, span: asked.Span) -> None:
        self._file, self._left = file, span.length
        os.lseek(file.fileno(), span.start, os.SEEK_SET)  # gunicorn asks the descriptor where to begin

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(found)
        return found

    def seek(self, offset: int) -> None:
        """Where the kernel sent nothing (the reader is gone already), Python goes on by itself, and begins with this."""
        self._file.seek(offset)

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        while found := self.read(_BLOCK_BYTES):
            yield found


def cut_when_gone(connection: socket.socket | None) -> None:
    """Let the kernel end a connection whose reader takes nothing more, so that no thread waits for it for ever."""
    if connection is not None and connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE_MS)


def _let_others_pass(connection: socket.socket | None) -> None:
    if connection is not None and connection.family == socket.AF_INET:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _LOW_EFFORT)


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
