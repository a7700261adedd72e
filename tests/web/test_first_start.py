"""A box that belongs to nobody joins from a page: who may, what goes wrong in words, and that the page is gone afterwards."""

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import delete, select

from eduhub.accounts.models import AuditEntry
from eduhub.app import create_app
from eduhub.errors import EduHubError, LinkDown
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.ops.handlers import HANDLERS
from eduhub.sync.boxes import first_start, joining, nodes, replacing, typed_hub
from eduhub.sync.link import Link
from eduhub.uids import new_uid
from tests.in_a_thread import served
from tests.sync.world import Hub, School
from tests.web.world import Reader

ELSEWHERE = "8.8.8.8"
NOBODY = "http://127.0.0.1:65535"  # no port that is given to whoever asks for one


@pytest.fixture
def hub(make_installation: Callable[..., Installation]) -> Hub:
    return Hub(make_installation(role="hub"))


@pytest.fixture
def school(hub: Hub) -> School:
    return hub.school("Shuanghu")


@pytest.fixture
def address(hub: Hub) -> Iterator[str]:
    """Where the hub answers."""
    with served(create_app(installation=hub.here)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def box(make_installation: Callable[..., Installation]) -> Installation:
    return make_installation(role="node", box_suffix="lan", port=80, wifi_name="双湖小学")


@pytest.fixture
def reader(box: Installation) -> Reader:
    """Somebody with a telephone on the school's network."""
    return Reader(create_app(installation=box).test_client())


def do_the_job(box: Installation) -> None:
    """What the worker does."""
    with Worker(box.settings.data_dir / "run") as worker:
        held = queue.claim(box.database, worker, [first_start.KIND], 30)
        assert held is not None
        try:
            HANDLERS[held.kind](JobContext(box, held.uid, lambda _share: None, held.attempt), **held.args)
        except EduHubError as error:
            with box.database.write() as session:
                queue.fail(session, held, error)
        else:
            with box.database.write() as session:
                queue.finish(session, held)


def ask(reader: Reader, hub: str, code: str) -> str:
    answer = reader.post("/first-start", {"hub": hub, "code": code}, page="/first-start", follow_redirects=True)
    return answer.text


def test_any_address_of_a_new_box_leads_to_its_first_page(reader: Reader) -> None:
    for path in (
        "/", "/box", "/card", f"/lessons/{new_uid()}", "/generate_204", "/poster", "/lessons/7", "/lessons/x%00", "/nowhere", "/box?q=%00",
    ):  # fmt: skip
        answer = reader.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/first-start"), path
    page = reader.get("/first-start")
    assert page.status_code == 200
    assert "This box does not belong to a school yet" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert reader.get("/health").status_code != 303


def test_a_box_joins_says_its_name_and_the_page_is_gone(
    reader: Reader, box: Installation, hub: Hub, school: School, address: str
) -> None:
    code = hub.code(school)
    page = ask(reader, address, code.lower().replace("-", " "))
    assert "The box is joining" in page
    assert '<meta http-equiv="refresh" content="2; url=/poster">' in page
    assert code not in page
    do_the_job(box)
    page = reader.get("/poster").text
    assert "This box is shuanghu-3" in page
    assert "http://shuanghu-3.lan" in page
    assert "双湖小学" in page
    assert reader.get("/first-start").status_code == 404
    assert reader.post("/first-start", {"hub": address, "code": code}, page="/sign-in").status_code == 404
    assert not (box.settings.data_dir / "run" / "join-code").exists()
    with box.database.read() as session:
        assert joining.own_node(session) is not None


def test_the_code_is_in_no_row_and_only_this_user_may_read_it(reader: Reader, box: Installation, hub: Hub, school: School) -> None:
    code = hub.code(school)
    ask(reader, NOBODY, code)
    kept = box.settings.data_dir / "run" / "join-code"
    assert kept.stat().st_mode & 0o777 == 0o600
    with box.database.read() as session:
        rows = [str(dict(row._mapping)) for model in (JobRow, AuditEntry) for row in session.execute(select(model.__table__))]
    assert rows
    assert not any(code[:11] in row for row in rows)


def test_a_hub_that_cannot_be_reached_costs_no_second_typing_of_the_code(
    reader: Reader, box: Installation, hub: Hub, school: School, address: str
) -> None:
    code = hub.code(school)
    ask(reader, NOBODY, code)
    do_the_job(box)
    page = reader.get("/first-start").text
    assert "The hub could not be reached at this address." in page
    assert "Try again with the same code" in page
    assert code[:5] not in page
    assert "The box is joining" in reader.post("/first-start", {"again": "1"}, page="/first-start", follow_redirects=True).text
    do_the_job(box)
    assert "could not be reached" in reader.get("/first-start").text
    assert "The box is joining" in ask(reader, address, code)
    do_the_job(box)
    assert "This box is shuanghu-3" in reader.get("/poster").text


@pytest.mark.parametrize(("wrong", "said"), [
    ("unknown", "The hub does not know this code."), ("used", "Another box has joined with this code."),
    ("old", "The code is too old"), ("other_hub", "The code was made at another hub"), ("taken", "Another spare box has taken this place."),
])  # fmt: skip
def test_each_refusal_says_what_it_is(
    reader: Reader, box: Installation, hub: Hub, school: School, address: str, make_installation: Callable[..., Installation],
    wrong: str, said: str,
) -> None:  # fmt: skip
    code = hub.code(school)
    if wrong == "unknown":
        code = ("Z" if code[0] != "Z" else "Y") + code[1:]
    elif wrong == "other_hub":
        code = code[:12] + ("Z" if code[12] != "Z" else "Y") + code[13:]
    elif wrong == "old":
        with hub.here.database.write() as session:
            session.connection().exec_driver_sql("UPDATE join_code SET expires_steady_s = -1")
    else:
        first = make_installation(role="node")
        joining.join(first, address, code)
        if wrong == "taken":
            with hub.here.database.write() as session:
                spare, code = (nodes.replacing_code(session, hub.here, replacing.find(session, "shuanghu-3")) for _ in range(2))
            joining.join(make_installation(role="node"), address, spare)
    ask(reader, address, code)
    do_the_job(box)
    page = reader.get("/first-start").text
    assert said in page
    assert "Try again with the same code" not in page
    assert address in page  # what was typed


def test_what_is_no_code_or_no_address_is_said_beside_the_field_and_nothing_is_asked(reader: Reader, box: Installation) -> None:
    assert "This is not a code." in ask(reader, "hub.example.org", "12345")
    assert "This is not the address of a hub." in ask(reader, "ftp://hub", "AAAAA-AAAAA-AAAAA-AAAAA")
    assert "Type the code." in ask(reader, "hub.example.org", "")
    with box.database.read() as session:
        assert first_start.asked(session, box) is None


def test_who_is_not_on_the_boxes_own_network_is_refused(reader: Reader) -> None:
    for address in (ELSEWHERE, "2001:4860::1", "::ffff:8.8.8.8"):
        assert reader.get("/first-start", environ_overrides={"REMOTE_ADDR": address}).status_code == 403, address
    for address in ("192.168.4.7", "10.1.2.3", "fe80::1", "fd00::1", "::1", "::ffff:192.168.1.2"):
        assert reader.get("/first-start", environ_overrides={"REMOTE_ADDR": address}).status_code == 200, address


def test_a_form_without_its_token_or_under_a_name_of_the_internet_is_refused(reader: Reader, box: Installation) -> None:
    wanted = {"hub": "hub.example.org", "code": "AAAAA-AAAAA-AAAAA-AAAAA"}
    assert reader.client.post("/first-start", data=wanted).status_code == 400
    page = reader.client.get("/first-start")
    token, cookie = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text), page.headers["Set-Cookie"].partition(";")[0]
    assert token is not None
    client = create_app(installation=box).test_client(use_cookies=False)
    for host, status in (
        ("evil.example.org", 403), ("192.168.1.5.evil.example", 403), ("lan", 303), ("evillan", 303), ("192.168.1.5:8080", 303),
        ("box.lan", 303), ("[fd00::1]", 303), ("eduhub", 303), ("connectivitycheck.gstatic.com", 403), ("eduhub.lan.example", 403),
    ):  # fmt: skip
        sent = {"csrf_token": token[1], **wanted}
        answer = client.post("/first-start", data=sent, base_url=f"http://{host}", headers={"Cookie": cookie})
        assert answer.status_code == status, host
        with box.database.write() as session:
            session.execute(delete(JobRow))


def test_a_telephone_that_looks_for_the_internet_is_led_to_the_address_of_the_box_and_can_use_the_form_there(
    reader: Reader, box: Installation
) -> None:
    for path in ("/generate_204", "/first-start", "/lessons/7"):
        answer = reader.client.get(path, base_url="http://connectivitycheck.gstatic.com")
        assert (answer.status_code, answer.headers["Location"]) == (303, "http://127.0.0.1/first-start"), path
    answer = reader.client.get("/", base_url="http://captive.apple.com:8080", environ_overrides={"REMOTE_ADDR": "::1"})
    assert answer.headers["Location"] == "http://[::1]:8080/first-start"
    wanted = {"hub": "hub.example.org", "code": "AAAAA-AAAAA-AAAAA-AAAAA"}
    page = reader.client.get("/first-start", base_url="http://127.0.0.1").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token is not None
    answer = reader.client.post("/first-start", data={"csrf_token": token[1], **wanted}, base_url="http://127.0.0.1")
    assert answer.status_code == 303
    assert reader.client.get("/generate_204", base_url="http://a.example", environ_overrides={"REMOTE_ADDR": "no"}).status_code == 303


@pytest.mark.parametrize(("settings", "host"), [
    ({"public_url": "https://shuanghu-3.box.example.org"}, "shuanghu-3.box.example.org"), ({"box_suffix": "box.example.org"}, "new.box.example.org"),
])  # fmt: skip
def test_a_name_that_its_operator_gave_the_box_is_the_boxes_own(
    make_installation: Callable[..., Installation], settings: dict[str, str], host: str
) -> None:
    client = create_app(installation=make_installation(role="node", **settings)).test_client()
    assert client.get("/first-start", base_url=f"http://{host}").status_code == 200
    assert client.get("/first-start", base_url="http://other.example.org").status_code == 303


class Listening:
    """Something that answers at an address of this machine, and remembers what it was asked."""

    def __init__(self, status: str = "200 OK", body: bytes = b"<h1>Router</h1>", headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.asked: list[str] = []
        self._status, self._body, self._headers = status, body, headers

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        self.asked.append(environ["PATH_INFO"])
        start_response(self._status, [("Content-Type", "text/html"), ("Content-Length", str(len(self._body))), *self._headers])
        return [self._body]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"])  # noqa: S104 - nobody listens there
def test_who_is_on_the_network_cannot_have_the_box_speak_with_itself(
    reader: Reader, box: Installation, hub: Hub, school: School, host: str
) -> None:
    inside = Listening()
    with served(inside) as port:
        wanted = {"hub": f"http://{host}:{port}", "code": hub.code(school)}
        page = reader.post("/first-start", wanted, page="/first-start", environ_overrides={"REMOTE_ADDR": "192.168.4.7"})
        assert page.status_code == 303
        do_the_job(box)
    assert inside.asked == []
    assert "The hub could not be reached at this address." in reader.get("/first-start").text


def test_a_telephone_that_tries_again_what_was_typed_at_the_box_does_not_get_further(
    reader: Reader, box: Installation, hub: Hub, school: School
) -> None:
    inside = Listening()
    with served(inside) as port:
        ask(reader, f"http://127.0.0.1:{port}", hub.code(school))
        do_the_job(box)
        before = len(inside.asked)
        assert before
        reader.post("/first-start", {"again": "1"}, page="/first-start", environ_overrides={"REMOTE_ADDR": "192.168.4.7"})
        do_the_job(box)
    assert len(inside.asked) == before


def test_what_is_no_hub_is_asked_once_and_nothing_of_its_answer_is_shown(
    reader: Reader, box: Installation, hub: Hub, school: School
) -> None:
    behind = Listening()
    with served(behind) as there:
        for router in (Listening(), Listening("302 Found", b"", (("Location", f"http://127.0.0.1:{there}/"),)), Listening(body=b'{"hub": 1, "nonce": "Router"}')):
            with served(router) as port:
                ask(reader, f"http://127.0.0.1:{port}", hub.code(school))
                do_the_job(box)
            page = reader.get("/first-start").text
            assert "The hub could not be reached at this address." in page
            assert "Router" not in page
            assert router.asked == ["/sync/v1/hello"]
    assert behind.asked == []


def test_no_hub_stands_at_the_port_of_another_service(reader: Reader) -> None:
    for port in (22, 23, 25, 139, 1023):
        assert "This is not the address of a hub." in ask(reader, f"http://10.1.2.3:{port}", "AAAAA-AAAAA-AAAAA-AAAAA"), port


@pytest.mark.parametrize(("there", "may"), [
    ("10.1.2.3", True), ("192.168.7.1", True), ("172.16.0.9", True), ("fd00::7", True), ("93.184.215.14", True), ("2606:2800::1", True),
    ("127.0.0.1", False), ("127.8.8.8", False), ("::1", False), ("::ffff:127.0.0.1", False), ("169.254.169.254", False), ("fe80::1%eth0", False),
    ("::ffff:169.254.169.254", False), ("::", False), ("224.0.0.251", False), ("192.168.4.1", False), ("::ffff:192.168.4.1", False),
])  # fmt: skip
def test_a_hub_may_stand_in_the_countys_network_and_not_in_the_box_or_on_its_wire(there: str, may: bool) -> None:
    assert typed_hub.may_be_told(there, "192.168.4.1", also_here=False) is may


def test_whoever_answers_byte_by_byte_does_not_hold_the_page_for_ever() -> None:
    def drip(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "100000")])
        for _number in range(100_000):
            yield b" "
            until.wait(0.05)

    until = threading.Event()
    with served(drip) as port:
        url = f"http://127.0.0.1:{port}"
        with Link(url, transport=typed_hub.Outward(url, also_here=True, within_s=0.5)) as link, pytest.raises(LinkDown):
            link.hello()
        until.set()


def test_few_tries_are_taken(reader: Reader) -> None:
    for _number in range(10):
        ask(reader, "hub.example.org", "12345")
    answer = reader.post("/first-start", {"hub": "hub.example.org", "code": "12345"}, page="/first-start")
    assert answer.status_code == 429


def test_the_page_speaks_the_three_languages(reader: Reader) -> None:
    for tag in ("zh", "bo", "en"):
        answer = reader.post("/language", {"language": tag, "back": "/first-start"}, page="/first-start")
        assert answer.status_code == 303
        assert re.search(f'<html lang="{tag}"', reader.get("/first-start").text)


def test_a_hub_has_no_such_page(hub: Hub) -> None:
    hub_reader = Reader(create_app(installation=hub.here).test_client())
    assert hub_reader.get("/first-start").status_code == 404
    assert hub_reader.get("/sign-in").status_code == 200
