"""A hub, a box, and a child who is known at both."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask
from flask import session as cookie
from flask.testing import FlaskClient

from eduhub import guard
from eduhub.accounts import credentials, people, sign_ins
from eduhub.app import create_app
from eduhub.courses import editing
from eduhub.courses.models import Lesson
from eduhub.delivery import keys
from eduhub.installation import Installation
from eduhub.learning import tokens
from eduhub.schools import organisations
from eduhub.uids import new_uid


@dataclass(frozen=True)
class Machine:
    """An installation with its application, one school and Dolma, who studies there."""

    installation: Installation
    app: Flask
    school: str
    dolma: str

    @property
    def token(self) -> str:
        return tokens.issue(self.installation.keys.secret, self.dolma, self.school)

    def browser(self) -> FlaskClient:
        return self.app.test_client()

    def browser_of_dolma(self) -> FlaskClient:
        """A browser in which Dolma is signed in."""
        with self.installation.database.write() as session:
            credential = credentials.check_card(session, credentials.issue_card(session, self.dolma))
            made = sign_ins.start(session, credential)
        with self.app.test_request_context():
            guard.remember(made)
            remembered = dict(cookie)
        browser = self.browser()
        with browser.session_transaction() as kept:
            kept.update(remembered)
        return browser


@pytest.fixture
def machine(make_installation: Callable[..., Installation]) -> Callable[[str], Machine]:
    def make(role: str) -> Machine:
        installation = make_installation(role=role)
        with installation.database.write() as session:
            if role == "hub":
                keys.make_hub_keys(session, installation.keys)
            school = organisations.add(session, kind="school", names={"zh": "双湖小学"}).uid
            dolma = people.add(session, org_uid=school, name="Dolma").uid
            course = editing.add_course(session, org_uid=school, titles={"zh": "科学"})
            session.add(Lesson(
                uid=LESSON, org_uid=school, course_uid=course.uid, position=1, titles={"zh": "冰"}, texts={}, language="zh",
                state="draft", timeline_uid=TIMELINE, revision=0,
            ))  # fmt: skip
        return Machine(installation, create_app(installation=installation), school, dolma)

    return make


@pytest.fixture
def hub(machine: Callable[[str], Machine]) -> Machine:
    return machine("hub")


@pytest.fixture
def box(machine: Callable[[str], Machine]) -> Machine:
    return machine("node")


def watched(**values: object) -> dict:
    return {
        "uid": new_uid(), "kind": "watched", "version": 1, "lesson": LESSON, "timeline": TIMELINE, "part": "v240",
        "from_ms": 40_000, "to_ms": 70_000, "watched_ms": 30_000, "stalls": 0, "context": "own_device",
        "made_ms": 1_795_000_000_000, "subjects": [],
    } | values  # fmt: skip


LESSON, TIMELINE = new_uid(), new_uid()
