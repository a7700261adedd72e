"""The program's flow that power cuts are tried on: a hub's first start, an upload, its steps, a published lesson.

Run as a program, below the recorder: `python -m tests.power.flow DATA_DIR CLIP`. After each thing that the program
says it has done, and only then, the promise is appended to the recorder's log.
"""

import hashlib
import io
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from eduhub import clock, logs, worker
from eduhub.config import Settings
from eduhub.courses import editing, publishing, recordings
from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from eduhub.jobs.models import JobRow
from eduhub.media import tus, uploads
from eduhub.media.intents import UploadIntent
from eduhub.media.models import LadderStep, Source
from eduhub.ops.handlers import HANDLERS
from eduhub.ops.opening import make_ready
from eduhub.schools import organisations
from eduhub.uids import new_uid

BLOCKS = 6
LIMIT_S = 240


def settings_of(data_dir: Path) -> Settings:
    """A small hub."""
    return Settings(data_dir=data_dir, encode_threads=1, log_format="text", disk_spare_mb=0, secure_cookies=False)


def promise(**fact: Any) -> None:
    """The program has said that this is done."""
    log = os.open(os.environ["POWER_LOG"], os.O_WRONLY | os.O_APPEND)
    os.write(log, b"A " + json.dumps(fact).encode() + b"\n")
    os.close(log)


def main(data_dir: Path, clip: Path) -> None:
    """Everything, once."""
    logs.configure(settings_of(data_dir))
    here = make_ready(settings_of(data_dir))
    promise(ready=True)
    lesson_uid, intent = lesson_of(here)
    promise(lesson=lesson_uid)
    upload(here, intent, clip.read_bytes())
    stop = threading.Event()
    working = threading.Thread(target=worker.run, args=(here, HANDLERS, stop), kwargs={"timers": ()})
    working.start()
    try:
        follow(here, lesson_uid, intent.source_uid, 0, promise)
    finally:
        stop.set()
        working.join()
    with here.database.write() as session:
        editing.change_lesson(session, lesson_uid, titles={"en": "Ships that float well"})
        row = publishing.publish(session, here, lesson_uid, by_uid=None)
    assert row is not None
    promise(published=row.revision, lesson=lesson_uid)
    here.database.close()


def lesson_of(here: Installation) -> tuple[str, UploadIntent]:
    """Tashi's lesson, which goes out as soon as its video is prepared."""
    with here.database.write() as session:
        school = organisations.add(session, kind="school", names={"en": "Shuanghu"}).uid
        course = editing.add_course(session, org_uid=school, titles={"en": "Physics"})
        lesson = editing.add_lesson(session, course_uid=course.uid, titles={"en": "Ships that float"}, language="en")
        source_uid = new_uid()
        editing.attach_source(session, lesson_uid=lesson.uid, source_uid=source_uid, language="en")
        publishing.publish(session, here, lesson.uid, by_uid=None)
        uid = lesson.uid
    return uid, UploadIntent(
        source_uid=source_uid, org_uid=school, max_bytes=1 << 30, then=recordings.after_preparing(uid),
        expires_steady_s=1 << 30, language="en", back="/", lesson_uid=uid,
    )  # fmt: skip


def upload(
    here: Installation, intent: UploadIntent, payload: bytes, tell: Callable[..., None] = promise
) -> None:
    """The file, a block after the other, each answered as tus answers."""
    uploads.create(here, intent, len(payload), tus.parse_metadata(""))
    tell(upload=intent.source_uid, offset=0, sha256=hashlib.sha256(b"").hexdigest())
    size = -(-len(payload) // BLOCKS)
    for at in range(0, len(payload), size):
        offset = uploads.append(here, intent, at, io.BytesIO(payload[at : at + size])).offset
        tell(upload=intent.source_uid, offset=offset, sha256=hashlib.sha256(payload[:offset]).hexdigest())


def follow(
    here: Installation, lesson_uid: str, source_uid: str, revision: int, tell: Callable[..., None] = lambda **_fact: None
) -> None:
    """Wait until every step is over and published; `tell` what the pages show, as they begin to show it."""
    shown: set[str] = set()
    until_s = clock.monotonic_s() + LIMIT_S
    while clock.monotonic_s() < until_s:
        with here.database.read() as session:
            states = {step.name: step.state for step in session.scalars(select(LadderStep))}
            lesson = session.get_one(Lesson, lesson_uid)
            source = session.get_one(Source, source_uid)
            busy = session.scalars(select(JobRow.uid).where(JobRow.state.in_(["waiting", "running"]))).all()
        for name, state in states.items():
            if state == "done" and name not in shown:
                shown.add(name)
                tell(step=name, source=source_uid)
        if lesson.revision > revision:
            revision = lesson.revision
            tell(published=revision, lesson=lesson_uid)
        assert source.state != "refused", source.refusal
        assert "failed" not in states.values(), states
        if len(shown) == len(states) > 1 and not busy and revision > 0:
            return
        clock.sleep_s(0.05)
    raise TimeoutError(f"steps done: {shown}, revision {revision}, jobs {busy}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
