"""A box shows the certificate that its hub had made, by a real nginx, to a client that checks it; a renewed one without a restart."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from eduhub import clock
from eduhub.installation import Installation, open_installation
from eduhub.ops import nginx, serve
from eduhub.sync.boxes import certificates, joining
from eduhub.sync.link import Link
from eduhub.sync.models import BoxCertificate
from tests.ops.serving import Served
from tests.sync.world import Hub

pytestmark = [
    pytest.mark.any_engine,
    pytest.mark.processes, pytest.mark.skipif(nginx.program() is None, reason="nginx is not installed: it cannot speak TLS")
]  # fmt: skip
NAME = "shuanghu-3.boxes.example.org"


class Authority:
    """What stands in the place of a public one: it signs what a hub asks it to."""

    def __init__(self) -> None:
        self._key, self._name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority")])
        self.certificate = self._signed(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))

    def _signed(self, name: x509.Name, public: ec.EllipticCurvePublicKey, *more: x509.ExtensionType) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(clock.now() - timedelta(days=1))
            .not_valid_after(clock.now() + timedelta(days=89))
        )  # fmt: skip
        for extension in more:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())

    def certify(self, csr: str) -> str:
        """The chain for a request, as the command writes it."""
        asked = x509.load_pem_x509_csr(csr.encode())
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        public = asked.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return self._signed(asked.subject, public, names).public_bytes(serialization.Encoding.PEM).decode()


def shown(port: int, authority: Path) -> bytes:
    """The certificate that is shown to a client which believes this authority and wants this name."""
    context = ssl.create_default_context(cafile=str(authority))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, context.wrap_socket(plain, server_hostname=NAME) as secure:
        return secure.getpeercert(binary_form=True) or b""


def fetch(hub: Hub, box: Installation, node_uid: str, authority: Authority) -> None:
    """The box asks, the hub's job signs, the box asks again and installs."""
    with Link("http://hub.test", node_uid=node_uid, key=box.keys.node_signing, transport=hub.wire) as link:
        certificates.ask(box, link, "shuanghu-3")
        with hub.here.database.write() as session:
            csr = session.get_one(BoxCertificate, node_uid).csr
            certificates.keep(session, node_uid, csr, authority.certify(csr))
        assert certificates.ask(box, link, "shuanghu-3")


def test_a_browser_believes_the_box_and_a_renewed_certificate_is_taken_up(
    make_installation: Callable[..., Installation], served: Callable[..., Served], tmp_path: Path
) -> None:
    hub = Hub(make_installation(role="hub", box_domain="boxes.example.org"))
    authority, believed = Authority(), tmp_path / "authority.pem"
    believed.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    box = make_installation(role="node")
    node_uid = joining.join(box, "http://hub.test", hub.code(hub.school("Shuanghu")), transport=hub.wire).uid
    fetch(hub, box, node_uid, authority)
    files = certificates.files(box)
    run = served(web_server="nginx", role="node", public_url=f"https://{NAME}", tls_certificate=str(files.chain), tls_key=str(files.key))
    run.wait_for_address()
    first = shown(run.settings.port, believed)
    assert x509.load_der_x509_certificate(first) == x509.load_pem_x509_certificate(files.chain.read_bytes())

    here = open_installation(replace(run.settings))
    watch = serve.Watch(here, lambda: None)
    fetch(hub, box, node_uid, authority)
    watch.look_at_certificate()
    ends = clock.monotonic_s() + 20
    while shown(run.settings.port, believed) == first:
        assert clock.monotonic_s() < ends
        clock.sleep_s(0.1)
    here.database.close()
