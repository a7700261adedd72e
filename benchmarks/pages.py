"""What the catalogue pages of a child cost: CPU per request, in this process.

A school with 200 published lessons in 8 courses; thirty children of one class open the first page and a course. Call
`measure(folder, requests=30)` with an empty folder: it returns {"catalogue_uncached_ms", "catalogue_cached_ms",
"catalogue_304_ms"}, the means of the two pages. Uncached: nothing is kept before each request. Cached: another child of the
class had the page. 304: the child's own browser asks whether what it kept still holds.

Run alone it prints the figures of each page. Sign-in, session and compression are part of every figure.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from eduhub.app import create_app
from eduhub.config import Settings
from eduhub.courses import editing
from eduhub.delivery import keys
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate
from eduhub.web import kept
from tests.web.world import Reader, World, publish, settle

COURSES, LESSONS = 8, 200
ACCEPT = {"Accept-Encoding": "gzip, deflate, br"}


def school(folder: Path) -> tuple[Installation, World, list[str]]:
    """An installation with that school; the uids of its courses."""
    settings = Settings(data_dir=folder, database=f"sqlite:///{folder}/eduhub.db", secure_cookies=False)
    installation = open_installation(settings)
    migrate.upgrade(installation.database)
    with installation.database.write() as session:
        keys.make_hub_keys(session, installation.keys)
    world = settle(installation)
    lessons, courses = [], [world.course]
    with installation.database.write() as session:
        for number in range(1, COURSES):
            made = editing.add_course(session, org_uid=world.school, titles={"en": f"Course {number}", "zh": f"课程 {number}"})
            editing.give_course(session, group_uid=world.group, course_uid=made.uid, starts_on="2026-01-01")
            courses.append(made.uid)
        for number in range(LESSONS - 1):
            titles = {"en": f"Lesson {number}: why ice floats", "zh": f"第{number}课 冰为什么浮起来"}
            lessons.append(
                editing.add_lesson(session, course_uid=courses[number % COURSES], titles=titles, language="zh")
            )
    for lesson in lessons:
        publish(installation, lesson)
    return installation, world, courses


def measure(folder: Path, requests: int = 30) -> dict[str, float]:
    """CPU ms of one request: the mean of the first page and a course's page."""
    rows = by_page(folder, requests).values()
    return {name: round(sum(row[name] for row in rows) / len(rows), 2) for name in next(iter(rows))}


def by_page(folder: Path, requests: int) -> dict[str, dict[str, float]]:
    """The same for each page."""
    installation, world, courses = school(folder)
    app = create_app(installation=installation)
    dolma = Reader(app.test_client()).card(world.dolma_card).client
    lhamo = Reader(app.test_client()).card(world.lhamo_card).client
    found = {path: _of_page(app, path, dolma, lhamo, requests) for path in ("/", f"/courses/{courses[0]}")}
    installation.database.close()
    return {"today": found["/"], "course": found[f"/courses/{courses[0]}"]}


def _of_page(app: Flask, path: str, dolma: FlaskClient, lhamo: FlaskClient, requests: int) -> dict[str, float]:
    first = lhamo.get(path, headers=ACCEPT)
    assert first.status_code == 200, first.text
    asked = _environ(dolma, path)
    unchanged = _environ(lhamo, path, {"If-None-Match": first.headers["ETag"]})
    return {
        "catalogue_uncached_ms": _cpu_ms(app, asked, "200", requests, before=lambda: kept.forget(app)),
        "catalogue_cached_ms": _cpu_ms(app, asked, "200", requests),
        "catalogue_304_ms": _cpu_ms(app, unchanged, "304", requests),
    }


def _environ(client: FlaskClient, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """The request as the server hands it to the application: the test's own browser costs nothing then."""
    cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in client._cookies.values() if cookie.path == "/")
    return EnvironBuilder(path, headers=ACCEPT | (headers or {}) | {"Cookie": cookies}).get_environ()


def _cpu_ms(
    app: Flask, environ: dict[str, Any], status: str, times: int, before: Callable[[], Any] = lambda: None
) -> float:
    """The median: a neighbour's load makes single requests dearer, never cheaper."""
    spent, told = [], []
    for _number in range(times + 3):
        before()
        begun = time.process_time()
        answer = app(dict(environ), lambda line, _headers, _error=None: told.append(line))
        b"".join(answer)
        spent.append(time.process_time() - begun)
        answer.close()  # type: ignore[attr-defined]
    assert all(line.startswith(status) for line in told), told[-1]
    return 1000 * statistics.median(spent[3:])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(by_page(Path(made), 30), indent=1))
