"""Node: blobs as ranges to ask for, and what comes of them: files in work/, then blobs, then parts that are shown.

A receiver (`carrier.Receiver`) of what any carrier brings: connections, or a courier's folder. Blobs come in the order in
which they are wanted, several at once; a piece list is asked for one blob ahead of the blob it belongs to.

What is wrong with one blob is its own fault: it is left for the next round, and the others go on.
This module must not know how bytes travel (`transfer`), nor why a blob is wanted (`wanted`).
"""

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import delete, select

from eduhub import changes, clock, logs
from eduhub.delivery import holding
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import PIECE_BYTES, piece_count
from eduhub.errors import DiskFull, EduHubError, HashMismatch
from eduhub.installation import Installation
from eduhub.sync.fetching.connection import Range
from eduhub.sync.fetching.partial import GRAIN_BYTES, MAX_TRIES, PartFile
from eduhub.sync.fetching.refusals import Refusals
from eduhub.sync.fetching.wanted import Want
from eduhub.sync.homeward import reporting
from eduhub.sync.models import FetchState

log = logs.logger(__name__)

SHARED_BY = 12  # ranges that are under way at the same time, on a link that is long


@dataclass
class _Blob:
    """One blob on its way."""

    sha256: str
    bytes: int
    token: str
    packages: list[str]  # in which it is a part
    pieces: str | None = None  # the blob that lists its pieces
    part: PartFile | None = None
    under_way: list[Range] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/p/{self.packages[0]}/{self.sha256}"


class Blobs:
    """Receives the parts of packages. Use it as a context manager: leaving it keeps what came, whatever happened.

    `on_bytes` is told for which package they came, and how many; with 0, for none, that we are at it still: it may raise.
    `may_go_on` says whether to begin more.
    """

    def __init__(
        self, installation: Installation, passes: dict[str, str], wants: Iterable[Want], on_bytes: Callable[[str, int], None],
        may_go_on: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._installation, self._on_bytes, self._may_go_on = installation, on_bytes, may_go_on
        self._work: Path = installation.settings.data_dir / "work"
        waits = self._waits()
        # The first is wanted first.
        self._blobs = {name: blob for name, blob in _in_order(passes, wants).items() if name not in waits}
        self._by_path: dict[str, _Blob] = {}
        self._refusals = Refusals()
        self._was_stopped = False
        self._under_way: set[Range] = set()
        self.parts = self.bad_pieces = 0
        self.disk_full = False  # for one of them at the least
        self.range_bytes = PIECE_BYTES  # asked for at once; on a quick network each question costs more than a lost range
        # Of an upstream that may lie nothing stays but what a hash proves, and no blob is blamed for what it sends.
        self.is_wary = False

    def __enter__(self) -> "Blobs":
        return self

    def __exit__(self, *_exception: object) -> None:
        begun = [blob.part for blob in self._by_path.values() if blob.part is not None]
        self.bad_pieces += sum(part.bad_pieces for part in begun)
        with contextlib.ExitStack() as all_of_them:
            for part in begun:
                if self.is_wary:
                    part.forget_unproved()
                all_of_them.push(part)
        with contextlib.suppress(DiskFull):
            self._note(begun)

    @property
    def wrong(self) -> int:
        """Pieces that came wrong as yet, also of blobs that are under way."""
        return self.bad_pieces + sum(blob.part.bad_pieces for blob in self._by_path.values() if blob.part is not None)

    @property
    def has_more(self) -> bool:
        """Whether something is left only because its time was over."""
        return self._was_stopped and bool(self._blobs)

    @property
    def under_way(self) -> int:
        """Bytes that were asked for and have not come."""
        return sum(asked.end - asked.position for asked in self._under_way)

    def turn(self) -> None:
        """Ask whether to go on at all."""
        self._on_bytes("", 0)

    def more(self) -> Range | None:
        """The next piece, or some grains of one, to ask for."""
        if not self._may_go_on():
            self._was_stopped = True
            return None
        for blob in list(self._blobs.values()):
            try:
                if blob.part is None and not self._begin(blob):
                    continue
                wanted = self._next_range(blob)
            except HashMismatch as error:
                self._throw_away(blob, error)
                continue
            except DiskFull as error:  # for this one; a smaller one may fit
                self.disk_full = True
                self._give_up(blob, error)
                continue
            if wanted is not None:
                self._under_way.add(wanted)
                return wanted
        return None

    def take(self, asked: Range, at: int, payload: bytes) -> None:
        """Bytes of a piece. Raises DiskFull."""
        blob = self._by_path.get(asked.path)
        self._on_bytes(blob.packages[0] if blob is not None else "", len(payload))
        self._refusals.came()
        if blob is None or blob.part is None:
            return  # given up meanwhile
        try:
            blob.part.write(at, payload)
        except HashMismatch as error:
            self._give_up(blob, error)

    def refuse(self, asked: Range, status: int, body: bytes) -> None:
        """A blob that the hub does not give. Raises NodeRefused, LinkDown."""
        self._under_way.discard(asked)
        error = self._refusals.judge(status, body)
        if asked.path in self._by_path:
            self._give_up(self._by_path[asked.path], error)

    def whole(self, asked: Range) -> None:
        """A piece has come to its end."""
        self._under_way.discard(asked)
        blob = self._by_path.get(asked.path)
        if blob is None or blob.part is None:
            return
        blob.under_way.remove(asked)
        if blob.part.is_whole():
            self._finish(blob)

    def _begin(self, blob: _Blob) -> bool:
        """Open its file; False when there is nothing to fetch."""
        if self._installation.blobs.has(blob.sha256):
            self._reveal(blob)
            del self._blobs[blob.sha256]
            return False
        blob.part = PartFile(self._work, blob.sha256, blob.bytes).open()
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

    def _next_range(self, blob: _Blob) -> Range | None:
        assert blob.part is not None
        if not blob.part.can_go_on():
            return None
        gaps = _without(blob.part.missing(), blob.under_way)
        first, end = next(gaps, (0, 0))
        if first == end:
            return None
        most = first // GRAIN_BYTES * GRAIN_BYTES + self._at_once()
        for follows, until in gaps:
            if follows != end or end >= most:
                break
            end = until
        wanted = Range(blob.path, blob.token, first, min(end, most))
        blob.under_way.append(wanted)
        return wanted

    def _at_once(self) -> int:
        """How much to ask for at once: towards the end less, or most connections would wait for the slowest one's piece."""
        left = 0
        for blob in self._blobs.values():
            held = blob.part.held() if blob.part is not None else 0
            left += blob.bytes - held - sum(asked.end - asked.position for asked in blob.under_way)
            if left >= SHARED_BY * self.range_bytes:
                return self.range_bytes
        return max(GRAIN_BYTES, left // SHARED_BY // GRAIN_BYTES * GRAIN_BYTES)

    def _finish(self, blob: _Blob) -> None:
        """Into the store, then revealed."""
        assert blob.part is not None
        self._close(blob)
        try:
            self._installation.blobs.put_file(blob.part.path, expect=blob.sha256)
        except HashMismatch as error:
            self._throw_away(blob, error)  # every piece fits and the whole does not: the list itself is wrong
            return
        self.parts += 1
        self._reveal(blob)
        for other in list(self._by_path.values()):
            if other.pieces == blob.sha256 and other.part is not None:
                try:
                    other.part.check_by(self._listed(blob.sha256))
                except HashMismatch as error:
                    self._throw_away(other, error)
                    continue
                if other.part.is_whole():
                    self._finish(other)

    def _reveal(self, blob: _Blob) -> None:
        installation = self._installation
        for package_id in dict.fromkeys(blob.packages):
            try:
                with changes.writing(installation.database) as session:
                    session.execute(delete(FetchState).where(FetchState.sha256 == blob.sha256))
                    was_whole = session.get_one(PackageRow, package_id).floor_held
                    holding.part_arrived(session, installation.blobs, package_id, blob.sha256)
                    if not was_whole and session.get_one(PackageRow, package_id).floor_held:
                        reporting.note(session, installation, "arrived", package_id=package_id)
            except HashMismatch as error:  # its manifest gives the blob another size; what others say of it is true
                log.warning("a part is not what its package says", package=package_id, part=blob.sha256, error_code=error.code)

    def _give_up(self, blob: _Blob, error: EduHubError) -> None:
        """For this round; what came of it stays."""
        log.warning("a part could not be had", package=blob.packages[0], part=blob.sha256, error_code=error.code)
        self._close(blob)
        if blob.part is not None:
            self._note([blob.part])

    def _throw_away(self, blob: _Blob, error: HashMismatch) -> None:
        """All of it is wrong, and nobody knows where: it begins anew, and each time it is longer until then."""
        if blob.part is not None:
            blob.part.forget()
        self._give_up(blob, error)

    def _close(self, blob: _Blob) -> None:
        self._blobs.pop(blob.sha256, None)
        if self._by_path.pop(blob.path, None) is not None and blob.part is not None:
            if self.is_wary:
                blob.part.forget_unproved()
            blob.part.close()
            self.bad_pieces += blob.part.bad_pieces

    def _note(self, parts: Iterable[PartFile]) -> None:
        """Write down how far blobs are, and how often they came wrong; the files alone decide where to go on."""
        with self._installation.database.write() as session:
            for part in parts:
                state = session.get(FetchState, part.sha256)
                if state is None:
                    state = FetchState(sha256=part.sha256, bad_pieces=0, made_ms=clock.now_ms())
                    session.add(state)
                state.bytes, state.verified_pieces = part.held(), 0
                state.bad_pieces += 0 if self.is_wary else part.bad_pieces

    def _waits(self) -> set[str]:
        """Blobs that came wrong so often that this round leaves them alone: the more often, the more rounds."""
        often = select(FetchState.sha256, FetchState.bad_pieces).where(FetchState.bad_pieces >= 2 * MAX_TRIES)
        with self._installation.database.read() as session:
            return {name for name, bad_pieces in session.execute(often) if _chance() >= MAX_TRIES / bad_pieces}


def _without(gaps: Iterable[tuple[int, int]], under_way: Iterable[Range]) -> Iterator[tuple[int, int]]:
    """What of some gaps nobody brings as yet; what is under way ends where a grain ends."""
    coming = sorted((asked.position, asked.end) for asked in under_way)
    for first, end in gaps:
        at = first
        for position, until in coming:
            if at < until and position < end:
                if at < position:
                    yield at, position
                at = until
        if at < end:
            yield at, end


def _chance() -> float:
    return random.random()  # noqa: S311 - which round tries again; nobody gains by guessing it


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
