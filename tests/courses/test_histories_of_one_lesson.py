"""Whatever happens to the recordings of a lesson in whatever order: what the children have is whole, and stays."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.courses import editing, forgetting, publishing, recordings
from eduhub.courses.models import Lesson, LessonSource, PackageOrigin
from eduhub.delivery import holding
from eduhub.delivery.models import BlobRow, PackageRow
from eduhub.delivery.package import Manifest
from eduhub.errors import EncodeFailed, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.jobs.models import JobRow
from eduhub.media import checkpoints, ladders
from eduhub.media.models import LadderRow, LadderStep, Rendition, Source
from eduhub.uids import new_uid
from tests.courses.conftest import PROBE, House, add_lesson, arrive, make

CUTS = (None, [[1000, 20_000]], [[0, 10_000], [30_000, 61_000]])
EDITS = st.sampled_from(CUTS)
MOST_TAKES = 6
DAYS_31_S = 31 * 24 * 3600
TRACKS = {"video", "audio", "stills"}


class Histories(RuleBasedStateMachine):
    """Tashi, his encoder and the timers, at one lesson. Jobs are looked up and done by hand."""

    installation: Installation
    house: House

    def __init__(self) -> None:
        super().__init__()
        with self.installation.database.write() as session:
            self.lesson = add_lesson(session, self.house.course)
        self.revision = 0
        self.takes = 0
        self.steady_s = 0
        self.axes: dict[str, tuple[str, ...]] = {}
        self.names: set[str] = set()
        self.key: tuple[str, str] | None = None
        self.is_out = False

    # --- what people do

    @initialize(purpose=st.sampled_from(["master", "light"]))
    def begin(self, purpose: str) -> None:
        self.send(purpose)
        self.press_publish("水")

    @precondition(lambda self: self.takes < MOST_TAKES)
    @rule(purpose=st.sampled_from(["master", "light", "sound", "sound"]))
    def send(self, purpose: str) -> None:
        with self.installation.database.write() as session:
            language = "bo" if purpose == "sound" else "zh"
            self.takes += 1
            uid = arrive(session, self.lesson, f"take {self.takes}", purpose=purpose, language=language)
            session.get_one(Source, uid).probe = PROBE.as_json()
            recordings.order(session, self.lesson)

    @rule(edit=EDITS)
    def trim(self, edit: Any) -> None:
        with self.installation.database.write() as session:
            try:
                editing.trim(session, self.lesson, edit)
            except NotFound:
                assert not self._steps(session)

    @rule(which=st.integers(0, 20), how=st.sampled_from(["stop", "again"]))
    def stop_or_try_again(self, which: int, how: str) -> None:
        with self.installation.database.write() as session:
            steps = self._steps(session)
            if steps and how == "stop":
                ladders.stop(session, steps[which % len(steps)].source_uid)
            elif steps:
                step = steps[which % len(steps)]
                ladders.try_again(session, step.source_uid, step.recipe, step.name)
                view = ladders.view(session, step.source_uid, step.recipe)
                assert view is not None
                assert {found.name: found.state for found in view.steps}[step.name] in {"waiting", "done"}

    @rule(title=st.sampled_from(["水", "水和冰"]))
    def press_publish(self, title: str) -> None:
        with self.installation.database.write() as session:
            editing.change_lesson(session, self.lesson, titles={"zh": title})
            self._published(session, publishing.publish(session, self.installation, self.lesson, None))

    @rule()
    def take_back(self) -> None:
        with self.installation.database.write() as session:
            publishing.withdraw(session, self.installation, self.lesson, None)
        self.is_out, self.names = False, set()

    # --- what machines do

    @rule(which=st.integers(0, 20))
    def finish_a_step(self, which: int) -> None:
        with self.installation.database.write() as session:
            waiting = self._waiting(session)
            if waiting:
                step = waiting[which % len(waiting)]
                recording = session.get_one(Source, step.source_uid).sha256 or ""
                make(session, self.installation, step.source_uid, step.recipe, step.name, recording=recording)
                session.get_one(JobRow, step.job_uid).state = "done"
        self.run_job()

    @rule(which=st.integers(0, 20))
    def fail_a_step(self, which: int) -> None:
        with self.installation.database.read() as session:
            waiting = self._waiting(session)
        if waiting:
            step = waiting[which % len(waiting)]
            at = checkpoints.At(step.source_uid, step.recipe, step.name)
            checkpoints.failed(self._context(), at, EncodeFailed())

    @rule()
    def run_job(self) -> None:
        publishing.publish_if_ready(self._context(), self.lesson)
        with self.installation.database.read() as session:
            lesson = session.get_one(Lesson, self.lesson)
            if lesson.state == "published":
                self._published(session, session.get_one(PackageRow, lesson.package_id))

    @rule(after_s=st.sampled_from([60, DAYS_31_S]))
    def forget(self, after_s: int) -> None:
        self.steady_s += after_s
        with self.installation.database.write() as session:
            holding.retire(session, now_steady_s=self.steady_s, pass_hours=12)
            for uid in session.scalars(select(LessonSource.source_uid).where(LessonSource.lesson_uid == self.lesson)).all():
                forgetting.forget(session, uid, now_steady_s=self.steady_s, after_s=30 * 24 * 3600)

    # --- what must be so

    def _published(self, session: Session, row: PackageRow | None) -> None:
        if row is None:
            assert not self.is_out
            return
        manifest, origin = Manifest.from_bytes(row.manifest), session.get_one(PackageOrigin, row.id)
        lesson, key = session.get_one(Lesson, self.lesson), (origin.source_uid, origin.recipe)
        assert row.revision >= self.revision
        assert (row.revision == lesson.revision, row.timeline_uid) == (True, lesson.timeline_uid)
        made = self._made(session, [key, *((uid, recipe) for uid, recipe in origin.voices)])
        assert {part.sha256 for part in manifest.parts if part.kind in TRACKS} == made
        wanted = session.get_one(LadderRow, key).wanted["edit"]
        assert wanted == origin.edit_list
        if not self.is_out:  # what he has cut since is not shown again
            assert origin.edit_list == lesson.edit_list
        masters = session.scalars(select(LessonSource.source_uid).where(
            LessonSource.lesson_uid == self.lesson, LessonSource.purpose == "master"
        )).all()  # fmt: skip
        axis = (json.dumps(wanted), *((origin.source_uid,) if origin.source_uid in masters else ()))
        known = self.axes.setdefault(row.timeline_uid, axis)
        assert axis[: len(known)] == known  # a light copy's axis becomes its master's
        self.axes[row.timeline_uid] = axis
        names = {part.name for part in manifest.parts}
        if self.key == key and not any(part.language == "bo" for part in manifest.parts):
            names |= {name for name in self.names if name.startswith(("aac-bo", "opus-bo"))}  # dropped with its recording
        if self.key == key:
            assert self.names <= names
        self.revision, self.key, self.names, self.is_out = row.revision, key, names, True

    def _made(self, session: Session, keys: list[tuple[str, str]]) -> set[str]:
        return {
            sha256
            for uid, recipe in keys
            for sha256 in session.scalars(
                select(Rendition.sha256).where(Rendition.source_uid == uid, Rendition.recipe == recipe)
            )
        }

    @invariant()
    def what_is_out_can_be_shown(self) -> None:
        with self.installation.database.read() as session:
            current = holding.current(session, self.lesson)
            assert (current is not None) == self.is_out
            if current is not None:
                assert all((self.installation.packages_dir / current.id / part.sha256).exists()
                           for part in Manifest.from_bytes(current.manifest).parts)

    @invariant()
    def every_row_of_a_step_is_whole(self) -> None:
        with self.installation.database.read() as session:
            steps = {(step.source_uid, step.recipe, step.name): step for step in self._steps(session)}
            for step in steps.values():
                made = session.scalars(select(Rendition).where(
                    Rendition.source_uid == step.source_uid, Rendition.recipe == step.recipe, Rendition.step == step.name
                )).all()  # fmt: skip
                assert bool(made) == (step.state == "done")
                assert all(session.get(BlobRow, row.sha256) is not None for row in made)
                if step.state == "waiting":
                    job = session.get_one(JobRow, step.job_uid)
                    assert (job.state, job.cancel_asked) == ("waiting", False)
            for uid, recipe in {key[:2] for key in steps}:
                ladder = session.get_one(LadderRow, (uid, recipe))
                assert ladder.floor_ready == (steps[uid, recipe, "floor"].state == "done")

    def _steps(self, session: Session) -> list[LadderStep]:
        attached = select(LessonSource.source_uid).where(LessonSource.lesson_uid == self.lesson)
        found = select(LadderStep).where(LadderStep.source_uid.in_(attached))
        return list(session.scalars(found.order_by(LadderStep.source_uid, LadderStep.recipe, LadderStep.position)))

    def _waiting(self, session: Session) -> list[LadderStep]:
        return [step for step in self._steps(session) if step.state == "waiting"]

    def _context(self) -> JobContext:
        return JobContext(self.installation, new_uid(), lambda done: None)


def _run(installation: Installation, house: House, examples: int, steps: int) -> None:
    Histories.installation, Histories.house = installation, house
    run_state_machine_as_test(Histories, settings=settings(  # type: ignore[no-untyped-call]
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck),
        derandomize=True, phases=[Phase.generate],  # looking for a shorter history would take minutes
    ))  # fmt: skip


def test_what_is_published_is_one_cut_of_one_recording_and_never_vanishes(installation: Installation, house: House) -> None:
    _run(installation, house, examples=10, steps=20)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_the_same_in_long_histories(installation: Installation, house: House, seed: int) -> None:
    """By dice: a generator that looks for the smallest history stays near the beginning of most."""
    Histories.installation, Histories.house = installation, house
    dice = Random(seed)
    one = Histories()
    one.begin(dice.choice(["master", "light"]))
    for _ in range(150):
        act = dice.choice([
            one.take_back, one.run_job, lambda: one.fail_a_step(dice.randrange(21)), lambda: one.forget(dice.choice([60, DAYS_31_S])),
            lambda: one.stop_or_try_again(dice.randrange(21), dice.choice(["stop", "again", "again"])),
            lambda: one.press_publish(dice.choice(["水", "水和冰"])), lambda: one.press_publish("水"),
            lambda: one.trim(dice.choice(CUTS)), *[lambda: one.finish_a_step(dice.randrange(21))] * 6,
            *[lambda: one.send(dice.choice(["master", "light", "sound"]))] * (one.takes < MOST_TAKES),
        ])  # fmt: skip
        act()
        one.what_is_out_can_be_shown()
        one.every_row_of_a_step_is_whole()
    assert one.revision > 3
