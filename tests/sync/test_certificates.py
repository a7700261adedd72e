"""A box gets a TLS certificate: its key stays at home, a real authority signs in the command's place, what does not fit is refused."""

import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from eduhub import clock
from eduhub.errors import BadFormat, CertificateNotMade
from eduhub.installation import Installation, JobContext
from eduhub.jobs.models import JobRow
from eduhub.ops import certify_job
from eduhub.sync.boxes import certificates, nodes
from eduhub.sync.link import Link
from eduhub.sync.models import BoxCertificate
from tests.sync.world import WEDNESDAY_MS, Hub

NAME = "shuanghu-3.boxes.example.org"
DAY_MS = 86_400_000
# The command: an authority that signs what it is given, for so many days; a word makes it go wrong.
AUTHORITY = '''
import datetime, os, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
days, how, asked, made = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
if how == "fails":
    sys.exit("the DNS server did not answer")
if how == "silent":
    sys.exit(0)
csr = x509.load_pem_x509_csr(open(asked, "rb").read())
key = ec.generate_private_key(ec.SECP256R1())
issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of tests")])
names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
if how == "other_name":
    names = x509.SubjectAlternativeName([x509.DNSName("elsewhere.example.org")])
public = ec.generate_private_key(ec.SECP256R1()).public_key() if how == "other_key" else csr.public_key()
begins = datetime.datetime.fromtimestamp(int(os.environ.get("EDUHUB_TEST_NOW_S", "0")) or 1795582800, tz=datetime.UTC)
leaf = (x509.CertificateBuilder().subject_name(csr.subject).issuer_name(issuer).public_key(public)
        .serial_number(x509.random_serial_number()).not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=days)).add_extension(names, critical=False).sign(key, hashes.SHA256()))
open(made, "wb").write(leaf.public_bytes(serialization.Encoding.PEM))
'''


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., str]:
    """`command(days, how)`: the setting that calls the authority."""
    file = tmp_path / "authority.py"
    file.write_text(AUTHORITY)
    return lambda days=90, how="signs": f"{sys.executable} '{file}' {days} {how}"


@pytest.fixture
def make_hub(make_installation: Callable[..., Installation]) -> Callable[[str], Hub]:
    """`make_hub(command)`: a hub with a domain for its boxes."""

    def make(command: str) -> Hub:
        clock.freeze(WEDNESDAY_MS)
        return Hub(make_installation(role="hub", box_domain="boxes.example.org", certificate_command=command))

    return make


def ask(hub: Hub, box: Installation) -> bool:
    with box.database.read() as session:
        found = nodes_here(session)
    with Link("http://hub.test", node_uid=found[0], key=box.keys.node_signing, transport=hub.wire) as link:
        return certificates.ask(box, link, found[1])


def nodes_here(session: object) -> tuple[str, str]:
    from eduhub.sync.boxes import joining

    node = joining.own_node(session)  # type: ignore[arg-type]
    assert node is not None
    return node.uid, node.name


def make_due(hub: Hub) -> int:
    """What the hub's worker does; returns how many were made."""
    context = JobContext(hub.here, "", lambda _share: None)
    certify_job.begin_due(context)
    with hub.here.database.write() as session:
        rows = session.scalars(select(JobRow).where(JobRow.kind == certify_job.KIND, JobRow.state == "waiting")).all()
        for row in rows:
            row.state, row.dedupe = "done", None
        wanted = [row.args["node_uid"] for row in rows]
    for node_uid in wanted:
        certify_job.make(context, node_uid)
    return len(wanted)


def leaf(box: Installation) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificates.files(box).chain.read_bytes())


def test_a_box_gets_a_certificate_for_its_name_and_its_key_never_leaves_it(
    make_hub: Callable[[str], Hub], box: Installation, command: Callable[..., str]
) -> None:
    hub = make_hub(command())
    hub.join(box, hub.school("Shuanghu"))
    assert not ask(hub, box)  # it is being made
    assert make_due(hub) == 1
    assert ask(hub, box)
    assert not ask(hub, box)  # the same as before
    found, key = leaf(box), certificates.files(box).key
    assert found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == [NAME]
    own = serialization.load_pem_private_key(key.read_bytes(), None)
    assert found.public_key() == own.public_key()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_text().splitlines()[1]
    with hub.here.database.read() as session:
        assert secret not in session.scalars(select(BoxCertificate.csr)).one()
    assert make_due(hub) == 0


def test_it_is_renewed_when_a_third_of_its_time_is_left_by_the_hubs_clock(
    make_hub: Callable[[str], Hub], box: Installation, command: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = make_hub(command(90))
    hub.join(box, hub.school("Shuanghu"))
    ask(hub, box)
    make_due(hub)
    ask(hub, box)
    before = leaf(box)
    clock.freeze(WEDNESDAY_MS + 59 * DAY_MS)
    assert make_due(hub) == 0
    clock.freeze(WEDNESDAY_MS + 61 * DAY_MS)
    monkeypatch.setenv("EDUHUB_TEST_NOW_S", str(clock.now_ms() // 1000))
    assert make_due(hub) == 1
    clock.freeze(0)  # the box's own clock has no part in it
    assert ask(hub, box)
    assert leaf(box).not_valid_after_utc > before.not_valid_after_utc
    assert leaf(box).public_key() == before.public_key()


@pytest.mark.parametrize("how", ["fails", "silent", "other_name", "other_key"])
def test_what_goes_wrong_leaves_the_old_one_and_is_tried_again_after_an_hour(
    make_hub: Callable[[str], Hub], box: Installation, command: Callable[..., str], how: str
) -> None:
    hub = make_hub(command(90, how))
    hub.join(box, hub.school("Shuanghu"))
    ask(hub, box)
    with pytest.raises(CertificateNotMade):
        make_due(hub)
    assert not ask(hub, box)
    assert not certificates.files(box).chain.exists()
    assert make_due(hub) == 0
    clock.freeze(WEDNESDAY_MS + certificates.AGAIN_MS + 1)
    with pytest.raises(CertificateNotMade):
        make_due(hub)


def test_a_chain_that_does_not_fit_is_not_installed(make_hub: Callable[[str], Hub], box: Installation, command: Callable[..., str]) -> None:
    hub = make_hub(command())
    node_uid = hub.join(box, hub.school("Shuanghu"))
    ask(hub, box)
    make_due(hub)
    ask(hub, box)
    before = certificates.files(box).chain.read_bytes()
    stranger = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder().subject_name(leaf(box).subject).issuer_name(leaf(box).issuer).public_key(stranger.public_key())
        .serial_number(1).not_valid_before(leaf(box).not_valid_before_utc).not_valid_after(leaf(box).not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False).sign(stranger, hashes.SHA256())
    )  # fmt: skip
    with hub.here.database.write() as session:
        session.get_one(BoxCertificate, node_uid).chain = made.public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(BadFormat):
        ask(hub, box)
    assert certificates.files(box).chain.read_bytes() == before


@pytest.mark.parametrize("asked", ["x", "-----BEGIN CERTIFICATE REQUEST-----\n!\n-----END CERTIFICATE REQUEST-----", "é", "x" * 9000, 7])
def test_what_is_no_request_for_the_boxes_own_name_is_refused(
    make_hub: Callable[[str], Hub], box: Installation, command: Callable[..., str], asked: object
) -> None:
    hub = make_hub(command())
    node_uid = hub.join(box, hub.school("Shuanghu"))
    with Link("http://hub.test", node_uid=node_uid, key=box.keys.node_signing, transport=hub.wire) as link, pytest.raises(BadFormat):
        link.post_json("/sync/v1/certificate", {"csr": asked})


def test_nobody_asks_for_anothers_name(make_hub: Callable[[str], Hub], make_box: Callable[[], Installation], command: Callable[..., str]) -> None:
    hub, first, second = make_hub(command()), make_box(), make_box()
    school = hub.school("Shuanghu")
    hub.join(first, school, "shuanghu-1")
    uid = hub.join(second, school, "shuanghu-2")
    with Link("http://hub.test", node_uid=uid, key=second.keys.node_signing, transport=hub.wire) as link, pytest.raises(BadFormat):
        certificates.ask(second, link, "shuanghu-1")


def request_for(name: str, *, common_name: str = "", organisation: str = "", extension: x509.ExtensionType | None = None) -> str:
    """A request with more in it than a box of ours writes."""
    subject = [(NameOID.COMMON_NAME, common_name), (NameOID.ORGANIZATION_NAME, organisation)]
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(*part) for part in subject if part[1]]))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    made = made if extension is None else made.add_extension(extension, critical=True)
    return made.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize("more", [
    {"common_name": "hub.example.org"}, {"common_name": "shuanghu-1.boxes.example.org"}, {"common_name": NAME, "organisation": "County"},
    {"extension": x509.BasicConstraints(ca=True, path_length=None)},
])  # fmt: skip
def test_nothing_else_is_asked_for_in_the_subject_of_a_request_or_beside_it(
    make_hub: Callable[[str], Hub], box: Installation, command: Callable[..., str], more: dict[str, Any]
) -> None:
    hub = make_hub(command())
    node_uid = hub.join(box, hub.school("Shuanghu"))
    with Link("http://hub.test", node_uid=node_uid, key=box.keys.node_signing, transport=hub.wire) as link:
        with pytest.raises(BadFormat):
            link.post_json("/sync/v1/certificate", {"csr": request_for(NAME, **more)})
        link.post_json("/sync/v1/certificate", {"csr": request_for(NAME)})


def test_the_program_reads_the_request_that_was_checked_and_nothing_that_stood_beside_it(
    make_hub: Callable[[str], Hub], box: Installation, command: Callable[..., str], tmp_path: Path
) -> None:
    seen = tmp_path / "seen.pem"
    hub = make_hub(f"{sys.executable} -c 'import sys; open(\"{seen}\", \"w\").write(open(sys.argv[1]).read())'")
    node_uid = hub.join(box, hub.school("Shuanghu"))
    asked = request_for(NAME)
    with Link("http://hub.test", node_uid=node_uid, key=box.keys.node_signing, transport=hub.wire) as link:
        link.post_json("/sync/v1/certificate", {"csr": f"for the program\n{asked}{request_for('hub.example.org')}"})
    with pytest.raises(CertificateNotMade):
        make_due(hub)
    assert seen.read_text() == asked


def test_a_box_that_asks_anew_all_the_time_gets_one_an_hour(
    make_hub: Callable[[str], Hub], box: Installation, command: Callable[..., str]
) -> None:
    hub = make_hub(command())
    node_uid = hub.join(box, hub.school("Shuanghu"))
    made = 0
    for minute in range(0, 180, 5):
        clock.freeze(WEDNESDAY_MS + minute * 60_000)
        with Link("http://hub.test", node_uid=node_uid, key=box.keys.node_signing, transport=hub.wire) as link:
            link.post_json("/sync/v1/certificate", {"csr": request_for(NAME)})
        made += make_due(hub)
    assert 1 <= made <= 3


def test_a_hub_without_a_domain_gives_none_and_a_box_that_was_shut_out_gets_none(
    hub: Hub, make_hub: Callable[[str], Hub], make_box: Callable[[], Installation], command: Callable[..., str]
) -> None:
    plain, box = make_box(), make_box()
    hub.join(plain, hub.school("Nyima"))
    assert not ask(hub, plain)
    assert not certificates.files(plain).key.exists()
    other = make_hub(command())
    node_uid = other.join(box, other.school("Shuanghu"))
    ask(other, box)
    with other.here.database.write() as session:
        nodes.revoke(session, other.here, node_uid, "2026-11-25")
    assert make_due(other) == 0
