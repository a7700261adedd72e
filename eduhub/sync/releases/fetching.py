"""Node: get the release that this box is offered: its manifest, then the wheels that are not here yet.

Call it when every lesson that is wanted has come: the program is last in line (decision 17). What a neighbour or a
stick brings goes the same way in: `blobs_wanted` says what is missing, `holding` takes it in.

This module must not know addresses, nor how a release is installed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from eduhub import logs
from eduhub.delivery.blobs import BlobStore
from eduhub.delivery.models import ReleaseRow
from eduhub.delivery.package import piece_count
from eduhub.delivery.release import Release, id_of, read_version
from eduhub.errors import BadFormat, BadSignature, HashMismatch
from eduhub.installation import Installation
from eduhub.sync.allowance.ledger import Ledger
from eduhub.sync.boxes import joining
from eduhub.sync.fetching import refused
from eduhub.sync.fetching.blobs import Blobs
from eduhub.sync.fetching.carrier import Carrier
from eduhub.sync.fetching.manifests import Manifests
from eduhub.sync.fetching.wanted import Want
from eduhub.sync.link import PREFIX, Answerer
from eduhub.sync.releases import holding, machine, offering

log = logs.logger(__name__)

_PASS = re.compile(r"[!-~]{1,500}")  # it is said in a header
_TIER = 9  # after every part of every lesson


@dataclass(frozen=True)
class Offered:
    """What this box is offered. `manifest` is None until it has come."""

    release_id: str
    version: str
    manifest: Release | None


def offered(session: Session, running: str) -> Offered | None:
    """The release that this box shall run and does not; None: there is nothing to do.

    `running` is the version of this program. What is older is never wanted: a release is taken back by itself or
    not at all; what does not fit this box neither (`unfit`).
    """
    found = _newer(session, running)
    return None if found is None or _why_not(found.manifest, running) is not None else found


def unfit(session: Session, running: str) -> tuple[Offered, str] | None:
    """A release that is offered and that this box cannot put in, with why: `machine` (it was made for others), `step` (another
    one has to be put in before it). Known once its manifest has come.
    """
    found = _newer(session, running)
    why = _why_not(found.manifest, running) if found is not None else None
    return (found, why) if found is not None and why is not None else None


def was_refused(installation: Installation, found: Offered) -> bool:
    """Whether its manifest came, and is none that this box may trust."""
    return refused.kept(_work(installation), found.release_id) is not None


def _newer(session: Session, running: str) -> Offered | None:
    offers = offering.all_open(session)
    if not offers:  # as on most days
        return None
    node = joining.own_node(session)
    found = offering.for_box(session, node, offers) if node is not None else None
    if found is None or found.paused:
        return None
    row = holding.find(session, found.release_id)
    if row is None or not _is_newer(row.version, running):
        return None
    return Offered(row.id, row.version, holding.read(row))


def _is_newer(version: str, running: str) -> bool:
    try:
        return read_version(version) > read_version(running)
    except BadFormat:
        return False


def _why_not(manifest: Release | None, running: str) -> str | None:
    if manifest is not None and machine.target() not in manifest.targets:
        return "machine"
    return "step" if manifest is not None and read_version(manifest.needs_at_least) > read_version(running) else None


def blobs_wanted(session: Session, store: BlobStore, running: str) -> dict[str, int]:
    """Blobs, with their sizes, that a stick or a neighbour should bring for the program; the manifest first, with size 0."""
    found = offered(session, running)
    if found is None:
        return {}
    if found.manifest is None:
        return {found.release_id: 0}
    wanted = plan(found.release_id, found.manifest, store)
    sizes = {want.pieces: 32 * piece_count(want.bytes) for want in wanted if want.pieces}
    return sizes | {want.sha256: want.bytes for want in wanted}


def plan(release_id: str, manifest: Release, store: BlobStore) -> list[Want]:
    """What to get of a release for this machine: small wheels first, so that a cut leaves many whole."""
    wheels = manifest.wheels(machine.target())
    wants = [Want(_TIER, wheel.bytes, release_id, wheel.sha256, wheel.pieces) for wheel in wheels if not store.has(wheel.sha256)]
    return sorted(wants, key=lambda want: want.bytes)


class ReleaseBlobs(Blobs):
    """As parts of packages come, but for what is written down when one is here."""

    def _reveal(self, blob: Any) -> None:
        with self._installation.database.write() as session:
            for release_id in dict.fromkeys(blob.packages):
                if session.get(ReleaseRow, release_id) is not None:
                    holding.arrived(session, self._installation.blobs, release_id, blob.sha256)


def run(
    installation: Installation, link: Answerer, carrier: Carrier, ledger: Ledger, running: str,
    on_progress: Callable[[float], None], may_go_on: Callable[[], bool], brings: Callable[[Want], bool] = lambda _want: True,
) -> bool:  # fmt: skip
    """Get what is missing of the offered release; True when something is left only because its time was over.

    What comes is told to `ledger`, as of no lesson. What the carrier is known not to have is not asked for (`brings`). Raises LinkDown; everything that came until then is kept.
    """
    with installation.database.read() as session:
        found = offered(session, running)
    if found is None or (found.manifest is not None and not plan(found.release_id, found.manifest, installation.blobs)):
        return False
    manifest = found.manifest
    if manifest is None and (kept := refused.kept(_work(installation), found.release_id)) is not None:
        manifest = _taken_in(installation, found, kept)
        if manifest is None:
            return False
    passes = _pass(link, found.release_id)
    if not passes:
        return False
    manifest = manifest or _manifest(installation, carrier, passes, found, lambda: on_progress(0.0))
    with installation.database.read() as session:
        # The manifest may say that this is nothing for this machine.
        if manifest is None or offered(session, running) is None:
            return False
    wants = [want for want in plan(found.release_id, manifest, installation.blobs) if brings(want)]
    total, come = sum(want.bytes for want in wants) or 1, 0

    def came(_release_id: str, count: int) -> None:
        nonlocal come
        come += count
        if count:
            ledger.came("", count)
        ledger.turn()
        on_progress(min(1.0, come / total))

    with ReleaseBlobs(installation, passes, wants, came, may_go_on) as blobs:
        carrier.run(blobs)
    if blobs.parts:
        log.info("parts of a release came", release=found.version, blobs=blobs.parts)
    return blobs.has_more


def _pass(link: Answerer, release_id: str) -> dict[str, str]:
    granted = link.post_json(f"{PREFIX}/passes", {"packages": [release_id]}).get("passes")
    token = granted.get(release_id) if isinstance(granted, dict) else None
    return {release_id: token} if isinstance(token, str) and _PASS.fullmatch(token) else {}


def _manifest(
    installation: Installation, carrier: Carrier, passes: Mapping[str, str], wanted: Offered, on_turn: Callable[[], None]
) -> Release | None:
    came: list[bytes] = []
    carrier.run(Manifests(dict(passes), lambda _name, received: came.append(received), lambda _name, _count: on_turn()))
    if not came or id_of(came[0]) != wanted.release_id:
        return None
    return _taken_in(installation, wanted, came[0])


def _taken_in(installation: Installation, wanted: Offered, received: bytes) -> Release | None:
    """The manifest, if it may be trusted; one that may not is kept, so that the next rounds judge it from here."""
    try:
        with installation.database.write() as session:
            row = holding.find(session, wanted.release_id)
            found = None if row is None else holding.take_in(session, installation.blobs, row, received)
    except (BadFormat, BadSignature, HashMismatch) as error:
        log.warning("a release was refused", release=wanted.version, error_code=error.code)
        refused.keep(_work(installation), wanted.release_id, received)
        return None
    if found is not None:
        refused.forget(_work(installation), wanted.release_id)
    return found


def _work(installation: Installation) -> Path:
    return installation.settings.data_dir / "work"
