"""A class of thirty at a box whose hub is switched off: every child gets its pages and parts, and what it did is kept.

Twenty-nine of them speak HTTP at once, one plays the lesson in a real browser meanwhile. When the hub is back, all thirty come home.
"""

import hashlib
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser
from sqlalchemy import func, select

from eduhub import changes, clock
from eduhub.accounts import credentials, people
from eduhub.db import Database
from eduhub.learning.models import Event, Progress
from eduhub.schools import enrolment
from eduhub.schools.models import Group
from eduhub.uids import new_uid
from tests.flows.machines import Machine
from tests.flows.steps import course_is_taken, lesson_is_published, school_is_set_up
from tests.flows.test_a_lesson_reaches_a_child import box_joins, child_watches, clip

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.ffmpeg, pytest.mark.thorough]
CHILDREN = 29  # and one at a browser
__all__ = ["clip"]  # the fixture: what the teacher has on the phone


def test_thirty_children_learn_while_the_link_is_down(
    make_machine: Callable[..., Machine], chromium: Browser, pictures: Path, clip: Path
) -> None:
    hub = make_machine("hub.lan", web_processes=2, log_format="json")
    hub.run("user", "add", "--name", "Tenzin", "--sign-in-name", "tenzin", "--new-region", "Nagqu", "--password", "snow-lion-73")
    hub.start()
    card = school_is_set_up(hub, chromium, pictures)
    lesson = lesson_is_published(hub, chromium, pictures, clip)
    course_is_taken(hub, chromium, pictures)
    cards = class_grows(hub)
    box = box_joins(hub, chromium, pictures, make_machine)
    box.run("sync", "now")
    hub.stop()

    together = Barrier(CHILDREN)
    with ThreadPoolExecutor(CHILDREN) as pool:
        under_way = [pool.submit(learns, box, code, lesson, together) for code in cards]
        child_watches(box, chromium, pictures, card, lesson)
        waited_s = [child.result(timeout=240) for child in under_way]
    with box.reading() as session:
        watched = select(func.count(func.distinct(Event.actor_uid))).where(Event.kind == "watched")
        assert session.scalar(watched) == CHILDREN + 1
        assert session.scalar(select(func.count()).select_from(Progress)) == CHILDREN + 1
    found = json.loads(box.run("sync", "status", "--json"))
    assert found["says"]["backlog"]["rows"] > CHILDREN  # all of it waits to go home
    assert max(waited_s) < 60, "a page for thirty at once on a busy machine"

    hub.start()
    box.run("sync", "now")
    with hub.reading() as session:
        assert session.scalar(watched) == CHILDREN + 1
    assert json.loads(hub.run("boxes", "--json"))["boxes"][0]["state"] == "green"


def class_grows(hub: Machine) -> list[str]:
    """More children in the class of the first one; the codes of their cards."""
    database = Database(hub.settings.database_url)
    with changes.writing(database) as session:
        group = session.scalars(select(Group)).one()
        codes = []
        for number in range(CHILDREN):
            child = people.add(session, org_uid=group.org_uid, name=f"Child {number}")
            enrolment.enrol(session, person_uid=child.uid, group_uid=group.uid, starts_on="2026-01-01")
            codes.append(credentials.issue_card(session, child.uid))
    database.close()
    return codes


def learns(box: Machine, code: str, lesson: str, together: Barrier) -> float:
    """One child: its card, its first page, the lesson, a track whole and the others begun, and what it watched. Returns the seconds of
    its slowest answer.
    """
    slowest = 0.0
    with httpx.Client(base_url=box.address, headers={"Host": f"{box.host}:{box.settings.port}"}, timeout=120, follow_redirects=True) as client:

        def ask(method: str, address: str, **how: Any) -> httpx.Response:
            nonlocal slowest
            began_s = clock.monotonic_s()
            answer = client.request(method, address, **how)
            slowest = max(slowest, clock.monotonic_s() - began_s)
            assert answer.status_code in {200, 206}, f"{address}: {answer.status_code}"
            return answer

        form = ask("GET", "/card").text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]*)"', form)
        assert token is not None
        together.wait(timeout=120)  # within one second, as a class does
        today = ask("POST", "/card", data={"csrf_token": token[1], "token": code}).text
        assert lesson in today
        page = ask("GET", lesson).text
        found = re.search(r'id="lesson-data">(.*?)</script>', page, re.S)
        assert found is not None
        data = json.loads(found[1])
        for number, track in enumerate(data["index"]["tracks"]):
            address = data["base"] + track["sha256"]
            if number:
                assert len(ask("GET", address, headers={"Range": "bytes=0-4095"}).content) == 4096
            else:
                assert hashlib.sha256(ask("GET", address).content).hexdigest() == track["sha256"]
        event = {
            "uid": new_uid(), "kind": "watched", "version": 1, "subjects": [], "context": data["context"], "lesson": data["lesson"],
            "timeline": data["timeline"], "part": None, "from_ms": 0, "to_ms": 5_000, "watched_ms": 5_000, "stalls": 0,
            "made_ms": clock.now_ms(),
        }  # fmt: skip
        body = {"token": data["events"]["token"], "events": [event]}
        assert ask("POST", data["events"]["url"], json=body).json() == {"accepted": [event["uid"]], "refused": []}
    return slowest
