"""Node: asking one mirror, in the words in which a hub is asked (`link.Answerer`), so that whoever fetches needs not know the difference.

A mirror's fault is noted and never raised: the answer is then that it has nothing. This module must not know what is done
with the answers.
"""

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy.orm import Session

from eduhub import logs
from eduhub.delivery.models import PackageRow, ReleaseRow
from eduhub.delivery.package import Manifest
from eduhub.delivery.release import Release
from eduhub.delivery.trust import keyring
from eduhub.errors import BadFormat, DiskFull, EduHubError, NodeRefused
from eduhub.installation import Installation
from eduhub.sync import greeting
from eduhub.sync.fetching import refused
from eduhub.sync.fetching.address import trust
from eduhub.sync.fetching.carrier import Carrier
from eduhub.sync.fetching.meter import Meter
from eduhub.sync.fetching.pace import Pace
from eduhub.sync.fetching.transfer import Transfer
from eduhub.sync.fetching.wanted import Want
from eduhub.sync.link import PREFIX, Link, Transport
from eduhub.sync.mirrors import grants, holdings
from eduhub.sync.mirrors.choosing import FOUND, LIED, Candidate
from eduhub.sync.mirrors.hurry import Hurry
from eduhub.sync.mirrors.slowness import FAR, NEAR
from eduhub.sync.mirrors.wary import Wary, blame

log = logs.logger(__name__)

WITHIN_S = {True: 20.0, False: 180.0}  # all that is asked but parts; True: found nearby
PATIENCE_S = {True: 8.0, False: 40.0}  # without a byte of a part


_UID, _NAME = re.compile(r"[0-9a-f-]{36}"), re.compile(r"[a-z0-9-]{1,63}")


class Ways:
    """How a mirror is reached: over sockets. Tests and simulations have another."""

    def transport(self, candidate: Candidate) -> Transport:
        """For questions."""
        return httpx.HTTPTransport(verify=_tls(candidate), trust_env=False)

    def transfer(self, candidate: Candidate) -> Any:
        """For parts: a context manager that is a `Carrier`."""
        return Transfer(candidate.url, tls=_tls(candidate), patience_s=PATIENCE_S[candidate.kind == FOUND])


def _tls(candidate: Candidate) -> ssl.SSLContext:
    context = trust(candidate.url)
    if candidate.kind == FOUND:
        # It is known by an address, which no certificate names, and nothing that it says is believed for where it comes from.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass
class Conversation:
    """With one mirror. Use it as a context manager."""

    installation: Installation
    candidate: Candidate
    node_uid: str
    ways: Ways
    why: str | None = None  # it is to be left alone
    was_asked: bool = False
    given: set[str] = field(default_factory=set)  # packages that it gave a pass for
    _bits: dict[str, str] = field(default_factory=dict)
    _held: dict[str, set[str]] = field(default_factory=dict)

    def __enter__(self) -> "Conversation":
        near = self.candidate.kind == FOUND
        hurry = Hurry(self.ways.transport(self.candidate), WITHIN_S[near])
        key = self.installation.keys.node_signing
        self._link = Link(self.candidate.url, node_uid=self.node_uid, key=key, transport=hurry, tls=_tls(self.candidate))
        self._transfer = self.ways.transfer(self.candidate)
        self._transfer.__enter__()
        self._wary = Wary(self._transfer, NEAR if near else FAR, is_near=near)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._transfer.__exit__()
        self._link.close()

    @property
    def carrier(self) -> Carrier:
        """For its parts."""
        return self._wary

    def keep_below(self, ceiling_kbit_s: Callable[[], float | None]) -> None:
        """Read parts no faster than this; and whoever is kept slow by it is not called slow."""
        if isinstance(self._transfer, Transfer):
            self._transfer.pace = Pace(ceiling_kbit_s)
        self._wary.ceiling_kbit_s = ceiling_kbit_s

    @property
    def came(self) -> int:
        """Bytes of parts and manifests, good or bad."""
        return self._wary.bytes

    @property
    def meters(self) -> list[Meter]:
        """Of what its sockets carry."""
        return [self._link.meter] + ([self._transfer.meter] if isinstance(self._transfer, Transfer) else [])

    def greet(self) -> dict[str, Any] | None:
        """What it says of itself; None: nothing that is of use here."""
        self.was_asked = True
        try:
            said, _nonce = self._link.hello()
            with self.installation.database.read() as session:
                ring = keyring(session)
            if not greeting.is_of(said, ring):
                raise NodeRefused("a box of another hub")
            if not _is_who_it_is(said.get("mirror"), said.get("name")):
                raise BadFormat("a mirror says who it is")
        except EduHubError as error:
            self._note(error)
            return None
        return said

    def get(self, target: str, *, signed: bool = True) -> bytes:
        """A page of the catalog. Raises what the mirror answered: reading the catalog ends with it."""
        return self._link.get(target, signed=signed)

    def post_json(self, target: str, value: dict[str, Any], *, signed: bool = True) -> dict[str, Any]:
        """Passes for packages, where that is the question; whoever asks it of a hub gets an answer of the same form."""
        if target != f"{PREFIX}/passes" or self.why is not None:
            return {"passes": {}}
        with self.installation.database.read() as session:
            grant = grants.shown(session)
        if grant is None or (not self.was_asked and self.greet() is None):
            return {"passes": {}}
        try:
            answer = self._link.post_json(f"{PREFIX}/mirror/passes", {"packages": value["packages"], "grant": grant})
            passes, bits = answer.get("passes"), answer.get("holdings")
            if not isinstance(passes, dict) or not isinstance(bits, dict):
                raise BadFormat("a mirror answers with passes and holdings")
            self._bits |= {name: digits for name, digits in bits.items() if isinstance(digits, str) and name in value["packages"]}
            passes = {name: token for name, token in passes.items() if name in self._bits}
        except EduHubError as error:
            self._note(error)
            return {"passes": {}}
        self.given |= passes.keys()
        return {"passes": passes}

    def brings(self, want: Want) -> bool:
        """Whether it says that it holds a part, and the list of its pieces where that is not here."""
        needed = {want.sha256} | ({want.pieces} if want.pieces and not self.installation.blobs.has(want.pieces) else set())
        return needed <= self._holds(want.package_id)

    def judge(self) -> str | None:
        """Why it is to be left alone, when all is done; None: it is not."""
        if self.why is None and self._wary.why is None:
            work = self.installation.settings.data_dir / "work"
            with self.installation.database.read() as session:
                lacking = [name for name in self.given if _manifest(session, name) is None]
                if any(refused.kept(work, name) is None for name in lacking):
                    return LIED  # it gave a pass for a manifest that it did not have, or not as it is named
        return self.why or self._wary.why

    def _holds(self, package_id: str) -> set[str]:
        if package_id not in self._held:
            with self.installation.database.read() as session:
                self._held[package_id] = self._read(session, package_id)
        return self._held[package_id]

    def _read(self, session: Session, package_id: str) -> set[str]:
        manifest = _manifest(session, package_id)
        if manifest is None or package_id not in self._bits:
            return set()
        try:
            files = holdings.files_of(manifest) if isinstance(manifest, Manifest) else holdings.files_of_release(manifest)
            return holdings.read(files, self._bits[package_id])
        except BadFormat as error:
            self._note(error)
            return set()

    def _note(self, error: EduHubError) -> None:
        if isinstance(error, DiskFull):
            raise error
        self.why = blame(error)
        log.info("a mirror did not answer as it should", mirror=self.candidate.node_uid, why=self.why, error_code=error.code)


def _is_who_it_is(node_uid: Any, name: Any) -> bool:
    """Whether that can be a box: what it says is written down here, and shown."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name)) and isinstance(node_uid, str) and bool(_UID.fullmatch(node_uid))


def _manifest(session: Session, name: str) -> Manifest | Release | None:
    """Of a package or a release, when it is here."""
    package, release = session.get(PackageRow, name), session.get(ReleaseRow, name)
    if package is not None:
        return Manifest.from_bytes(package.manifest)
    return Release.from_bytes(release.manifest) if release is not None and release.manifest is not None else None
