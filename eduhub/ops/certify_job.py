"""Hub: the jobs that have boxes' certificates made, by the program that EDUHUB_CERTIFICATE_COMMAND names. See docs/box-certificates.md.

The program is called with two more arguments: a file with the request, and the file in which the chain is expected.
"""

import shlex
import subprocess
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from eduhub.errors import BadFormat, CertificateNotMade
from eduhub.installation import JobContext
from eduhub.jobs import queue
from eduhub.sync.boxes import certificates, joining
from eduhub.sync.models import BoxCertificate

KIND = "sync.certify"
TAKES_AT_MOST_S = 900  # a DNS record has to be seen all over the world
_SAID_BYTES = 300


def begin_due(context: JobContext) -> None:
    """Hub: have every certificate made that is due."""
    with context.installation.database.write() as session:
        for node_uid in certificates.begin_due(session):
            queue.enqueue(session, KIND, {"node_uid": node_uid}, dedupe=f"{KIND}:{node_uid}", priority=40, max_attempts=1)


def make(context: JobContext, node_uid: str) -> None:
    """Hub: have one made. Raises CertificateNotMade; the one before stays, and the next hour tries again."""
    here = context.installation
    with here.database.read() as session:
        row = session.get_one(BoxCertificate, node_uid)
        csr, name = row.csr, row.name
    try:  # written anew, so that the program reads in it what was checked, and nothing beside it
        checked = certificates.read_request(csr, name).public_bytes(Encoding.PEM)
    except BadFormat as error:
        raise CertificateNotMade(error.detail) from error
    with tempfile.TemporaryDirectory(dir=here.settings.data_dir / "work", prefix="certificate-") as folder:
        asked, made = Path(folder) / "request.pem", Path(folder) / "chain.pem"
        asked.write_bytes(checked)
        _run([*shlex.split(here.settings.certificate_command), str(asked), str(made)], Path(folder))
        try:
            pem = made.read_bytes()[: certificates.MOST_CHAIN_BYTES].decode("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise CertificateNotMade("the program has written no chain") from error
    with here.database.write() as session:
        context.hold(session)
        certificates.keep(session, node_uid, csr, pem)


def _run(arguments: list[str], folder: Path) -> None:
    if len(arguments) < 3:
        raise CertificateNotMade("EDUHUB_CERTIFICATE_COMMAND is empty")
    try:
        done = subprocess.run(arguments, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=TAKES_AT_MOST_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CertificateNotMade(f"{type(error).__name__}: {error}"[:_SAID_BYTES]) from error
    if done.returncode != 0:
        raise CertificateNotMade(f"it ended with {done.returncode}: {done.stderr[-_SAID_BYTES:].decode('utf-8', 'replace')}")


def fetch(context: JobContext) -> None:
    """Node: ask whether there is a certificate for this box."""
    with context.installation.database.read() as session:
        upstream, node = joining.own(session)
    if node is not None and upstream is not None:
        certificates.ask_over_own_line(context.installation, upstream.url, node)
