"""The hub's own TLS: a given certificate, plain HTTP led to it, the place for ACME, and a renewal without a restart."""

import http.client
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from eduhub import clock
from eduhub.errors import BadSetting
from eduhub.installation import Installation, open_installation
from eduhub.ops import nginx, serve
from tests.ops.serving import Served
from tests.ports import free_port

pytestmark = [
    pytest.mark.any_engine,
    pytest.mark.processes, pytest.mark.skipif(nginx.program() is None, reason="nginx is not installed: it cannot speak TLS")
]  # fmt: skip


def certify(folder: Path, name: str = "hub.test") -> dict[str, str]:
    """A certificate that was signed by itself, as the settings that name it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=9)).sign(key, hashes.SHA256())
    )  # fmt: skip
    files = {"tls_certificate": folder / "fullchain.pem", "tls_key": folder / "privkey.pem"}
    files["tls_certificate"].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files["tls_key"].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return {setting: str(file) for setting, file in files.items()}


@dataclass(frozen=True)
class Answer:
    """What came back over TLS or without."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    certificate: bytes


def ask(port: int, path: str, *, tls: bool = True, **headers: str) -> Answer:
    """One request; the certificate is looked at and not checked."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context) if tls else (
        http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    )  # fmt: skip
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        shown = connection.sock.getpeercert(binary_form=True) if isinstance(connection.sock, ssl.SSLSocket) else b""
        found = connection.getresponse()
        return Answer(found.status, found.headers, found.read(), shown or b"")
    finally:
        connection.close()


@pytest.fixture
def hub(served: Callable[..., Served], tmp_path: Path) -> Served:
    """A hub that speaks TLS, in processes of its own."""
    run = served(
        web_server="nginx", public_url="https://hub.test", http_port=free_port(), secure_cookies=True, **certify(tmp_path)
    )
    run.wait_for_address()
    return run


def test_the_hub_speaks_tls_itself_and_leads_plain_http_to_it(hub: Served) -> None:
    port, plain = hub.settings.port, hub.settings.http_port
    for path in ("/sign-in", "/static/built/eduhub.css"):
        page = ask(port, path, X_Forwarded_Host="evil.example", X_Forwarded_Proto="http")
        assert page.status == 200
        assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert b"evil" not in page.body
    (cookie,) = (text for text in ask(port, "/sign-in").headers.get_all("Set-Cookie") if "eduhub" in text)
    assert cookie.startswith("__Host-eduhub=")
    for flag in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert flag in cookie

    led = ask(plain, "/lessons/x?a=1", tls=False, Host="evil.example")
    assert (led.status, led.headers["Location"]) == (301, "https://hub.test/lessons/x?a=1")
    assert ask(port, "/sign-in", tls=False).headers["Location"] == "https://hub.test/sign-in"


def test_what_an_acme_client_puts_down_is_answered_and_nothing_else(hub: Served) -> None:
    folder = nginx.webroot(hub.settings) / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "token").write_text("token.thumbprint")
    found = ask(hub.settings.http_port, "/.well-known/acme-challenge/token", tls=False)
    assert (found.status, found.body) == (200, b"token.thumbprint")
    for missing in ("other", "../../nginx.conf", ""):
        assert ask(hub.settings.http_port, f"/.well-known/acme-challenge/{missing}", tls=False).status in {301, 400, 403, 404}


def test_a_renewed_certificate_is_taken_up_without_a_restart(hub: Served, tmp_path: Path) -> None:
    before = ask(hub.settings.port, "/health").certificate
    here = open_installation(hub.settings)
    watch = serve.Watch(here, lambda: None)
    certify(tmp_path)
    os.utime(tmp_path / "fullchain.pem", ns=(1, 1))  # the clock may stand still between the two
    watch.look_at_certificate()
    ends = clock.monotonic_s() + 20
    while ask(hub.settings.port, "/health").certificate == before:
        assert clock.monotonic_s() < ends
        clock.sleep_s(0.1)
    here.database.close()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"tls_key": ""}, "EDUHUB_TLS_KEY"),
        ({"tls_certificate": "/nowhere.pem"}, "EDUHUB_TLS_CERTIFICATE"),
        ({"tls_certificate": "", "tls_key": "", "http_port": 80}, "EDUHUB_TLS_CERTIFICATE"),
        ({"public_url": "http://hub.test"}, "EDUHUB_PUBLIC_URL"),
        ({"web_server": "gunicorn"}, "EDUHUB_WEB_SERVER"),
    ],
)
def test_tls_that_is_set_by_half_stops_the_start(
    make_installation: Callable[..., Installation], tmp_path: Path, changed: dict[str, object], named: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        nginx.stand(make_installation(**({"public_url": "https://hub.test"} | certify(tmp_path) | changed)))
    assert refused.value.facts["setting"] == named


def test_without_nginx_a_hub_with_a_certificate_never_falls_back_to_plain_http(
    make_installation: Callable[..., Installation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nginx, "program", lambda: None)
    with pytest.raises(BadSetting):
        nginx.stand(make_installation(web_server="auto", public_url="https://hub.test", **certify(tmp_path)))
