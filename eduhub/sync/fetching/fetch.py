"""Node: getting the parts of the lessons that this box wants: every floor before any better part.

Manifests come first, then parts in the order of `wanted`. A part that another revision brought is not fetched
again. When the disk is full, the link is cut or the time is over, what arrived stays and the next round goes on.

This module must not know addresses (`link`), nor how bytes travel (`transfer`).
"""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import select

from eduhub import __version__, changes, clock, logs
from eduhub.delivery import holding, published
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest, id_of
from eduhub.delivery.published import Published
from eduhub.errors import BadFormat, BadSignature, DiskFull, HashMismatch
from eduhub.installation import Installation
from eduhub.signing import Signature
from eduhub.sync.allowance import evicting
from eduhub.sync.allowance.ledger import Ledger
from eduhub.sync.allowance.policies import Choice
from eduhub.sync.fetching import finding, marking, partial, refused, wanted
from eduhub.sync.fetching.blobs import Blobs
from eduhub.sync.fetching.carrier import Carrier
from eduhub.sync.fetching.finding import Found
from eduhub.sync.fetching.manifests import Manifests
from eduhub.sync.fetching.wanted import Want
from eduhub.sync.homeward import reporting
from eduhub.sync.link import PREFIX, Answerer
from eduhub.sync.models import NoRoom
from eduhub.sync.releases import fetching as releases

log = logs.logger(__name__)

PASSES_AT_ONCE = 100
# Whose pass or manifest is missing today may be fetched on tomorrow.
KEPT_FOR_MS = 7 * 86_400_000
# It becomes a header: visible ASCII.
_PASS = re.compile(r"[!-~]{1,500}")


@dataclass
class Fetched:
    """What one round of fetching did."""

    parts: int = 0
    bytes: int = 0
    refused: list[str] = field(default_factory=list)  # packages the hub gave no pass for
    bad_pieces: int = 0
    disk_full: bool = False
    has_more: bool = False  # only its time was over
    missing: int | None = None  # wanted packages that were not whole here when it began; None: nobody looked

    def and_then(self, later: "Fetched") -> "Fetched":
        """Both as one: what was done adds up, how it stands is what the later one found."""
        sums = (self.parts + later.parts, self.bytes + later.bytes)
        return Fetched(*sums, later.refused, self.bad_pieces + later.bad_pieces, later.disk_full, later.has_more, later.missing)


def run(
    installation: Installation, link: Answerer, carrier: Carrier, ledger: Ledger, org_uid: str, today: str | None,
    on_progress: Callable[[float], None], may_go_on: Callable[[], bool], brings: Callable[[Want], bool] = lambda _want: True,
    open_ahead: Callable[[], None] = lambda: None,
) -> Fetched:  # fmt: skip
    """Get what is wanted and missing. Raises LinkDown; everything that arrived until then is kept.

    `on_progress` is called all the time, and may raise; no part is begun once `may_go_on` says no. What comes is told to
    `ledger`, by lesson. What the carrier is known not to have is not asked for (`brings`). `open_ahead` is called when
    something will be asked of the carrier soon.
    """
    done = Fetched()
    with installation.database.read() as session:
        found = finding.find(session, org_uid, today)
    finding.settle(installation, found)
    _want_again(installation, found, None)
    with installation.database.read() as session:
        complete = wanted.complete(session, found.courses)
        missing = [package_id for package_id in found.courses if package_id not in complete]
        # A package that the catalog does not speak of yet waits: the catalog alone says what is published.
        catalog_says = published.of(session, missing)
        without_room = set(session.scalars(select(NoRoom.lesson_uid)))
    done.missing = len(missing)
    if any(found.lessons.get(package_id) not in without_room for package_id in missing):
        open_ahead()

    def came(package_id: str, count: int) -> None:
        if count:
            ledger.came(found.lessons.get(package_id, ""), count)
        ledger.turn()

    passes = _passes(link, [package_id for package_id in missing if package_id in catalog_says], done)
    try:
        manifests = _manifests(installation, carrier, passes, catalog_says, found, came, lambda: on_progress(0.0))
        with installation.database.read() as session:
            held = wanted.revealed(session, manifests)
        wants = wanted.plan(manifests, held, found.whens, found.choices)
        _sweep(installation, wants, missing, is_all_known=set(manifests) == set(missing))
        wants = _make_room(installation, found, wants, today, done)
        wants = [want for want in wants if brings(want)]
        _get_all(installation, carrier, passes, wants, done, ledger, came, on_progress, may_go_on)
    except DiskFull:
        done.disk_full = True
    if done.disk_full:
        log.warning("the disk is full")
        with contextlib.suppress(DiskFull), changes.writing(installation.database) as session:
            reporting.note_no_disk(session, installation)
    return done


def _make_room(
    installation: Installation, found: Found, wants: list[Want], today: str | None, done: Fetched
) -> list[Want]:
    """Those of the wants that fit now; for what does not, let something go, or say that it has no room."""
    work = installation.settings.data_dir / "work"
    sizes = [evicting.size_left(work, want) for want in wants]
    with installation.database.read() as session:
        free = evicting.free_bytes(session, installation, found.rules.disk_bytes)
        leaving = evicting.leaving_bytes(session, installation.blobs)
        may_go = evicting.victims(session, installation, found, today) if sum(sizes) > free + leaving else []
        decision = evicting.decide(wants, sizes, may_go, free, leaving)
        no_room: dict[str, int] = {}
        for package_id, size in decision.no_room.items():
            no_room[found.lessons[package_id]] = size
        was_noted = session.scalars(select(NoRoom.lesson_uid).limit(1)).first() is not None
    if decision.drop or no_room or was_noted:
        with changes.writing(installation.database) as session:
            evicting.let_go(session, installation, decision.drop)
            evicting.note_no_room(session, installation, no_room)
    if decision.drop:
        log.info("parts were let go of for lack of room", parts=sum(len(victim.parts) for victim in decision.drop))
    done.disk_full = bool(no_room)
    if not decision.drop and not no_room:
        _want_again(installation, found, decision.spare)
    return decision.fetch


def _want_again(installation: Installation, found: Found, spare: int | None) -> None:
    """Want dropped parts again that are needed soon, or that `spare` bytes have room for; show what still lies here."""
    with installation.database.read() as session:
        again = evicting.returning(session, found, spare)
    if not again:
        return
    with changes.writing(installation.database) as session:
        evicting.take_back(session, again)
        for package_id in sorted(again):
            row = session.get(PackageRow, package_id)
            if row is not None and not row.withdrawn:
                was_shown = row.floor_held
                marking.mark(session, package_id, Manifest.from_bytes(row.manifest), found.choices[package_id])
                holding.reveal_present(session, installation.blobs, package_id)
                if row.floor_held and not was_shown:
                    reporting.note(session, installation, "arrived", package_id=package_id)


def _sweep(installation: Installation, wants: list[Want], missing: list[str], *, is_all_known: bool) -> None:
    """Forget what arrived of blobs and manifests that nobody wants any more."""
    wanted_now = {want.sha256 for want in wants} | {want.pieces for want in wants if want.pieces} | set(missing)
    with installation.database.read() as session:
        wanted_now |= set(releases.blobs_wanted(session, installation.blobs, __version__))
    unless_newer_than_ms = None if is_all_known else clock.now_ms() - KEPT_FOR_MS
    partial.sweep(installation.settings.data_dir / "work", wanted_now, unless_newer_than_ms=unless_newer_than_ms)


def _passes(link: Answerer, missing: list[str], done: Fetched) -> dict[str, str]:
    passes: dict[str, str] = {}
    for at in range(0, len(missing), PASSES_AT_ONCE):
        answer = link.post_json(f"{PREFIX}/passes", {"packages": missing[at : at + PASSES_AT_ONCE]})
        granted = answer.get("passes")
        if not isinstance(granted, dict):
            raise BadFormat("the hub answers with passes")
        passes |= {name: value for name, value in granted.items() if isinstance(value, str) and _PASS.fullmatch(value)}
    done.refused = [package_id for package_id in missing if package_id not in passes]
    return {package_id: passes[package_id] for package_id in missing if package_id in passes}


def _manifests(
    installation: Installation, carrier: Carrier, passes: dict[str, str], catalog_says: dict[str, Published],
    found: Found, came: Callable[[str, int], None], on_turn: Callable[[], None],
) -> dict[str, Manifest]:  # fmt: skip
    """The manifests of packages, from here or from the hub, taken in; without those that may not be trusted."""
    with installation.database.read() as session:
        rows = {name: session.get(PackageRow, name) for name in passes}
        here = {name: Manifest.from_bytes(row.manifest) for name, row in rows.items() if row is not None}

    def take_in(name: str, received: bytes) -> None:
        manifest = _taken_in(installation, catalog_says[name], received, found.courses[name], found.choices[name])
        if manifest is not None:
            here[name] = manifest

    def on_bytes(package_id: str, count: int) -> None:
        came(package_id, count)
        on_turn()

    work = installation.settings.data_dir / "work"
    known = {name: kept for name in passes if name not in here and (kept := refused.kept(work, name)) is not None}
    for name, kept in known.items():
        take_in(name, kept)
    carrier.run(Manifests({name: token for name, token in passes.items() if name not in here and name not in known}, take_in, on_bytes))
    return {name: here[name] for name in passes if name in here}


def _taken_in(
    installation: Installation, listed: Published, received: bytes, course_uid: str, choice: Choice
) -> Manifest | None:
    package_id = listed.package_id
    if id_of(received) != package_id:
        # Cut short or changed on the way: the next round asks again.
        log.warning("a manifest came wrong", package=package_id)
        return None
    work = installation.settings.data_dir / "work"
    try:
        with changes.writing(installation.database) as session:
            holding.hold(
                session, installation.blobs, received, Signature.from_json(listed.signature),
                course_uid=course_uid, sequence=listed.sequence,
            )  # fmt: skip
            manifest = Manifest.from_bytes(received)
            marking.mark(session, package_id, manifest, choice)
            holding.reveal_present(session, installation.blobs, package_id)
            if session.get_one(PackageRow, package_id).floor_held:  # a changed title: nothing of it has to be fetched
                reporting.note(session, installation, "arrived", package_id=package_id)
    except (BadFormat, BadSignature, HashMismatch) as error:  # the last: a blob that is here has another size than it says
        log.warning("a package was refused", package=package_id, error_code=error.code)
        refused.keep(work, package_id, received)
        return None
    refused.forget(work, package_id)
    return manifest


def _get_all(
    installation: Installation, carrier: Carrier, passes: dict[str, str], wants: list[Want], done: Fetched, ledger: Ledger,
    came: Callable[[str, int], None], on_progress: Callable[[float], None], may_go_on: Callable[[], bool],
) -> None:  # fmt: skip
    total = sum(want.bytes for want in wants) or 1

    def on_bytes(package_id: str, count: int) -> None:
        came(package_id, count)
        done.bytes += count
        on_progress(min(1.0, done.bytes / total))

    with Blobs(installation, passes, wants, on_bytes, may_go_on) as blobs:
        ledger.coming = lambda: blobs.under_way if ledger.is_on_link else 0
        try:
            carrier.run(blobs)
        finally:
            ledger.coming = lambda: 0
            done.parts, done.bad_pieces, done.disk_full = blobs.parts, blobs.bad_pieces, done.disk_full or blobs.disk_full
    done.bad_pieces, done.has_more = blobs.bad_pieces, blobs.has_more
    on_progress(1.0)
