"""Node: blobs as ranges to ask for, and what comes of them: files in work/, then blobs, then parts that are shown.

A receiver (`transfer.Receiver`) of what any carrier brings: connections, or a courier's folder. Blobs come in the order in
which they are wanted, several at once; a piece list is asked for one blob ahead of the blob it belongs to.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from eduhub import changes, clock, logs
from eduhub.delivery import holding
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import MAX_MANIFEST_BYTES, PIECE_BYTES, piece_count
from eduhub.errors import EduHubError, HashMismatch, NodeRefused, NotFound, PassRefused
from eduhub.installation import Installation
from eduhub.sync import reporting
from eduhub.sync.connection import Range
from eduhub.sync.link import refusal
from eduhub.sync.models import FetchState
from eduhub.sync.partial import PartFile
from eduhub.sync.wanted import Want

log = logs.logger(__name__)


class Manifests:
    """Receives whole small files of which no size is known: the manifests of packages, by id."""

    def __init__(self, passes: dict[str, str]) -> None:
        self._waiting = [Range(f"/p/{name}/{name}", token, 0, MAX_MANIFEST_BYTES) for name, token in passes.items()]
        self._coming: dict[str, bytearray] = {}
        self.found: dict[str, bytes] = {}

    def more(self) -> Range | None:
        """The next to ask for."""
        return self._waiting.pop(0) if self._waiting else None

    def take(self, asked: Range, at: int, payload: bytes) -> None:
        """Bytes of one."""
        self._coming.setdefault(asked.path, bytearray())[at:] = payload

    def refuse(self, asked: Range, status: int, body: bytes) -> None:
        """One that cannot be had; the next round asks again."""
        error = refusal(status, body)
        if isinstance(error, NodeRefused):
            raise error
        log.warning("a manifest could not be had", package=asked.path[-64:], error_code=error.code)

    def whole(self, asked: Range) -> None:
        """One that is here."""
        self.found[asked.path[-64:]] = bytes(self._coming.pop(asked.path, b""))


@dataclass
class _Blob:
    """One blob on its way."""

    sha256: str
    bytes: int
    token: str
    packages: list[str]  # in which it is a part
    pieces: str | None = None  # the blob that lists its pieces
    part: PartFile | None = None
    asked: set[int] = field(default_factory=set)  # pieces that are under way

    @property
    def path(self) -> str:
        return f"/p/{self.packages[0]}/{self.sha256}"


class Blobs:
    """Receives the parts of packages. Use it as a context manager: leaving it keeps what came, whatever happened."""

    def __init__(
        self, installation: Installation, passes: dict[str, str], wants: Iterable[Want], on_bytes: Callable[[int], None]
    ) -> None:
        self._installation, self._on_bytes = installation, on_bytes
        self._work: Path = installation.settings.data_dir / "work"
        self._blobs = _in_order(passes, wants)  # the first is wanted first
        self._by_path: dict[str, _Blob] = {}
        self.parts = self.bad_pieces = 0

    def __enter__(self) -> "Blobs":
        return self

    def __exit__(self, *_exception: object) -> None:
        for blob in list(self._by_path.values()):
            self._close(blob, is_done=False)

    def more(self) -> Range | None:
        """The next piece to ask for. Raises DiskFull."""
        for blob in list(self._blobs.values()):
            try:
                if blob.part is None and not self._begin(blob):
                    continue
                wanted = self._next_piece(blob)
            except HashMismatch as error:
                self._give_up(blob, error)
                continue
            if wanted is not None:
                return wanted
        return None

    def take(self, asked: Range, at: int, payload: bytes) -> None:
        """Bytes of a piece. Raises DiskFull."""
        self._on_bytes(len(payload))
        blob = self._by_path.get(asked.path)
        if blob is None or blob.part is None:
            return  # given up meanwhile
        try:
            blob.part.write(at, payload)
        except HashMismatch as error:
            self._give_up(blob, error)

    def refuse(self, asked: Range, status: int, body: bytes) -> None:
        """A blob that the hub does not give. Raises NodeRefused."""
        error = refusal(status, body)
        if not isinstance(error, NotFound | PassRefused):
            raise error
        if asked.path in self._by_path:
            self._give_up(self._by_path[asked.path], error)

    def whole(self, asked: Range) -> None:
        """A piece has come to its end."""
        blob = self._by_path.get(asked.path)
        if blob is None or blob.part is None:
            return
        blob.asked.discard((asked.end - 1) // PIECE_BYTES)
        if blob.part.is_whole():
            self._finish(blob)

    def _begin(self, blob: _Blob) -> bool:
        """Open its file; False when there is nothing to fetch."""
        if self._installation.blobs.has(blob.sha256):
            self._reveal(blob)
            del self._blobs[blob.sha256]
            return False
        blob.part = PartFile(self._work, blob.sha256, blob.bytes)
        blob.part.__enter__()
        self._by_path[blob.path] = blob
        if blob.pieces is None:
            blob.part.check_by(None)
        elif self._installation.blobs.has(blob.pieces):
            blob.part.check_by(self._listed(blob.pieces))
        if blob.part.is_whole():  # everything came before a kill
            self._finish(blob)
            return False
        return True

    def _listed(self, pieces: str) -> bytes:
        with self._installation.blobs.open(pieces) as file:
            return file.read()

    def _next_piece(self, blob: _Blob) -> Range | None:
        assert blob.part is not None
        if not blob.part.can_go_on():
            return None
        for first, end in blob.part.missing():
            number = first // PIECE_BYTES
            if number not in blob.asked:
                blob.asked.add(number)
                return Range(blob.path, blob.token, first, end)
        return None

    def _finish(self, blob: _Blob) -> None:
        """Into the store, then revealed."""
        self._close(blob, is_done=True)
        assert blob.part is not None
        try:
            self._installation.blobs.put_file(blob.part.path, expect=blob.sha256)
        except HashMismatch as error:
            # Every piece fits and the whole does not: the list itself is wrong.
            blob.part.path.unlink(missing_ok=True)
            log.warning("a blob could not be had", part=blob.sha256, error_code=error.code)
            return
        self.parts += 1
        self._reveal(blob)
        for other in list(self._by_path.values()):
            if other.pieces == blob.sha256 and other.part is not None:
                try:
                    other.part.check_by(self._listed(blob.sha256))
                except HashMismatch as error:
                    self._give_up(other, error)
                    continue
                if other.part.is_whole():
                    self._finish(other)

    def _reveal(self, blob: _Blob) -> None:
        installation = self._installation
        with changes.writing(installation.database) as session:  # it may report that the package is here
            state = session.get(FetchState, blob.sha256)
            if state is not None:
                session.delete(state)
            for package_id in blob.packages:
                was_whole = session.get_one(PackageRow, package_id).floor_held
                holding.part_arrived(session, installation.blobs, package_id, blob.sha256)
                if not was_whole and session.get_one(PackageRow, package_id).floor_held:
                    reporting.note(session, installation, "arrived", package_id=package_id)

    def _give_up(self, blob: _Blob, error: EduHubError) -> None:
        """For this round: the others go on, and the next round asks again."""
        log.warning("a part could not be had", package=blob.packages[0], part=blob.sha256, error_code=error.code)
        self._close(blob, is_done=isinstance(error, HashMismatch))
        if isinstance(error, HashMismatch) and blob.part is not None:
            blob.part.path.unlink(missing_ok=True)

    def _close(self, blob: _Blob, *, is_done: bool) -> None:
        self._blobs.pop(blob.sha256, None)
        self._by_path.pop(blob.path, None)
        if blob.part is None:
            return
        blob.part.__exit__()
        self.bad_pieces += blob.part.bad_pieces
        if not is_done:
            self._note(blob.part)

    def _note(self, part: PartFile) -> None:
        """Write down how far a blob is, for the page that shows it; the file alone decides where to go on."""
        with self._installation.database.write() as session:
            state = session.get(FetchState, part.sha256)
            if state is None:
                state = FetchState(sha256=part.sha256, bad_pieces=0, made_ms=clock.now_ms())
                session.add(state)
            state.bytes, state.verified_pieces = part.held(), 0
            state.bad_pieces += part.bad_pieces


def _in_order(passes: dict[str, str], wants: Iterable[Want]) -> dict[str, _Blob]:
    """By hash, in the order of fetching: each piece list one blob before the blob that it belongs to."""
    found: dict[str, _Blob] = {}
    behind: _Blob | None = None
    for want in wants:
        token = passes[want.package_id]
        if want.sha256 in found or (behind is not None and behind.sha256 == want.sha256):
            known = found.get(want.sha256) or behind
            assert known is not None
            known.packages.append(want.package_id)
            continue
        if want.pieces and want.pieces not in found:
            found[want.pieces] = _Blob(want.pieces, 32 * piece_count(want.bytes), token, [want.package_id])
        elif want.pieces:
            found[want.pieces].packages.append(want.package_id)
        if behind is not None:
            found[behind.sha256] = behind
        behind = _Blob(want.sha256, want.bytes, token, [want.package_id], want.pieces)
    if behind is not None:
        found[behind.sha256] = behind
    return found
