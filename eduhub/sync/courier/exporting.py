"""Hub: fill a stick for one box or several. What comes home with it is taken first.

The order of writing: how far the hub is with each box's outbox, the catalog, the school streams and grants, then blobs in the order
of `planning`. What is on the stick and is what its name says is not written again: what this trip's journal names is
taken for written, other files are read once and judged by their hash. The journal begins anew with each want-list, so
that a file which went bad on the way is found out when its box goes on lacking it.

This module must not know how a box reads the stick. See docs/formats/courier.md.
"""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import logs
from eduhub.delivery import catalog
from eduhub.delivery.trust import keyring
from eduhub.errors import BadInput, BlobMissing, NoCourier, NotFound, StickFull
from eduhub.installation import Installation
from eduhub.signing import canonical, sha256_hex
from eduhub.sync import auth
from eduhub.sync.courier import about, layout, planning, receiving, sealing
from eduhub.sync.courier.layout import Parts
from eduhub.sync.courier.planning import BETTER, FLOOR, PROGRAM, Item
from eduhub.sync.courier.reports import Exported
from eduhub.sync.courier.stick import Stick
from eduhub.sync.mirrors import grants
from eduhub.sync.models import Node
from eduhub.sync.school_stream import stream_pages, streams

log = logs.logger(__name__)

# A box must find room for what it sends home.
KEPT_FREE_BYTES = 8 << 20
SETTLE_BYTES = 16 << 20  # so much may be written twice after the stick was pulled out
SETTLE_FILES = 200



def export(
    installation: Installation, stick: Stick, *, nodes: Sequence[str], on_progress: Callable[[float], None]
) -> Exported:
    """Fill a stick for boxes, given by name or uid; for none given, for those whose want-list is on it.

    Raises BadInput (for which box?), NotFound, AnotherHubsStick, NoCourier, StickFull (nothing at all fits), StickReadOnly,
    StickGone.
    """
    home = receiving.take(installation, stick, lambda _share: None)
    with installation.database.write() as session:
        sealing.state_key(session, installation)
        chosen = find_nodes(session, nodes) if nodes else _asking(session, stick)
        report = Exported(boxes=[node.name for node in chosen], rows_home=home.rows, refused=home.refused)
        if not chosen:
            raise BadInput("say for which boxes: nobody has asked for anything on this stick yet")
    _Export(installation, stick, chosen, report, on_progress).run()
    return report


def find_nodes(session: Session, names: Sequence[str]) -> list[Node]:
    """Boxes by name or uid, each once. Raises NotFound for one that is unknown or shut out."""
    found: dict[str, Node] = {}
    for name in names:
        in_use = (Node.name == name, Node.ended_on.is_(None))  # a box that was replaced had the same name
        node = session.get(Node, name) or session.scalars(select(Node).where(*in_use)).first()
        if node is None or node.revoked_on is not None or node.ended_on is not None:
            raise NotFound(f"no box {name}")
        found[node.uid] = node
    return list(found.values())


def _asking(session: Session, stick: Stick) -> list[Node]:
    uids = [name[:36] for name in stick.names((layout.WANT,), layout.WANT_FILE, limit=layout.MAX_NODES)]
    nodes = (session.get(Node, uid) for uid in uids)
    return [node for node in nodes if node is not None and node.revoked_on is None and node.ended_on is None]


class _Export:
    def __init__(
        self, installation: Installation, stick: Stick, nodes: list[Node], report: Exported,
        on_progress: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._installation, self._stick, self._nodes = installation, stick, nodes
        self._report, self._on_progress = report, on_progress
        self._journal: dict[str, int] = {}
        self._unsettled: list[Item] = []
        self._unsettled_bytes = 0
        self._has_made_room = False

    def run(self) -> None:
        """Fill it."""
        for node in self._nodes:
            receiving.acknowledge(self._installation, self._stick, node)
        self._write_catalog()
        for node in self._nodes:
            self._write_stream(node)
            self._write_grant(node)
        self._stick.settle()
        with self._installation.database.read() as session:
            items = planning.lacking(session, self._nodes)
        self._write_blobs(items)
        self._on_progress(1.0)

    # --- catalog and streams ---------------------------------------------------------

    def _write_catalog(self) -> None:
        """Pages first, then what names their head, then away with what was before: one or the other is always whole."""
        with self._installation.database.read() as session:
            state, ring = catalog.state(session), keyring(session)
            greeting = {
                "epoch": state.epoch, "epoch_statement": state.epoch_statement, "head": state.head,
                "time": auth.signed_time(self._installation, about.NO_NONCE),
            }  # fmt: skip
            keep: set[str] = set()
            for number in range(catalog.page_of(max(1, state.sequence)) + 1):
                parts = layout.catalog_page(state.epoch, number, state.sequence)
                self._write_if_new(parts, catalog.page(session, number))
                keep.add(parts[-1])
            self._report.entries = state.sequence
        self._stick.settle()
        self._stick.write(layout.ABOUT, [about.to_bytes(ring.hub_uid, ring.root.hex(), greeting)])
        self._stick.settle()
        for name in self._stick.names((layout.CATALOG,), layout.CATALOG_FILE, limit=layout.MAX_STREAM_FILES):
            if name not in keep:
                self._stick.remove((layout.CATALOG, name))

    def _write_if_new(self, parts: Parts, payload: bytes) -> None:
        if self._stick.size(parts) != len(payload) or self._stick.read(parts, max_bytes=len(payload)) != payload:
            self._stick.write(parts, [payload])

    def _write_stream(self, node: Node) -> None:
        keep: set[str] = set()
        for parts, sealed in self._pages(node):
            self._stick.write(parts, [sealed])
            keep.add(parts[-1])
        folder = (layout.STREAM, node.uid)
        for name in self._stick.names(folder, layout.STREAM_FILE, limit=layout.MAX_STREAM_FILES):
            if name not in keep:
                self._stick.remove((*folder, name))

    def _write_grant(self, node: Node) -> None:
        with self._installation.database.read() as session:
            granted = grants.make(session, self._installation, node)
        self._stick.write(layout.grant(node.uid), [canonical(granted)])

    def _pages(self, node: Node) -> Iterator[tuple[Parts, bytes]]:
        installation = self._installation
        after: int | None = None
        while True:
            with installation.database.write() as session:
                epoch = catalog.state(session).epoch
                streams.refresh(session, node.org_uid)
                if after is None:
                    after = planning.stream_after(session, node, planning.known_want(session, node))
                page = streams.page(session, node.org_uid, epoch=epoch, after=after)
            if page.upto > after:
                sealed = stream_pages.sealed_page(page.payload, installation.keys.publishing, node)
                yield layout.stream_page(node.uid, epoch, after, page.upto), sealed
            if not page.more or page.upto <= after:
                return
            after = page.upto

    # --- blobs -----------------------------------------------------------------------

    def _write_blobs(self, items: list[Item]) -> None:
        self._open_journal()
        total, done = sum(item.bytes for item in items) or 1, 0
        left_out: dict[str, int] = {}  # lesson, or release: the lowest tier that is not on the stick
        wanted = {item.sha256 for item in items}
        for item in items:
            if self._is_on_stick(item):
                self._report.already += 1
            elif not self._put(item, wanted):
                left_out[item.lesson_uid] = min(item.tier, left_out.get(item.lesson_uid, item.tier))
                self._report.left_out_bytes += item.bytes
            done += item.bytes
            self._on_progress(done / total)
        self._settle()
        self._report.left_out_floor = sum(tier <= FLOOR for tier in left_out.values())
        self._report.left_out_better = sum(tier == BETTER for tier in left_out.values())
        self._report.left_out_program = PROGRAM in left_out.values()

    def _is_on_stick(self, item: Item) -> bool:
        parts = layout.blob(item.sha256)
        if self._stick.size(parts) != item.bytes:
            return False
        if self._journal.get(item.sha256) == item.bytes:
            return True
        if self._stick.hash_of(parts, item.bytes) != item.sha256:
            return False
        self._note(item)
        return True

    def _put(self, item: Item, wanted: set[str]) -> bool:
        """Write one blob; False where there is no room for it."""
        if self._stick.free() < item.bytes + KEPT_FREE_BYTES:
            self._make_room(wanted)
            if self._stick.free() < item.bytes + KEPT_FREE_BYTES:
                return False
        try:
            with self._installation.blobs.open(item.sha256) as file:
                self._stick.write_blob(layout.blob(item.sha256), file)
        except BlobMissing:
            log.warning("a blob for a stick is missing here", part=item.sha256)
            self._report.missing_here += 1
            return True
        except StickFull:  # it takes more there than its bytes, or files of this size do not exist there
            return False
        self._report.files += 1
        self._report.bytes += item.bytes
        self._note(item)
        return True

    def _make_room(self, wanted: set[str]) -> None:
        """Away with what earlier trips left: nobody asks for it now."""
        if self._has_made_room:
            return
        self._has_made_room = True
        for number in range(256):
            folder = (layout.BLOBS, f"{number:02x}")
            for name in self._stick.names(folder, layout.BLOB_FILE, limit=layout.MAX_BLOBS_A_FOLDER):
                if name not in wanted:
                    self._stick.remove((*folder, name))
        self._stick.settle()

    # --- the journal -----------------------------------------------------------------

    def _open_journal(self) -> None:
        wants = [self._stick.read(layout.want(node.uid), max_bytes=layout.MAX_WANT_BYTES) or b"" for node in self._nodes]
        first = f"{layout.FORMAT} {sha256_hex(b''.join(wants))}"
        found = (self._stick.read(layout.JOURNAL, max_bytes=layout.MAX_JOURNAL_BYTES) or b"").decode("ascii", "replace")
        lines = found.split("\n")
        if lines[0] != first:
            self._stick.write(layout.JOURNAL, [f"{first}\n".encode("ascii")])
            self._stick.settle()
            return
        matches = (layout.JOURNAL_LINE.fullmatch(line) for line in lines[1:])
        self._journal = {match[1]: int(match[2]) for match in matches if match}

    def _note(self, item: Item) -> None:
        self._unsettled.append(item)
        self._unsettled_bytes += item.bytes
        if self._unsettled_bytes >= SETTLE_BYTES or len(self._unsettled) >= SETTLE_FILES:
            self._settle()

    def _settle(self) -> None:
        """First the files' names come onto the stick, then the journal says so."""
        self._stick.settle()
        lines = "".join(f"{item.sha256} {item.bytes} ok\n" for item in self._unsettled)
        self._journal |= {item.sha256: item.bytes for item in self._unsettled}
        self._unsettled, self._unsettled_bytes = [], 0
        if lines:
            try:
                self._stick.append(layout.JOURNAL, lines.encode("ascii"))
            except (StickFull, NoCourier):
                log.info("the journal of a stick cannot be written")  # its files are read again next time
