"""Other boxes get a few answers at once and no faster than a ceiling; children are served as if they were not there."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from eduhub import clock
from eduhub.delivery import passes
from eduhub.delivery.http import MediaLane
from eduhub.delivery.lending import Lending
from tests.sync.world import Hub

NODE = "018bcfe5-6800-7000-8000-000000000009"


class Asking:
    """Asks a lane, and holds the answers open."""

    def __init__(self, hub: Hub, lending: Lending) -> None:
        self.here, self.package = hub.here, hub.lesson(hub.course(hub.region))
        self._lane = MediaLane(
            lambda *_: [], packages_dir=self.here.packages_dir, secret=self.here.keys.secret, steady=self.here.steady, lending=lending
        )
        self.part = max((self.here.packages_dir / self.package).iterdir(), key=lambda path: path.stat().st_size)

    def get(self, audience: str, method: str = "GET", path: str | None = None, **headers: str) -> tuple[str, Any]:
        token = passes.mint(
            self.here.keys.secret, package_id=self.package, audience=audience, person_uid=NODE,
            expires_steady_s=self.here.steady.now_s() + 60,
        )  # fmt: skip
        said: list[str] = []
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path or f"/p/{self.package}/{self.part.name}",
            "HTTP_AUTHORIZATION": f"EduHub-Pass {token}", **headers,
        }  # fmt: skip
        body: Iterable[bytes] = self._lane(environ, lambda status, _headers: said.append(status) or (lambda _b: None))  # type: ignore[arg-type,return-value,func-returns-value]
        return said[0], body


@pytest.fixture
def ask(hub: Hub, tmp_path: Path) -> Callable[..., Asking]:
    return lambda kbit_s=0, most=2: Asking(hub, Lending(tmp_path, kbit_s, most))


def test_a_few_boxes_at_once_and_the_next_waits(ask: Callable[..., Asking]) -> None:
    asking = ask(most=2)
    held = [asking.get("node") for _ in range(2)]
    assert [status[:3] for status, _body in held] == ["200", "200"]
    assert asking.get("node")[0] == "503 Service Unavailable"
    status, of_a_child = asking.get("learner")
    assert status == "200 OK"  # a child does not wait for boxes
    of_a_child.close()
    held[0][1].close()
    held[0][1].close()
    status, body = asking.get("node")
    assert status == "200 OK"
    assert asking.get("node")[0][:3] == "503"
    body.close()
    held[1][1].close()


@pytest.mark.parametrize("question", [
    {"method": "HEAD"}, {"HTTP_IF_NONE_MATCH": "*"}, {"HTTP_IF_MATCH": '"x"'}, {"HTTP_RANGE": "bytes=99999999-"},
])  # fmt: skip
def test_an_answer_without_a_body_holds_no_place(ask: Callable[..., Asking], question: dict[str, str]) -> None:
    asking = ask(most=1)
    for _ in range(3):
        status, body = asking.get("node", **question)
        assert status[:3] != "503"
        assert b"".join(body) == b"" or status[:3] in {"412", "416"}


def test_what_is_not_here_holds_no_place(ask: Callable[..., Asking]) -> None:
    asking = ask(most=1)
    for _ in range(3):
        assert asking.get("node", path=f"/p/{asking.package}/{'0' * 64}")[0][:3] == "404"
    status, body = asking.get("node")
    assert status == "200 OK"
    body.close()


def test_the_ceiling_holds_for_boxes_and_not_for_children(ask: Callable[..., Asking]) -> None:
    clock.freeze(None)
    asking = ask(kbit_s=800, most=4)  # 100 kB a second
    size = asking.part.stat().st_size

    def seconds(audience: str) -> float:
        began_s = clock.monotonic_s()
        _status, body = asking.get(audience)
        assert b"".join(body) == asking.part.read_bytes()
        body.close()
        return clock.monotonic_s() - began_s

    assert seconds("node") >= 0.9 * size / 100_000
    assert seconds("learner") < 0.5 * size / 100_000


def test_nginx_is_told_to_ask_us_for_each_answer_to_a_box(hub: Hub, tmp_path: Path) -> None:
    asking = Asking(hub, Lending(tmp_path, 0, 2))
    told: dict[str, str] = {}
    for audience in ("node", "learner"):
        token = passes.mint(
            hub.here.keys.secret, package_id=asking.package, audience=audience, person_uid=NODE,
            expires_steady_s=hub.here.steady.now_s() + 60,
        )  # fmt: skip
        environ = {"REQUEST_METHOD": "GET", "HTTP_X_EDUHUB_PART": f"/p/{asking.package}/{asking.part.name}", "HTTP_X_EDUHUB_PASS": token}
        asking._lane._check(environ, lambda status, _headers, audience=audience: told.update({audience: status}))  # type: ignore[arg-type]
    assert told == {"node": "403 Forbidden", "learner": "204 No Content"}
