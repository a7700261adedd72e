"""The sweep of blobs asks everybody who needs some, also those whose lesson is not published yet."""

from typing import Any

import pytest

from eduhub.courses import materials
from eduhub.courses.models import Lesson
from eduhub.installation import Installation, JobContext
from eduhub.ops import upkeep
from eduhub.uids import new_uid


def test_captions_of_a_draft_are_needed(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(upkeep.sweeping, "run", lambda *_what, **how: asked.update(how))
    with installation.database.write() as session:
        lesson = Lesson(
            org_uid=new_uid(), course_uid=new_uid(), unit_uid=None, position=1, titles={"bo": "ཆུ།"}, texts={}, language="bo",
            state="draft", timeline_uid=new_uid(),
        )  # fmt: skip
        session.add(lesson)
        session.flush()
        row = materials.set_captions(session, installation.blobs, lesson.uid, "bo", "0:01 --> 0:02\nཆུ།\n".encode())
        sha256 = row.sha256
    upkeep.sweep(JobContext(installation, new_uid(), lambda done: None))
    with installation.database.read() as session:
        assert sha256 in set().union(*(referrer(session) for referrer in asked["referrers"]))
