"""A page and a worker at one lesson at the same moment: one waits for the other, and both come to an end."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from eduhub import changes
from eduhub.courses import publishing
from eduhub.courses.models import Lesson
from eduhub.delivery import keys, package
from eduhub.delivery.models import PackageRow
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation, JobContext
from eduhub.signing import Signature, SigningKey
from eduhub.uids import new_uid
from tests import meeting
from tests.courses.conftest import House, add_lesson, prepare

pytestmark = pytest.mark.two_writers


@pytest.fixture
def lesson(installation: Installation, house: House) -> str:
    """Tashi's lesson; its recording is prepared, and he has pressed publish."""
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        session.get_one(Lesson, uid).state = "submitted"
        prepare(session, installation, uid)
        return uid


def test_who_takes_a_lesson_back_while_a_worker_publishes_it_is_not_in_its_way(
    installation: Installation, house: House, lesson: str
) -> None:
    def publish() -> None:
        publishing.publish_if_ready(JobContext(installation, new_uid(), lambda _done: None), lesson)

    with installation.database.write() as session:
        add_lesson(session, house.course, "雪")  # the log is held now
        worker = meeting.start(installation.database, publish)
        publishing.withdraw(session, installation, lesson, house.tashi)
    worker.done()
    with installation.database.read() as session:
        assert session.get_one(Lesson, lesson).state == "draft"


def test_whoever_may_write_the_log_stands_in_its_line_before_anything_is_locked(
    installation: Installation, lesson: str
) -> None:
    def read_it() -> str:
        with changes.writing(installation.database) as session:
            return str(session.get_one(Lesson, lesson, with_for_update=True).titles["zh"])

    with installation.database.write() as session:
        changes.hold_machine(session)
        second = meeting.start(installation.database, read_it)
        session.get_one(Lesson, lesson, with_for_update=True).titles = {"zh": "雪"}
    assert second.done() == "雪"


def test_a_lesson_that_is_published_while_the_key_is_changed_bears_a_signature_that_holds(
    installation: Installation, lesson: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, root = installation.keys.publishing, installation.keys.root
    meetings: list[Any] = []

    def change_keys() -> None:
        with installation.database.write() as session:
            keys.rotate(session, installation.keys, root)
        installation.keys.adopt_next_publishing()
        with installation.database.write() as session:
            keys.revoke(session, installation.keys, root, old.id)

    def sign(manifest: bytes, key: SigningKey) -> Signature:
        meetings.append(meeting.start(installation.database, change_keys))
        return package.sign(manifest, key)

    monkeypatch.setattr(publishing, "package", SimpleNamespace(sign=sign))
    publishing.publish_if_ready(JobContext(installation, new_uid(), lambda _done: None), lesson)
    meetings[0].done()
    with installation.database.read() as session:
        row = session.scalars(select(PackageRow)).one()
        package.verify(row.manifest, Signature.from_json(row.signature), keyring(session), sequence=row.sequence)
        assert keyring(session).keys[old.id].revoked_at_sequence is not None
