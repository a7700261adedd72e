"""A class signs in: thirty children at one moment, then sixty, against a box as `eduhub serve` starts it; beside it one alone.

Each child opens the card page, sends its card, is led to its first page, opens a lesson and sends ten watched seconds.
Sign-in is what a child waits for: from the tap until the first page is whole. Ten adults sign in by password after that.
The figures at the top are the worse of thirty and sixty. Prints a table, then one JSON object. BENCH=short: thirty only.
"""

import gzip
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.serving import Server, free_port
from eduhub import config
from eduhub.accounts import credentials, people
from eduhub.config import Settings
from eduhub.courses import editing, plan
from eduhub.courses.models import Lesson
from eduhub.delivery import keys
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate, serve
from eduhub.schools import enrolment
from eduhub.uids import new_uid
from tests.web.world import BEGAN, PASSWORD, World, add_adult, as_box, publish, settle

SHORT = os.environ.get("BENCH") == "short"
CLASSES = (30,) if SHORT else (30, 60)
LESSONS, ADULTS, ALONE = 20, 10, 10
STEPS = ("signin", "lesson", "progress")
LIMIT_S = 30


@dataclass
class Times:
    """Seconds by step, of everybody who took part; what went wrong, in words."""

    by_step: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in (*STEPS, "card")})
    errors: list[str] = field(default_factory=list)

    def p95(self, step: str) -> float | None:
        found = self.by_step[step]
        return round(statistics.quantiles(found, n=20, method="inclusive")[-1], 3) if len(found) > 1 else None

    def median(self, step: str) -> float | None:
        return round(statistics.median(self.by_step[step]), 3) if self.by_step[step] else None


class Browser:
    """One phone: one connection, its cookies, and what its last page said."""

    def __init__(self, port: int, times: Times) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        self._times, self._cookies = times, dict[str, str]()
        self.page = ""

    def get(self, path: str) -> int:
        return self._ask("GET", path, None, {})

    def post(self, path: str, fields: dict[str, str]) -> int:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.page)
        body = urlencode({"csrf_token": found[1] if found else "", **fields})
        return self._ask("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def send(self, path: str, what: object) -> int:
        return self._ask("POST", path, json.dumps(what), {"Content-Type": "application/json"})

    def timed(self, step: str, wanted: int, act: Callable[[], int]) -> None:
        began = time.perf_counter()
        status = act()
        self._times.by_step[step].append(time.perf_counter() - began)
        if status != wanted:
            raise ValueError(f"{step}: {status} instead of {wanted}")

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> int:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        sent = {"Accept-Encoding": "gzip", "Accept": "text/html,*/*", "Accept-Language": "zh", "Cookie": cookies, **headers}
        self._connection.request(method, path, body, sent)
        answer = self._connection.getresponse()
        payload = answer.read()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie" and re.search(r"path=/(;|$)", value, re.IGNORECASE):
                key, _, rest = value.partition("=")
                self._cookies[key] = rest.partition(";")[0]
        self.page = (gzip.decompress(payload) if answer.getheader("Content-Encoding") == "gzip" else payload).decode()
        return answer.status


def child(browser: Browser, code: str, lesson: Lesson) -> None:
    """From the card page to the first booked seconds."""
    browser.timed("card", 200, lambda: browser.get("/card"))

    def come_in() -> int:
        status = browser.post("/card", {"token": code})
        return browser.get("/") if status == 303 else status

    browser.timed("signin", 200, come_in)
    browser.timed("lesson", 200, lambda: browser.get(f"/lessons/{lesson.uid}"))
    token = re.search(r'"token":"([^"]+)"', browser.page)
    if token is None:
        raise ValueError("no token on the lesson's page")
    events = [
        {
            "uid": new_uid(), "kind": "watched", "version": 1, "lesson": lesson.uid, "timeline": lesson.timeline_uid,
            "from_ms": at, "to_ms": at + 5000, "watched_ms": 5000, "stalls": 0, "context": "own_device",
            "made_ms": 1_790_000_000_000, "subjects": [],
        }
        for at in (0, 5000)
    ]  # fmt: skip
    browser.timed("progress", 200, lambda: browser.send("/api/v1/events", {"token": token[1], "events": events}))


def adult(browser: Browser, name: str) -> None:
    browser.get("/sign-in")
    browser.timed("signin", 303, lambda: browser.post("/sign-in", {"sign_in_name": name, "password": PASSWORD}))


def together(port: int, acts: Sequence[Callable[[Browser], None]]) -> Times:
    """All of them at one moment."""
    times, start = Times(), threading.Barrier(len(acts))

    def one(act: Callable[[Browser], None]) -> None:
        browser = Browser(port, times)
        start.wait()
        try:
            act(browser)
        except (OSError, ValueError, http.client.HTTPException) as error:
            times.errors.append(f"{type(error).__name__}: {error}")
        finally:
            browser.close()

    threads = [threading.Thread(target=one, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def alone(port: int, cards: Sequence[str], lesson: Lesson) -> Times:
    """One child after the other, with nobody else there."""
    times = Times()
    for code in cards:
        browser = Browser(port, times)
        child(browser, code, lesson)
        browser.close()
    return times


def school(folder: Path) -> tuple[Installation, list[str], list[str], Lesson]:
    """A box with a class of so many children, their cards, the adults' names, and the lesson they all watch."""
    box = open_installation(Settings(data_dir=folder, secure_cookies=False, role="node", sync_every_s=86_400, port=free_port()))
    migrate.upgrade(box.database)
    with box.database.write() as session:
        keys.make_hub_keys(session, box.keys)
    world = settle(box)
    as_box(box, world)
    cards = children(box, world, sum(CLASSES) + ALONE)
    with box.database.write() as session:
        names = [f"adult{number}" for number in range(ADULTS)]
        for name in names:
            add_adult(session, name, world.school, "teacher", "organisation", world.school)
        lessons = [
            editing.add_lesson(session, course_uid=world.course, titles={"zh": f"第{number}课 冰为什么浮起来"}, language="zh")
            for number in range(LESSONS)
        ]
        for lesson in lessons[:6]:
            plan.add(session, group_uid=world.group, lesson_uid=lesson.uid, day=None, period=None)
    for lesson in lessons:
        publish(box, lesson)
    with box.database.read() as session:
        found = session.get_one(Lesson, lessons[0].uid)
    return box, cards, names, found


def children(box: Installation, world: World, count: int) -> list[str]:
    """So many children more in the class; the codes of their cards."""
    with box.database.write() as session:
        made = [people.add(session, org_uid=world.school, name=f"Child {number}") for number in range(count)]
        for found in made:
            enrolment.enrol(session, person_uid=found.uid, group_uid=world.group, starts_on=BEGAN)
        return [credentials.issue_card(session, found.uid) for found in made]


@contextmanager
def running(box: Installation) -> Iterator[Server]:
    """`eduhub serve`, with its worker and whatever stands in front."""
    settings = replace(box.settings, log_format="text")
    process = subprocess.Popen(
        [sys.executable, "-m", "eduhub", "serve"], env=config.as_environment(settings), cwd=Path(__file__).parents[1],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not serve.answers(settings, timeout_s=2):
            if process.poll() is not None:
                sys.exit("eduhub serve ended by itself")
            time.sleep(0.2)
        yield Server("box", settings.port, (process.pid,))
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="eduhub-bench-") as place:
        box, cards, names, lesson = school(Path(place))
        box.database.close()
        with running(box) as server:
            load = os.getloadavg()[0]
            single = alone(server.port, [cards.pop() for _ in range(ALONE)], lesson)
            classes, before = {}, server.cpu_s()
            for size in CLASSES:
                wanted = [cards.pop() for _ in range(size)]
                classes[size] = together(
                    server.port, [lambda browser, code=code: child(browser, code, lesson) for code in wanted]
                )
            cpu_ms = round(1000 * (server.cpu_s() - before) / sum(CLASSES))
            adults = together(server.port, [lambda browser, name=name: adult(browser, name) for name in names])
    report(single, classes, adults, load, cpu_ms)


def report(single: Times, classes: dict[int, Times], adults: Times, load: float, cpu_ms: int) -> None:
    print(f"  load average {load:.2f} on {os.cpu_count()} processors; a child costs the box {cpu_ms} ms of processor time")
    print(f"  {'':>10}{'alone, median':>16}" + "".join(f"{f'{size} at once, p95':>20}" for size in classes))
    for step in ("card", *STEPS):
        print(f"  {step:>10}{single.median(step)!s:>16}" + "".join(f"{times.p95(step)!s:>20}" for times in classes.values()))
    print(f"  {ADULTS} adults by password: p95 {adults.p95('signin')} s")
    errors = [text for times in (*classes.values(), adults) for text in times.errors]
    for text in errors[:5]:
        print(f"  {text}")
    worst = {f"{step}_p95_s": max((times.p95(step) or 0 for times in classes.values()), default=None) for step in STEPS}
    by_size = {str(size): {f"{step}_p95_s": times.p95(step) for step in STEPS} for size, times in classes.items()}
    print(json.dumps(worst | {
        "signin_alone_s": single.median("signin"), "lesson_alone_s": single.median("lesson"),
        "progress_alone_s": single.median("progress"), "adults_signin_p95_s": adults.p95("signin"), "errors": len(errors),
        "loadavg": round(load, 2), "cpu_ms_per_child": cpu_ms, "classes": by_size,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
