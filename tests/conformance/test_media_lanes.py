"""Reading parts of a package (docs/formats/passes.md): the Python lane behind gunicorn, and nginx, as one suite.

RFC 9110 is the judge. Where the lanes may differ, the page lists it and a test here holds it.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from eduhub import clock
from eduhub.delivery import passes
from eduhub.installation import Installation
from eduhub.ops import nginx
from eduhub.signing import sha256_hex
from tests.conformance.lanes import hub_in, running
from tests.conformance.wire import Answer, Connection, request
from tests.delivery.conftest import NOTES, STILLS, VIDEO, VOICE, Machine, lesson_manifest, pieces_of

pytestmark = pytest.mark.processes

SIZE, ETAG = len(VIDEO), f'"{sha256_hex(VIDEO)}"'
CACHING = "private, max-age=31536000, immutable"
NGINX = pytest.mark.skipif(nginx.program() is None, reason="nginx is not installed: its lane is not looked at")
Cookie = Callable[..., str]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = hub_in(tmp_path_factory.mktemp("hub"))
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def lanes(hub: Installation) -> Iterator[Callable[[str], int]]:
    """The port of a lane, which is started when it is first asked for."""
    ports: dict[str, int] = {}
    with ExitStack() as stack:

        def port(name: str) -> int:
            if name not in ports:
                ports[name] = stack.enter_context(running(hub, name))
            return ports[name]

        yield port


@pytest.fixture(params=["gunicorn", pytest.param("nginx", marks=NGINX)])
def lane(request: pytest.FixtureRequest, lanes: Callable[[str], int]) -> Iterator[Connection]:
    """One kept-alive connection to a lane."""
    with Connection(lanes(request.param)) as connection:
        yield connection


@pytest.fixture(scope="module")
def package(hub: Installation) -> str:
    return Machine(hub).publish(lesson_manifest()).id


@pytest.fixture
def url(package: str) -> str:
    return f"/p/{package}/{sha256_hex(VIDEO)}"


@pytest.fixture
def token(hub: Installation, package: str) -> Cookie:
    def make(audience: str = "learner", *, of: str = package, lasts_s: int = 3600) -> str:
        return passes.mint(
            hub.keys.secret, package_id=of, audience=audience, person_uid=None,
            expires_steady_s=int(hub.steady.now_s()) + lasts_s,
        )  # fmt: skip

    return make


@pytest.fixture
def cookie(token: Cookie) -> Cookie:
    return lambda *words, **named: f"theme=dark; eduhub_pass={token(*words, **named)}"


def is_lasting(answer: Answer) -> bool:
    """Whether an answer bears what every good answer about the video bears."""
    found = [answer.headers.get(name) for name in ("etag", "cache-control", "x-content-type-options")]
    ranges = "bytes" if answer.status == 200 else None
    return found == [ETAG, CACHING, "nosniff"] and "last-modified" not in answer.headers and answer.headers.get("accept-ranges") == ranges


# --- the whole and the ranges ---------------------------------------------------------------


def test_a_part_is_sent_whole(lane: Connection, url: str, cookie: Cookie) -> None:
    for _ in range(2):  # the second time nginx remembers what Python said
        answer = lane.ask(url, cookie=cookie())
        assert (answer.status, hashlib.sha256(answer.body).hexdigest()) == (200, sha256_hex(VIDEO))
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.headers["content-length"] == str(SIZE)
        assert is_lasting(answer)
        assert {"content-security-policy", "content-disposition", "set-cookie", "content-range"} & set(answer.headers) == set()


RANGES = [
    ("bytes=0-0", 0, 1), ("bytes=0-65535", 0, 65536), ("bytes=131072-262143", 131072, 262144), ("bytes=299999-299999", 299999, SIZE),
    ("bytes=299990-", 299990, SIZE), ("bytes=0-", 0, SIZE), ("bytes=-7", SIZE - 7, SIZE), ("bytes=-1", SIZE - 1, SIZE),
    ("bytes=-400000", 0, SIZE), ("bytes=100-99999999", 100, SIZE), ("bytes=100-99999999999999999999999999", 100, SIZE),
    ("bytes=-99999999999999999999999999", 0, SIZE), ("Bytes=5-9", 5, 10), ("bytes= 5-9", 5, 10),
]  # fmt: skip


@pytest.mark.parametrize(("header", "start", "end"), RANGES)
def test_one_range_is_sent_as_asked(lane: Connection, url: str, cookie: Cookie, header: str, start: int, end: int) -> None:
    answer = lane.ask(url, cookie=cookie(), range=header)
    assert (answer.status, answer.body) == (206, VIDEO[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.headers["content-type"] == "video/mp4"
    assert is_lasting(answer)


@pytest.mark.parametrize("says", ["return=minimal", "Return=Minimal"])
def test_a_box_is_told_of_a_part_only_what_it_needs(lane: Connection, url: str, token: Cookie, cookie: Cookie, says: str) -> None:
    for _ in range(2):  # the second time nginx remembers what Python said
        answer = lane.ask(url, authorization=f"EduHub-Pass {token()}", range="bytes=5-9", prefer=says)
        assert (answer.status, answer.body, answer.headers["content-range"]) == (206, VIDEO[5:10], f"bytes 5-9/{SIZE}")
        assert not {"etag", "cache-control", "x-content-type-options", "last-modified"} & set(answer.headers)
    beyond = lane.ask(url, authorization=f"EduHub-Pass {token()}", range=f"bytes={SIZE}-", prefer=says)
    assert (beyond.status, "no-store" in beyond.headers["cache-control"]) == (416, True)
    assert is_lasting(lane.ask(url, authorization=f"EduHub-Pass {token()}", range="bytes=5-9", prefer="respond-async"))
    assert is_lasting(lane.ask(url, cookie=cookie(), range="bytes=5-9", prefer=says))  # a browser's answer may be kept on the way


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,5-6", "bytes=0-1, 5-6", "bytes=0-1,-1", "bytes=,0-1", "bytes=-", "bytes=", "bytes", "bytes=a-b",
     "bytes=1", "bytes=0x1-2", "bytes=-1-2", "bytes=1 - 2", "bytes==1-2", "seconds=0-1", "=0-1"],
)  # fmt: skip
def test_what_is_not_one_range_gives_the_whole(lane: Connection, url: str, cookie: Cookie, header: str) -> None:
    answer = lane.ask(url, cookie=cookie(), range=header)
    assert (answer.status, answer.body) == (200, VIDEO)
    assert "content-range" not in answer.headers
    assert is_lasting(answer)


@pytest.mark.parametrize(
    "header",
    ["bytes=300000-", "bytes=300000-300001", "bytes=-0", "bytes=9223372036854775808-", "bytes=99999999999999999999999999-",
     "bytes=5-2", "bytes=299999-0"],
)  # fmt: skip
def test_a_range_behind_the_end_or_backwards_is_416(lane: Connection, url: str, cookie: Cookie, header: str) -> None:
    """The lanes differ here in Content-Type, which nginx has added by then and cannot take back."""
    answer = lane.ask(url, cookie=cookie(), range=header)
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "etag" not in answer.headers
    assert answer.body == b'{"code": "delivery.no_such_range"}'


def test_head_tells_the_size_and_sends_nothing(lane: Connection, url: str, cookie: Cookie) -> None:
    for headers in ({}, {"range": "bytes=0-4"}, {"range": "bytes=900000-"}):  # a range has no meaning for HEAD
        answer = lane.ask(url, "HEAD", cookie=cookie(), **headers)
        assert (answer.status, answer.headers["content-length"]) == (200, str(SIZE))
        assert answer.headers["content-type"] == "video/mp4"
        assert is_lasting(answer)
    assert lane.ask(url, "HEAD").status == 403
    assert lane.ask(url, cookie=cookie()).body == VIDEO  # nothing of a body was left on the connection


# --- conditions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "status"),
    [(ETAG, 206), (f" {ETAG}", 206), ('"abc"', 200), (f"W/{ETAG}", 200), ("Mon, 23 Nov 2026 17:00:00 GMT", 200), (ETAG[1:-1], 200),
     ("*", 200)],
)  # fmt: skip
def test_if_range_holds_for_the_very_tag_alone(lane: Connection, url: str, cookie: Cookie, tag: str, status: int) -> None:
    answer = lane.ask(url, cookie=cookie(), range="bytes=0-4", if_range=tag)
    assert (answer.status, answer.body) == (status, b"video" if status == 206 else VIDEO)
    assert lane.ask(url, cookie=cookie(), range="bytes=900000-", if_range=tag).status == (416 if status == 206 else 200)


@pytest.mark.parametrize("known", [ETAG, f"W/{ETAG}", f'"abc", {ETAG}', f'"abc",W/{ETAG}', "*"])
def test_what_the_browser_has_is_not_sent_again(lane: Connection, url: str, cookie: Cookie, known: str) -> None:
    for headers in ({}, {"range": "bytes=0-4"}, {"range": "bytes=900000-"}, {"if_modified_since": "Mon, 01 Jan 2001 00:00:00 GMT"}):
        for method in ("GET", "HEAD"):
            answer = lane.ask(url, method, cookie=cookie(), if_none_match=known, **headers)
            assert (answer.status, answer.body) == (304, b"")
            assert is_lasting(answer)
            assert {"content-type", "content-range"} & set(answer.headers) == set()


def test_other_conditions_do_not_keep_the_bytes_back(lane: Connection, url: str, cookie: Cookie) -> None:
    for headers in (
        {"if_none_match": '"abc"'}, {"if_none_match": ETAG[1:-1]}, {"if_match": ETAG}, {"if_match": "*"}, {"if_match": f'"abc", {ETAG}'},
        # There is no date to compare with.
        {"if_modified_since": "Mon, 23 Nov 2099 17:00:00 GMT"}, {"if_unmodified_since": "Mon, 01 Jan 2001 00:00:00 GMT"},
    ):  # fmt: skip
        answer = lane.ask(url, cookie=cookie(), **headers)
        assert (answer.status, answer.body) == (200, VIDEO)
        part = lane.ask(url, cookie=cookie(), range="bytes=5-9", **headers)
        assert (part.status, part.body) == (206, VIDEO[5:10])


@pytest.mark.parametrize("wanted", ['"abc"', f"W/{ETAG}"])
def test_who_wants_other_bytes_than_these_is_told(lane: Connection, url: str, cookie: Cookie, wanted: str) -> None:
    for method in ("GET", "HEAD"):
        answer = lane.ask(url, method, cookie=cookie(), if_match=wanted, if_none_match=ETAG)
        assert (answer.status, answer.headers["cache-control"]) == (412, "no-store")


def test_the_pass_comes_before_every_condition(lane: Connection, url: str) -> None:
    for headers in ({"if_none_match": ETAG}, {"if_match": '"abc"'}, {"range": "bytes=900000-"}, {"range": "bytes=0-1"}):
        assert lane.ask(url, **headers).status == 403


# --- who may read ---------------------------------------------------------------------------


def is_refused(answer: Answer) -> bool:
    return (
        (answer.status, answer.body) == (403, b'{"code": "delivery.pass_refused"}')
        and answer.headers["cache-control"] == "no-store"
        and answer.headers["x-content-type-options"] == "nosniff"
        and "etag" not in answer.headers
    )


def test_without_a_good_pass_nothing_is_read_or_learned(lane: Connection, url: str, package: str, cookie: Cookie) -> None:
    good = cookie()
    assert lane.ask(url, cookie=good).status == 200
    bad = ["", "eduhub_pass=", "eduhub_pass=1.learner.9.-.x", good[:-1], f"{good}x", cookie(of="0" * 64), cookie(lasts_s=0)]
    bad += [good.replace("eduhub_pass", "eduhub_Pass"), good.replace("eduhub_pass", "xeduhub_pass"), good.replace("learner", "teacher")]
    for wrong in bad:
        assert is_refused(lane.ask(url, cookie=wrong)), wrong
        assert is_refused(lane.ask(url, cookie=wrong, range="bytes=0-1")), wrong
    assert is_refused(lane.ask(url))
    assert is_refused(lane.ask(f"/p/{package}/{'0' * 64}"))
    assert is_refused(lane.ask(f"/p/{'0' * 64}/{sha256_hex(VIDEO)}", cookie=good))
    assert lane.ask(url, cookie=good).status == 200


def test_a_pass_that_ends_is_not_remembered_beyond_its_end(lane: Connection, url: str, hub: Installation, cookie: Cookie) -> None:
    short = cookie(lasts_s=2)
    ends_s = int(hub.steady.now_s()) + 2
    assert lane.ask(url, cookie=short, range="bytes=0-1").status == 206
    while hub.steady.now_s() < ends_s + 1.5:  # a kept answer is dropped by whole seconds
        clock.sleep_s(0.1)
    assert is_refused(lane.ask(url, cookie=short, range="bytes=0-1"))


def test_a_stale_cookie_beside_a_good_one_does_no_harm(lane: Connection, url: str, cookie: Cookie) -> None:
    stale, good = cookie(lasts_s=0), cookie()
    for both in (f"{stale}; {good}", f"{good}; {stale}", f"{stale}; {stale}; {good};"):
        assert lane.ask(url, cookie=both, range="bytes=0-4").body == b"video"
    assert is_refused(lane.ask(url, cookie=f"{stale}; {stale}"))


def test_a_node_shows_its_pass_in_a_header_and_reads_everything(
    lane: Connection, package: str, token: Cookie, cookie: Cookie
) -> None:
    for payload in (VOICE, STILLS, NOTES, VIDEO, pieces_of(VIDEO), lesson_manifest().to_bytes()):
        address = f"/p/{package}/{sha256_hex(payload)}"
        for _ in range(2):
            answer = lane.ask(address, authorization=f"EduHub-Pass {token('node')}")
            assert (answer.status, answer.body) == (200, payload)
    address = f"/p/{package}/{sha256_hex(NOTES)}"
    assert lane.ask(address, authorization=f"EduHub-Pass {token('node')}", cookie=cookie("open")).body == NOTES
    assert lane.ask(address, authorization="Basic abc", cookie=cookie("teacher")).body == NOTES
    assert is_refused(lane.ask(address, authorization=token("node")))
    assert is_refused(lane.ask(address, authorization=f"Bearer {token('node')}"))


def test_a_learner_does_not_read_what_is_for_teachers(lane: Connection, package: str, cookie: Cookie) -> None:
    for payload in (NOTES, lesson_manifest().to_bytes()):
        address = f"/p/{package}/{sha256_hex(payload)}"
        assert lane.ask(address, cookie=cookie("teacher")).body == payload
        assert is_refused(lane.ask(address, cookie=cookie("learner")))
        assert is_refused(lane.ask(address, cookie=cookie("open"), range="bytes=0-1"))
    assert is_refused(lane.ask(f"/p/{package}/{sha256_hex(VOICE)}", cookie=cookie("open")))


def test_a_page_that_a_teacher_attached_is_saved_and_never_run(lane: Connection, package: str, cookie: Cookie) -> None:
    for headers in ({}, {"range": "bytes=0-3"}):
        answer = lane.ask(f"/p/{package}/{sha256_hex(NOTES)}", cookie=cookie("teacher"), **headers)
        assert answer.headers["content-type"] == "text/html"
        assert answer.headers["content-disposition"] == "attachment"
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


# --- what is not there ----------------------------------------------------------------------


def is_not_found(answer: Answer) -> bool:
    return (answer.status, answer.body, answer.headers["cache-control"]) == (404, b'{"code": "asked.not_found"}', "no-store")


def test_what_is_not_in_the_package_is_not_found(lane: Connection, package: str, cookie: Cookie, hub: Installation) -> None:
    other, gone = hub.blobs.put_bytes(b"a blob of another package"), "0" * 64
    assert is_not_found(lane.ask(f"/p/{package}/{other.sha256}", cookie=cookie()))
    assert is_not_found(lane.ask(f"/p/{gone}/{other.sha256}", cookie=cookie(of=gone)))


def test_a_part_that_goes_is_not_found_and_one_that_comes_is(
    lane: Connection, package: str, cookie: Cookie, hub: Installation
) -> None:
    address, place = f"/p/{package}/{sha256_hex(VOICE)}", hub.packages_dir / package / sha256_hex(VOICE)
    good = cookie()
    assert lane.ask(address, cookie=good).body == VOICE
    aside = place.with_name("aside")
    place.rename(aside)
    until = clock.monotonic_s() + 4  # nginx looks at the name again after one to two seconds
    while not is_not_found(lane.ask(address, cookie=good)):
        assert clock.monotonic_s() < until
        clock.sleep_s(0.1)
    aside.rename(place)
    assert lane.ask(address, cookie=good).body == VOICE


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_only_a_plain_file_is_a_part(lane: Connection, package: str, cookie: Cookie, hub: Installation, kind: str) -> None:
    place = hub.packages_dir / package / sha256_hex(STILLS)
    aside = place.with_name("aside")
    place.rename(aside)
    if kind == "link":
        place.symlink_to(hub.keys.folder / "root.key")
    else:
        place.mkdir()
    try:
        # A pass that nobody has shown yet: nginx asks Python, which looks at the file itself.
        assert is_not_found(lane.ask(f"/p/{package}/{sha256_hex(STILLS)}", cookie=cookie(lasts_s=7000 + len(kind))))
    finally:
        place.unlink() if kind == "link" else place.rmdir()
        aside.rename(place)


@pytest.mark.parametrize(
    "path",
    ["/p/", "/p/x", "/p/{package}", "/p/{package}/", "/p/{package}/../{package}/{part}", "/p/{package}/./{part}", "/p/%2e%2e/keys/root.key",
     "/p/{package}/..%2f..%2fkeys%2froot.key", "/p/{package}/%2e%2e/{package}/{part}", "/p/{package}/{part}/", "/p/{package}//{part}",
     "/p//{package}/{part}", "/p/{package}/{part}%0a", "/p/{package}/{part}%20", "/p/{package}%2f{part}/", "/p/{package}/{part}.gz",
     "/p/{package}\\{part}", "/p/{upper}/{part}", "/p/{package}/{part};x"],
)  # fmt: skip
def test_no_other_path_is_a_part(lane: Connection, package: str, cookie: Cookie, path: str) -> None:
    asked = path.format(package=package, part=sha256_hex(VIDEO), upper=package.upper())
    assert is_not_found(lane.ask(asked, cookie=cookie("node")))


def test_an_address_may_be_written_with_signs_escaped_or_with_a_query(lane: Connection, package: str, cookie: Cookie) -> None:
    first = f"%{ord(package[0]):02x}"
    for asked in (f"/p/{first}{package[1:]}/{sha256_hex(VIDEO)}", f"/p/{package}%2F{sha256_hex(VIDEO)}", f"/p/{package}/{sha256_hex(VIDEO)}?v=1"):
        answer = lane.ask(asked, cookie=cookie(), range="bytes=0-4")
        assert (answer.status, answer.body) == (206, b"video")


@pytest.mark.parametrize("path", ["/p/{package}/{part}%00", "/p/../../etc/passwd", "/../p/x", "/p/%zz"])
def test_what_is_no_path_at_all_is_refused(lane: Connection, package: str, cookie: Cookie, path: str) -> None:
    """nginx says 400 where it does not pass a path on; Python says 404. Neither says more."""
    answer = lane.ask(path.format(package=package, part=sha256_hex(VIDEO)), cookie=cookie("node"))
    assert answer.status in {400, 404}
    assert b"video" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"])
def test_other_methods_are_refused(lane: Connection, url: str, cookie: Cookie, method: str) -> None:
    answer = lane.ask(url, method, cookie=cookie(), content_length="0")
    if method == "get":  # methods have one spelling; nginx does not pass this one on
        assert answer.status in {400, 405}
        return
    assert (answer.status, answer.headers["allow"], answer.headers["cache-control"]) == (405, "GET, HEAD", "no-store")
    assert lane.ask(url, cookie=cookie()).body == VIDEO


# --- one connection, many requests ----------------------------------------------------------


def test_a_connection_goes_on_after_every_kind_of_answer(lane: Connection, url: str, cookie: Cookie) -> None:
    good = cookie()
    kinds: list[tuple[int, str, dict[str, str]]] = [
        (206, "GET", {"range": "bytes=7-9"}), (304, "GET", {"if_none_match": ETAG}), (416, "GET", {"range": "bytes=900000-"}),
        (200, "HEAD", {}), (412, "GET", {"if_match": '"abc"'}), (403, "GET", {"cookie": "none"}), (304, "HEAD", {"if_none_match": "*"}),
        (405, "DELETE", {}), (200, "GET", {}),
    ]  # fmt: skip
    for status, method, headers in kinds * 2:
        answer = lane.ask(url, method, **{"cookie": good, **headers})
        assert answer.status == status
        assert answer.headers.get("connection") != "close"


def test_requests_that_are_sent_at_once_are_answered_in_order(lane: Connection, url: str, cookie: Cookie) -> None:
    good = cookie()
    lane.send(b"".join(request(url, cookie=good, range=f"bytes={at}-{at + 2}") for at in range(0, 50, 5)))
    for at in range(0, 50, 5):
        answer = lane.read()
        assert (answer.status, answer.body, answer.headers["content-range"]) == (206, b"vid", f"bytes {at}-{at + 2}/{SIZE}")


def test_a_connection_that_is_to_end_ends(lane: Connection, url: str, cookie: Cookie) -> None:
    assert lane.ask(url, cookie=cookie(), connection="close", range="bytes=0-4").body == b"video"
    assert lane.is_over()


# --- nginx and Python among themselves ------------------------------------------------------


def test_nobody_outside_asks_what_nginx_asks(lane: Connection, url: str, token: Cookie) -> None:
    answer = lane.ask("/_lane/check", x_eduhub_pass=token("node"), x_eduhub_part=url, x_eduhub_front="0" * 64)
    assert answer.status == 404
    assert "x-part-type" not in answer.headers


def test_a_strangers_word_about_a_pass_does_not_reach_python(lane: Connection, url: str, token: Cookie) -> None:
    assert is_refused(lane.ask(url, x_eduhub_pass=token("node"), x_eduhub_part=url))
