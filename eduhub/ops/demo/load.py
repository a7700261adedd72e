"""`eduhub demo`: load the demo once, make its lectures, and send them through the real pipeline.

Safe to repeat and to interrupt: what is there is kept, what is missing is made. The table of
sign-ins is kept in data_dir/demo.json, since cards are shown once and stored as hashes.
"""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts.models import Person
from eduhub.courses import captions, editing, materials, publishing, recordings
from eduhub.courses.captions import Cue
from eduhub.courses.chapters import Chapter
from eduhub.courses.models import Lesson, LessonSource
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest
from eduhub.errors import DemoRefused, EncodeFailed, MediaRefused
from eduhub.installation import Installation
from eduhub.media import ladders, program, uploads
from eduhub.media.intents import UploadIntent
from eduhub.media.models import Source
from eduhub.ops.demo import film, inline, school
from eduhub.ops.demo.lectures import LECTURES, Lecture
from eduhub.uids import new_uid

MAX_BYTES = 64 * 1024 * 1024
_INTENT_LASTS_S = 3600

Bar = Callable[[str], AbstractContextManager[Callable[[float], None]]]


def load(installation: Installation, bar: Bar) -> school.DemoSchool:
    """Everything that the demo has; `bar(label)` shows the progress of one step. Raises DemoRefused."""
    if installation.settings.role != "hub":
        raise DemoRefused(reason="a school's box gets its lessons from its hub")
    demo = _school(installation)
    for lecture in LECTURES:
        _bring_out(installation, lecture, demo.lesson_uids[lecture.key], bar)
    return demo


def _bring_out(installation: Installation, lecture: Lecture, lesson_uid: str, bar: Bar) -> None:
    """Go on from wherever an earlier run stopped: no file yet, a file that waits, a prepared one, published."""
    source_uid = _arrived_source(installation, lesson_uid) or _upload(installation, lecture, lesson_uid, bar)
    if _is_out(installation, lesson_uid, source_uid):
        return
    with changes.writing(installation.database) as session:
        publishing.publish(session, installation, lesson_uid, None)  # orders what is missing, too
    with bar(f"Preparing {lecture.key}") as move:
        inline.run_until(installation, lambda: _is_out(installation, lesson_uid, source_uid), move)


def _school(installation: Installation) -> school.DemoSchool:
    kept = installation.settings.data_dir / "demo.json"
    with installation.database.read() as session:
        known = set(session.execute(select(Person.uid)).scalars())
    if kept.exists():
        demo = school.DemoSchool.from_json(json.loads(kept.read_text(encoding="utf-8")))
        if demo.first_person_uid in known:
            with changes.writing(installation.database) as session:
                for group_uid in school.groups_of(session, demo):
                    school.plan_this_week(session, demo, group_uid)
            return demo
    if known:
        raise DemoRefused(reason="there are people here already, and they would get neighbours that do not exist")
    with changes.writing(installation.database) as session:
        demo = school.write(session)
        # Before the commit: a file without its rows is written anew, rows without their file would be lost.
        _keep(kept, json.dumps(demo.as_json(), ensure_ascii=False, indent=2))
    return demo


def _keep(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _arrived_source(installation: Installation, lesson_uid: str) -> str | None:
    """The source whose file has arrived, whatever became of it since."""
    with installation.database.read() as session:
        return session.execute(
            select(Source.uid)
            .join(LessonSource, LessonSource.source_uid == Source.uid)
            .where(LessonSource.lesson_uid == lesson_uid, Source.state.in_(("arrived", "prepared")))
            .limit(1)
        ).scalar()


def _is_out(installation: Installation, lesson_uid: str, source_uid: str) -> bool:
    """Whether every rendition is published; raises MediaRefused and EncodeFailed when one never will be."""
    with installation.database.read() as session:
        refusal = session.get_one(Source, source_uid).refusal
        if refusal is not None:
            raise MediaRefused(str(refusal), reason=str(refusal))
        ladder, lesson = ladders.view(session, source_uid), session.get_one(Lesson, lesson_uid)
        for step in ladder.steps if ladder is not None else ():
            if step.state not in {"waiting", "running", "done"}:
                raise EncodeFailed(f"step {step.name}: {step.error}")
        package = session.get(PackageRow, lesson.package_id) if lesson.package_id is not None else None
        if package is None or ladder is None or any(step.state != "done" for step in ladder.steps):
            return False
        out = {part.name for part in Manifest.from_bytes(package.manifest).parts}
        return {step.name for step in ladder.steps if step.name != ladders.FLOOR} <= out


def _write_beside(
    session: Session, installation: Installation, lesson: Lesson, lecture: Lecture, said: Sequence[film.Said]
) -> None:
    """What a teacher would type: captions in the language that is spoken, and a chapter for each slide."""
    cues = [Cue(one.start_ms, one.end_ms, one.text) for one in said]
    materials.set_captions(session, installation.blobs, lesson.uid, lecture.language, captions.to_webvtt(cues))
    slides = [Chapter(one.start_ms, one.text) for one in said if one.is_title]
    materials.set_chapters(session, lesson.uid, lecture.language, slides)


def _upload(installation: Installation, lecture: Lecture, lesson_uid: str, bar: Bar) -> str:
    """Make the file and hand it in as the page of the lesson would; returns the uid of its source."""
    with tempfile.TemporaryDirectory(dir=installation.settings.data_dir / "work") as folder, bar(
        f"Recording {lecture.key}"
    ) as move:
        made = Path(folder, f"{lecture.key}.mp4")
        said = film.make(lecture, made, Path(folder), program.find(installation.settings).path, move)
        source_uid = new_uid()
        with changes.writing(installation.database) as session:
            lesson = editing.find_lesson(session, lesson_uid)
            editing.attach_source(session, lesson_uid=lesson_uid, source_uid=source_uid, language=lecture.language)
            org_uid = lesson.org_uid
            _write_beside(session, installation, lesson, lecture, said)
        intent = UploadIntent(
            source_uid=source_uid, org_uid=org_uid, lesson_uid=lesson_uid, language=lecture.language,
            max_bytes=MAX_BYTES, expires_steady_s=int(installation.steady.now_s()) + _INTENT_LASTS_S, back="/",
            then=recordings.after_preparing(lesson_uid),
        )  # fmt: skip
        with made.open("rb") as stream:
            return uploads.receive(installation, intent, stream, made.name).uid
