"""A box's own TLS certificate, where the hub has a domain: the key never leaves the box, and the hub's own program asks an authority.

Node: `ask` sends a request for `<name>.<domain>` and installs what comes back, when it fits the key and the name. It needs no
clock: the hub says when a new one is due, by making it. Hub: `take_request`, `begin_due`, `keep`; who runs the program is
`ops/certify_job.py`. See docs/formats/nodes.md and docs/box-certificates.md.
This module must not know the program or the authority.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock, logs
from eduhub.errors import BadFormat, CertificateNotMade, EduHubError
from eduhub.installation import Installation
from eduhub.sync.link import PREFIX, Link
from eduhub.sync.models import BoxCertificate, Node

log = logs.logger(__name__)

AGAIN_MS = 3_600_000
MOST_REQUEST_BYTES, MOST_CHAIN_BYTES = 8 << 10, 64 << 10
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,188}[a-z0-9])?")


# --- what both check ----------------------------------------------------------------


def read_request(pem: str, name: str) -> x509.CertificateSigningRequest:
    """A request for this very name and no other, with a P-256 key that signed it. Raises BadFormat.

    The subject counts too: programs that ask authorities ask for its common name beside the alternative names.
    """
    try:
        found = x509.load_pem_x509_csr(pem.encode("ascii"))
        is_signed = found.is_signature_valid
        asked = list(found.extensions)
        subject, key = [(part.oid, part.value) for part in found.subject], found.public_key()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, InvalidSignature, UnsupportedAlgorithm) as error:
        raise BadFormat("not a request for a certificate") from error
    if not is_signed or not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadFormat("a request is signed by a P-256 key")
    if [extension.value for extension in asked] != [x509.SubjectAlternativeName([x509.DNSName(name)])]:
        raise BadFormat("a request is for the box's own name")
    if subject not in ([], [(NameOID.COMMON_NAME, name)]):
        raise BadFormat("the subject of a request is the box's own name, or nothing")
    return found


def read_chain(pem: str, public: Any, name: str) -> x509.Certificate:
    """The first certificate of a chain, when it is for this key and this name. Raises BadFormat."""
    try:
        found = x509.load_pem_x509_certificates(pem.encode("ascii"))[0]
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        written = [key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
                   for key in (found.public_key(), public)]  # fmt: skip
    except (ValueError, IndexError, x509.ExtensionNotFound) as error:
        raise BadFormat("not a chain of certificates") from error
    if written[0] != written[1]:
        raise BadFormat("a certificate for another key")
    if name not in names.get_values_for_type(x509.DNSName):
        raise BadFormat("a certificate for another name")
    return found


# --- hub ----------------------------------------------------------------------------


def take_request(session: Session, installation: Installation, node: Node, asked: dict[str, Any]) -> dict[str, Any]:
    """What a box is told: the domain, and its chain as far as there is one. Keeps the request in `csr`. Raises BadFormat."""
    domain, csr = installation.settings.box_domain, asked.get("csr")
    if not domain:
        return {"domain": None, "chain": None}
    row = session.get(BoxCertificate, node.uid)
    if csr is not None:
        if not isinstance(csr, str) or len(csr) > MOST_REQUEST_BYTES:
            raise BadFormat("a request is text")
        name = f"{node.name}.{domain}"
        read_request(csr, name)
        if row is None:
            row = BoxCertificate(node_uid=node.uid, name=name, csr=csr, chain=None, not_after_ms=None, due_ms=0)
            session.add(row)
        elif (row.csr, row.name) != (csr, name):  # a new key or domain: the old chain fits it no more
            row.csr, row.name, row.chain, row.not_after_ms = csr, name, None, None
            # Not at once: a box that asks anew all the time would use up what an authority makes for the whole domain.
            row.due_ms = min(row.due_ms, clock.now_ms() + AGAIN_MS)
        session.flush()
    return {"domain": domain, "chain": row.chain if row is not None and csr is not None else None}


def begin_due(session: Session) -> list[str]:
    """The boxes in use whose certificate is to be made now, by the hub's clock. One that fails is due again in an hour:
    authorities count failures.
    """
    now_ms = clock.now_ms()
    in_use = (Node.revoked_on.is_(None), Node.ended_on.is_(None))
    found = select(BoxCertificate).join(Node, Node.uid == BoxCertificate.node_uid).where(*in_use)
    rows = session.scalars(found.where(BoxCertificate.due_ms <= now_ms).order_by(BoxCertificate.node_uid)).all()
    for row in rows:
        row.due_ms = now_ms + AGAIN_MS
    session.flush()
    return [row.node_uid for row in rows]


def keep(session: Session, node_uid: str, csr: str, pem: str) -> None:
    """Keep a chain that was made for this request; the next is due when a third of its time is left. Raises CertificateNotMade."""
    row = session.get_one(BoxCertificate, node_uid, with_for_update=True)
    if row.csr != csr:
        return  # asked for anew meanwhile
    now_ms = clock.now_ms()
    try:
        found = read_chain(pem, read_request(csr, row.name).public_key(), row.name)
    except BadFormat as error:
        raise CertificateNotMade(error.detail) from error
    begins_ms, ends_ms = (int(at.timestamp() * 1000) for at in (found.not_valid_before_utc, found.not_valid_after_utc))
    if ends_ms <= now_ms:
        raise CertificateNotMade("it has run out already")
    row.chain, row.not_after_ms, row.due_ms = pem, ends_ms, max(now_ms, ends_ms - (ends_ms - begins_ms) // 3)
    session.flush()


# --- node ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Files:
    """Where nginx finds them: EDUHUB_TLS_CERTIFICATE and EDUHUB_TLS_KEY name these."""

    chain: Path
    key: Path


def files(installation: Installation) -> Files:
    """The two files of this box."""
    folder = installation.settings.data_dir / "tls"
    return Files(folder / "chain.pem", folder / "key.pem")


def ask(installation: Installation, link: Link, name: str) -> bool:
    """Ask the hub for this box's certificate, and install what fits. Whether a new one was installed.

    Raises LinkDown, NodeRefused; BadFormat for what does not fit, and then the one before stays.
    """
    domain = link.post_json(f"{PREFIX}/certificate", {}).get("domain")
    if domain is None:
        return False
    if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain):
        raise BadFormat("not a domain")
    key, full_name = _key(files(installation).key), f"{name}.{domain}"
    chain = link.post_json(f"{PREFIX}/certificate", {"csr": _request(installation, key, full_name)}).get("chain")
    if chain is None:
        return False
    if not isinstance(chain, str) or len(chain) > MOST_CHAIN_BYTES:
        raise BadFormat("a chain is text")
    read_chain(chain, key.public_key(), full_name)
    return _write(files(installation).chain, chain.encode("ascii"), 0o644)


def ask_over_own_line(installation: Installation, url: str, node: Node) -> None:
    """The same over a line of its own. An older hub does not know the question."""
    try:
        with Link(url, node_uid=node.uid, key=installation.keys.node_signing) as link:
            if ask(installation, link, node.name):
                log.info("a new certificate is here")
    except EduHubError as error:
        log.info("no certificate for now", error_code=error.code, detail=error.detail[:200])


def _key(file: Path) -> ec.EllipticCurvePrivateKey:
    """This box's TLS key, made at the first call."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, exist_ok=True)
        made = ec.generate_private_key(ec.SECP256R1())
        _write(file, made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ), 0o600)  # fmt: skip
    found = serialization.load_pem_private_key(file.read_bytes(), None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise BadFormat("the key of this box is of another kind")
    return found


def _request(installation: Installation, key: ec.EllipticCurvePrivateKey, name: str) -> str:
    """The request for a name, the same as long as key and name are: it is written down, because its signature is random."""
    file = files(installation).key.with_name("request.pem")
    try:
        kept = file.read_text(encoding="ascii")
        if read_request(kept, name).public_key() == key.public_key():
            return kept
    except (FileNotFoundError, UnicodeDecodeError, BadFormat):
        pass
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if len(name) <= 64 else []))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(file, made.public_bytes(serialization.Encoding.PEM), 0o600)
    return file.read_text(encoding="ascii")


def _write(file: Path, payload: bytes, mode: int) -> bool:
    """Write, sync, rename, sync the folder. False where the same stands there already."""
    if file.exists() and file.read_bytes() == payload:
        return False
    new = file.with_suffix(f".{os.getpid()}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
        out.write(payload)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True
