"""TLS of a hub, as a box with a wrong clock meets it: dates do not count, chain and name do."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from werkzeug.serving import make_server

from eduhub.errors import LinkDown
from eduhub.installation import Installation
from eduhub.sync import rounds
from eduhub.sync.boxes import joining
from tests.sync.world import Hub, app_of

NOW, LONG_AGO, FAR_AHEAD = (2020, 2100), (1980, 1990), (2150, 2160)


class Authority:
    """An authority of these tests, and what it certifies."""

    def __init__(self, years: tuple[int, int] = NOW) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "County authority")])
        self.certificate = self._made(self._name, self._key, years, x509.BasicConstraints(ca=True, path_length=None))

    def _made(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, years: tuple[int, int], *more: x509.ExtensionType) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(datetime(years[0], 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(years[1], 1, 1, tzinfo=UTC))
        )  # fmt: skip
        for extension in more:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())

    def certify(self, folder: Path, years: tuple[int, int], *, address: str = "127.0.0.1") -> ssl.SSLContext:
        """What a server at `address` shows, good between the beginnings of two years."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._made(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")]), key, years,
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]),
        )  # fmt: skip
        chain, secret = folder / "chain.pem", folder / "key.pem"
        chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ))  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, secret)
        return context


@contextmanager
def serving(hub: Hub, tls: ssl.SSLContext) -> Iterator[str]:
    """The hub over real TLS, at the address that is given."""
    server = make_server("127.0.0.1", 0, app_of(hub.here), threaded=True)
    # Each connection shakes hands in a thread of its own: boxes open some ahead, and say nothing on them for a while.
    server.socket, server.ssl_context = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False), tls
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(20)
        server.server_close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Authority]:
    """`authority(years)`: one that this machine trusts."""

    def make(years: tuple[int, int] = NOW) -> Authority:
        made = Authority(years)
        file = tmp_path / "authorities.pem"
        file.write_bytes(made.certificate.public_bytes(serialization.Encoding.PEM))
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        return made

    return make


@pytest.mark.parametrize(("of_authority", "of_hub"), [(NOW, NOW), (NOW, LONG_AGO), (NOW, FAR_AHEAD), (LONG_AGO, LONG_AGO), (FAR_AHEAD, FAR_AHEAD)])
def test_a_box_joins_and_fetches_whatever_its_clock_makes_of_the_certificates_dates(
    hub: Hub, box: Installation, authority: Callable[..., Authority], tmp_path: Path, of_authority: tuple[int, int],
    of_hub: tuple[int, int],
) -> None:  # fmt: skip
    school = hub.school("Shuanghu", children=1)
    hub.lesson(hub.course(hub.region, groups=(school,)))
    tls = authority(of_authority).certify(tmp_path, of_hub)
    with serving(hub, tls) as address:
        assert joining.join(box, address, hub.code(school)).name == "shuanghu-3"
        assert rounds.run(box, on_progress=lambda _share: None).fetched.parts > 0  # the fetcher's own connections too


def test_a_certificate_for_another_name_is_refused_before_the_code_is_said(
    hub: Hub, box: Installation, authority: Callable[..., Authority], tmp_path: Path
) -> None:
    code = hub.code(hub.school("Shuanghu"))
    with (
        serving(hub, authority().certify(tmp_path, LONG_AGO, address="127.0.0.9")) as address,
        pytest.raises(LinkDown, match=r"(?i)certificate"),
    ):
        joining.join(box, address, code)
    assert hub.join(box, hub.school("Another"), "other-1")  # nothing was kept


def test_an_authority_that_this_machine_does_not_know_is_refused(
    hub: Hub, box: Installation, authority: Callable[..., Authority], tmp_path: Path
) -> None:
    authority()
    with serving(hub, Authority().certify(tmp_path, NOW)) as address, pytest.raises(LinkDown, match=r"(?i)certificate"):
        joining.join(box, address, hub.code(hub.school("Shuanghu")))
