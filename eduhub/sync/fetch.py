"""Node: getting the parts of the lessons that this box wants: every floor before any better part.

Manifests come first, then parts in the order of `wanted`. A part that another revision brought is not fetched
again. When the disk is full or the link is cut, what arrived stays and the next round goes on.

This module must not know addresses (`link`), nor how bytes travel (`transfer`).
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import select

from eduhub import changes, logs
from eduhub.delivery import holding
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import Manifest, id_of
from eduhub.errors import BadFormat, BadSignature, DiskFull
from eduhub.installation import Installation
from eduhub.signing import Signature
from eduhub.sync import partial, reporting, wanted
from eduhub.sync.getting import Blobs, Manifests
from eduhub.sync.link import PREFIX, Link
from eduhub.sync.transfer import Carrier
from eduhub.sync.wanted import Published, Want

log = logs.logger(__name__)

PASSES_AT_ONCE = 100


@dataclass
class Fetched:
    """What one round of fetching did."""

    parts: int = 0
    bytes: int = 0
    refused: list[str] = field(default_factory=list)  # packages the hub gave no pass for
    bad_pieces: int = 0
    disk_full: bool = False


def run(
    installation: Installation, link: Link, carrier: Carrier, org_uid: str, today: str | None,
    on_progress: Callable[[float], None],
) -> Fetched:  # fmt: skip
    """Get what is wanted and missing. Raises LinkDown; everything that arrived until then is kept."""
    done = Fetched()
    with installation.database.read() as session:
        courses = wanted.wanted_packages(session, org_uid, today)
        complete = wanted.complete(session)
        missing = [package_id for package_id in courses if package_id not in complete]
        # A package that the catalog does not speak of yet waits: the catalog alone says what is published.
        catalog_says = wanted.published(session) if missing else {}
    missing = [package_id for package_id in missing if package_id in catalog_says]
    passes = _passes(link, missing, done)
    try:
        manifests = _manifests(installation, carrier, passes, catalog_says, courses)
        with installation.database.read() as session:
            held = {(row.package_id, row.sha256) for row in session.scalars(select(PartRow).where(PartRow.held))}
        wants = wanted.plan(manifests, held)
        partial.sweep(installation.settings.data_dir / "work", _still_wanted(wants))
        _get_all(installation, carrier, passes, wants, done, on_progress)
    except DiskFull:
        done.disk_full = True
        log.warning("the disk is full")
        with contextlib.suppress(DiskFull), changes.writing(installation.database) as session:
            reporting.note_no_disk(session, installation)
    return done


def _still_wanted(wants: list[Want]) -> set[str]:
    return {want.sha256 for want in wants} | {want.pieces for want in wants if want.pieces}


def _passes(link: Link, missing: list[str], done: Fetched) -> dict[str, str]:
    passes: dict[str, str] = {}
    for at in range(0, len(missing), PASSES_AT_ONCE):
        answer = link.post_json(f"{PREFIX}/passes", {"packages": missing[at : at + PASSES_AT_ONCE]})
        granted = answer.get("passes")
        if not isinstance(granted, dict):
            raise BadFormat("the hub answers with passes")
        passes |= {name: value for name, value in granted.items() if name in missing and isinstance(value, str)}
    done.refused = [package_id for package_id in missing if package_id not in passes]
    return {package_id: passes[package_id] for package_id in missing if package_id in passes}


def _manifests(
    installation: Installation, carrier: Carrier, passes: dict[str, str], catalog_says: dict[str, Published],
    courses: dict[str, str],
) -> dict[str, Manifest]:  # fmt: skip
    """The manifests of packages, from here or from the hub, taken in; without those that may not be trusted."""
    with installation.database.read() as session:
        rows = {name: session.get(PackageRow, name) for name in passes}
        here = {name: Manifest.from_bytes(row.manifest) for name, row in rows.items() if row is not None}
    coming = Manifests({name: token for name, token in passes.items() if name not in here})
    carrier.run(coming)
    for name in passes:
        if name not in coming.found:
            continue
        manifest = _taken_in(installation, catalog_says[name], coming.found[name], courses[name])
        if manifest is not None:
            here[name] = manifest
    return {name: here[name] for name in passes if name in here}


def _taken_in(installation: Installation, published: Published, received: bytes, course_uid: str) -> Manifest | None:
    package_id = published.package_id
    if id_of(received) != package_id:
        # Cut short or changed on the way: the next round asks again.
        log.warning("a manifest came wrong", package=package_id)
        return None
    try:
        with changes.writing(installation.database) as session:
            holding.hold(
                session, installation.blobs, received, Signature.from_json(published.signature),
                course_uid=course_uid, sequence=published.sequence,
            )  # fmt: skip
            manifest = Manifest.from_bytes(received)
            unwanted = {part.sha256 for part in manifest.parts if not wanted.is_wanted(part)}
            unwanted |= {part.pieces for part in manifest.parts if part.pieces and not wanted.is_wanted(part)}
            for part in session.scalars(select(PartRow).where(PartRow.package_id == package_id)):
                part.wanted = part.sha256 not in unwanted
            holding.reveal_present(session, installation.blobs, package_id)
            if session.get_one(PackageRow, package_id).floor_held:  # a changed title: nothing of it has to be fetched
                reporting.note(session, installation, "arrived", package_id=package_id)
    except (BadFormat, BadSignature) as error:
        log.warning("a package was refused", package=package_id, error_code=error.code)
        return None
    return manifest


def _get_all(
    installation: Installation, carrier: Carrier, passes: dict[str, str], wants: list[Want], done: Fetched,
    on_progress: Callable[[float], None],
) -> None:  # fmt: skip
    total = sum(want.bytes for want in wants) or 1

    def came(count: int) -> None:
        done.bytes += count
        on_progress(min(1.0, done.bytes / total))

    with Blobs(installation, passes, wants, came) as blobs:
        try:
            carrier.run(blobs)
        finally:
            done.parts, done.bad_pieces = blobs.parts, blobs.bad_pieces
    done.bad_pieces = blobs.bad_pieces
    on_progress(1.0)
