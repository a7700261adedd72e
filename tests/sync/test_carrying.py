"""Ranges over connections: to servers that answer in order, and to whatever else stands at the end of a line."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from eduhub import clock
from eduhub.errors import JobCancelled, LinkDown
from eduhub.sync.fetching import connection, transfer
from eduhub.sync.fetching.address import Address, Place
from eduhub.sync.fetching.pace import Pace
from eduhub.sync.fetching.transfer import Transfer
from tests.ports import free_port
from tests.sync.lines import Asked, Hours, Server, Shelf, answer, part
from tests.sync.world import noise

PARTS = {f"/p/{number}": noise(f"part {number}", 5_000) for number in range(12)}
Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(answer)`: a server that answers so, until the test ends."""
    made: list[Server] = []

    def run(*given: object, **named: object) -> Server:
        made.append(Server(*given, **named))  # type: ignore[arg-type]
        return made[-1]

    yield run
    for server in made:
        server.close()


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    found = Hours()
    monkeypatch.setattr(clock, "monotonic_s", found)
    return found


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_TRIES", 3)


def good(asked: Asked) -> bytes:
    return part(PARTS[asked.path], asked)


def all_of(parts: dict[str, bytes]) -> list[tuple[str, int, int]]:
    return [(path, 0, len(payload)) for path, payload in parts.items()]


def own_authority(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side of TLS for this machine, and the side of a box that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a county")])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    ).public_bytes(Encoding.PEM)  # fmt: skip
    both = folder / "county.pem"
    both.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(both)
    return serving, ssl.create_default_context(cadata=certificate.decode())


def carried(server: Server, shelf: Shelf, patience_s: float = 60) -> Shelf:
    with Transfer(server.url, patience_s=patience_s) as carrier:
        carrier.run(shelf)
    return shelf


def test_every_part_comes_once_over_two_connections(serve: Serve) -> None:
    server = serve(good)
    assert carried(server, Shelf(all_of(PARTS))).came == PARTS
    assert len(server.asked) == len(PARTS)
    assert server.accepted == 2


def test_a_box_asks_to_be_told_of_each_part_only_what_it_needs(serve: Serve) -> None:
    server = serve(good)
    carried(server, Shelf(all_of(PARTS)))
    assert all("\r\nprefer: return=minimal\r\n" in asked.head for asked in server.asked)


def test_parts_come_over_tls_from_whom_the_box_trusts_and_from_nobody_else(serve: Serve, tmp_path: Path) -> None:
    serving, trusted = own_authority(tmp_path)
    server = serve(good, tls=serving)
    with Transfer(server.url, tls=trusted) as carrier:
        carrier.run(shelf := Shelf(all_of(PARTS)))
    assert shelf.came == PARTS
    assert server.accepted == 2
    with pytest.raises(LinkDown, match="CERTIFICATE_VERIFY_FAILED"), Transfer(server.url, patience_s=0.5) as carrier:
        carrier.run(Shelf(all_of(PARTS)))


def test_a_hub_below_a_path_is_asked_there(serve: Serve) -> None:
    server = serve(lambda asked: part(PARTS[asked.path.removeprefix("/county")], asked))
    with Transfer(f"{server.url}/county/") as carrier:
        carrier.run(shelf := Shelf(all_of(PARTS)))
    assert shelf.came == PARTS


@pytest.mark.parametrize(
    "bad",
    [
        None,
        b"Welcome to the hotel\r\n\r\n",
        answer(206, b"", **{"Content-Range": "bytes 0-4999/5000"}),
        answer(206, b"x", **{"Content-Range": "bytes 7-7/5000"}),
        answer(503, b"resting", **{"Retry-After": "0"}),
        answer(503, b"resting"),
    ],
    ids=["hangs up", "garbage", "an empty 206", "other bytes", "503 at once", "503"],
)
def test_a_server_that_only_answers_wrong_is_no_link_and_is_not_asked_all_the_time(serve: Serve, bad: bytes | None) -> None:
    server = serve(lambda _asked: bad)
    with pytest.raises(LinkDown):
        carried(server, Shelf(all_of(PARTS)), patience_s=1.5)
    assert len(server.asked) < 30


@pytest.mark.usefixtures("few_tries")
@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (answer(500, b"{}"), 500),
        (answer(206, b"", **{"Content-Range": "bytes 0-4999/5000"}), 206),
        (answer(206, b"x", **{"Content-Range": "bytes 7-7/5000"}), 502),
        (answer(206, b"x", **{"Content-Range": "bytes 0-4999/0"}), 502),
        (None, 502),
    ],
    ids=["fails", "empty", "other bytes", "a total that cannot be", "hangs up"],
)
def test_one_part_that_cannot_be_had_is_given_up_and_all_others_come(serve: Serve, bad: bytes | None, status: int) -> None:
    server = serve(lambda asked: bad if asked.path == "/p/3" else good(asked))
    shelf = carried(server, Shelf(all_of(PARTS)))
    assert shelf.refused == [("/p/3", status)]
    assert shelf.came == {path: payload for path, payload in PARTS.items() if path != "/p/3"}


def test_a_stop_is_heard_while_nothing_comes(serve: Serve) -> None:
    server = serve(lambda _asked: b"")

    def stop() -> None:
        if server.asked:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        carried(server, Shelf(all_of(PARTS), on_turn=stop))


def test_a_warm_connection_of_which_nothing_was_asked_is_not_taken_for_dead(serve: Serve, hours: Hours) -> None:
    server = serve(good)
    with Transfer(server.url) as carrier:
        carrier.run(Shelf(all_of(PARTS)))
        hours.more_s += 60
        carrier.run(Shelf(all_of(PARTS)))
        assert carrier.counted.replaced == 0
    assert server.accepted == 2


def test_a_slow_disk_here_is_not_taken_for_a_silent_link(serve: Serve, hours: Hours) -> None:
    def write_slowly() -> None:
        hours.more_s += 20

    server = serve(good)
    with Transfer(server.url) as carrier:
        carrier.run(Shelf(all_of(PARTS), on_take=write_slowly))
        assert (carrier.counted.replaced, carrier.counted.opened) == (0, 2)


def test_outages_do_not_turn_off_asking_for_two_ranges_at_once(serve: Serve, hours: Hours) -> None:
    answers, dead, together = 3, 0, list[int]()

    def reply(asked: Asked) -> bytes:
        nonlocal answers, dead
        if asked.connection <= dead:
            return b""
        if not answers:  # an outage: all connections that there are say nothing more, and that is known soon
            answers, dead = 3, server.accepted
            together.append(server.together)
            hours.more_s += 4
            return b""
        answers -= 1
        return good(asked)

    server = serve(reply)
    with Transfer(server.url) as carrier:
        carrier.run(shelf := Shelf(all_of(PARTS)))
        assert carrier.counted.replaced >= 2
    assert shelf.came == PARTS
    assert max(together[1:]) >= 2


def sent_in(block: int, every_s: float, payload: bytes, asked: Asked) -> Iterator[bytes]:
    """An answer as over a link that carries so many bytes at a time."""
    whole = part(payload, asked)
    for at in range(0, len(whole), block):
        time.sleep(every_s)
        yield whole[at : at + block]


# A sender that takes the link for a slow one, and one that does not.
crawling, paced = partial(sent_in, 1_000, 0.06), partial(sent_in, 20_000, 0.02)


def test_who_crawls_at_the_end_gives_the_rest_to_those_with_nothing_to_do(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "monotonic_s", Hours(speed=10))
    parts = {f"/p/{number}": noise(f"a part {number}", 100_000) for number in range(6)}
    server = serve(lambda asked: (crawling if asked.connection == 1 else paced)(parts[asked.path], asked))
    with Transfer(server.url) as carrier:
        carrier.run(shelf := Shelf(all_of(parts)))
        assert carrier.counted.replaced >= 1
    assert shelf.came == parts
    again = [asked for asked in server.asked if asked.first > 0]
    assert again
    assert 1 not in {asked.connection for asked in again}


@pytest.mark.parametrize(("round_trip_s", "lines"), [(0.01, 2), (0.15, 4), (0.6, 6)])
@pytest.mark.parametrize("is_tls", [False, True])
def test_the_longer_a_round_trip_the_more_connections_are_kept_of_those_that_were_opened_ahead(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, round_trip_s: float, lines: int, is_tls: bool
) -> None:
    monkeypatch.setattr(connection, "_round_trip_s", lambda _opened: round_trip_s)
    serving, trusting = own_authority(tmp_path)
    server = serve(lambda asked: paced(PARTS[asked.path], asked), serving if is_tls else None)
    with Transfer(server.url, tls=trusting if is_tls else None) as carrier:
        carrier.open_ahead()
        carrier.run(shelf := Shelf(all_of(PARTS)))
        assert len(carrier._lines) == lines
        assert carrier.counted.opened == 6
        carrier.run(Shelf(all_of(PARTS)))
        carrier.open_ahead()
        assert carrier.counted.opened == 6
    assert shelf.came == PARTS


def test_under_a_low_ceiling_no_more_connections_share_it_than_it_can_keep_busy() -> None:
    def at(kbit_s: float | None) -> int:
        return Pace(lambda: kbit_s).connections(6, 2)

    assert [at(kbit_s) for kbit_s in (None, 1_000, 128, 64, 8, 0)] == [6, 6, 3, 2, 2, 2]


def test_who_is_alone_on_a_slow_link_is_no_straggler(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "monotonic_s", Hours(speed=10))
    parts = {"/p/0": noise("a part", 12_000)}
    server = serve(lambda asked: crawling(parts[asked.path], asked))
    with Transfer(server.url) as carrier:
        carrier.run(shelf := Shelf(all_of(parts)))
        assert carrier.counted.replaced == 0
    assert shelf.came == parts
    assert len(server.asked) == 1


def test_bytes_that_all_came_are_not_asked_for_again_when_only_the_end_of_the_answer_is_lost(serve: Serve) -> None:
    def without_an_end(asked: Asked) -> bytes:
        payload = PARTS[asked.path]
        span = f"Content-Range: bytes 0-{len(payload) - 1}/{len(payload)}"
        return f"HTTP/1.1 206 X\r\n{span}\r\nTransfer-Encoding: chunked\r\n\r\n{len(payload):x}\r\n".encode() + payload + b"\r\n"

    def hang_up() -> None:
        if shelf.came == wanted:
            server.hang_up()

    server = serve(without_an_end)
    wanted = {"/p/0": PARTS["/p/0"]}
    shelf = Shelf(all_of(wanted), on_turn=hang_up)
    assert carried(server, shelf).ended == ["/p/0"]
    assert len(server.asked) == 1


def test_a_thing_that_ignores_ranges_sends_nothing_twice(serve: Serve) -> None:
    server = serve(lambda _asked: answer(200, noise("whole", 900_000)))
    shelf = carried(server, Shelf([("/p/0", 1_000, 5_000)]))
    assert shelf.refused == [("/p/0", 200)]
    assert len(server.asked) == 1


def test_a_pause_that_is_no_number_is_passed_over(serve: Serve) -> None:
    rests = iter([answer(503, b"", **{"Retry-After": "²"})])
    server = serve(lambda asked: next(rests, None) or good(asked))
    assert carried(server, Shelf(all_of(PARTS))).came == PARTS


def test_a_host_of_which_the_first_address_is_dead_is_reached_by_the_second(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(good)
    looked_up: list[str] = []

    def places(address: Address) -> list[Place]:
        looked_up.append(address.host)
        return [Place(socket.AF_INET, ("127.0.0.1", port)) for port in (free_port(), server.port)]

    monkeypatch.setattr(Address, "places", places)
    assert carried(server, Shelf(all_of(PARTS))).came == PARTS
    assert looked_up == ["127.0.0.1"]


def test_why_nothing_comes_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def places(_address: Address) -> list[Place]:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(Address, "places", places)
    with pytest.raises(LinkDown, match=r"hub\.example is not found"), Transfer("http://hub.example", patience_s=0.2) as carrier:
        carrier.run(Shelf(all_of(PARTS)))


def test_a_handshake_that_hangs_keeps_no_processor_busy(serve: Serve) -> None:
    server = serve(good)  # never answers to what is no request
    shelf = Shelf(all_of(PARTS))
    with pytest.raises(LinkDown), Transfer(f"https://127.0.0.1:{server.port}", patience_s=1.0) as carrier:
        carrier.run(shelf)
    assert server.accepted > 0
    assert shelf.turns < 40
