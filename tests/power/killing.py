"""kill -9 at a random moment of an upload, its encoding and publishing, on a hub that `eduhub serve` runs.

Each round Tashi makes a lesson, asks for it to be published and sends its file, in small blocks. At a moment
drawn by lot one of the hub's processes, or all of them, are killed. What the hub had said until then is
compared with what is there; then the round goes on until every step of the lesson is made and published.
"""

import contextlib
import hashlib
import http.client
import os
import random
import signal
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from eduhub import clock
from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from eduhub.jobs.models import JobRow
from eduhub.jobs.running import Worker
from eduhub.media import intents
from eduhub.media.intents import UploadIntent
from eduhub.media.models import LadderStep, Source
from tests.flows.machines import Machine
from tests.power import checking, flow

BLOCKS = 12
BLOCK_EVERY_S = 0.12
# How long an undisturbed round takes is measured; until then this is the span that moments are drawn from.
FIRST_GUESS_S = 10.0
MOVED_WITHIN_S = 10.0
ROUND_LIMIT_S = 180.0
WHO = ("all", "all", "worker", "web", "supervisor")


@dataclass
class Outcome:
    """What the kills did."""

    kills: int = 0
    lost: list[str] = field(default_factory=list)
    inconsistent: list[str] = field(default_factory=list)
    recover_s: list[float] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)


class Killed:
    """One hub that is killed again and again."""

    def __init__(self, machine: Machine, here: Installation, clip: bytes, seed: int) -> None:
        self._machine, self._here, self._clip = machine, here, clip
        self._lot, self._round_s = random.Random(seed), FIRST_GUESS_S
        self.outcome = Outcome()

    def round(self) -> None:
        """One lesson, one kill."""
        lesson_uid, intent = flow.lesson_of(self._here)
        sender = _Sender(self._machine, self._here, intent, self._clip)
        began_s = clock.monotonic_s()
        strike_s = began_s + self._lot.uniform(0.1, 1.1 * self._round_s)
        who = self._lot.choice(WHO)
        with sender.sending():
            while clock.monotonic_s() < strike_s and not self._is_over(lesson_uid, intent):
                clock.sleep_s(0.01)
            undisturbed = self._is_over(lesson_uid, intent)
            if undisturbed:
                self._round_s = clock.monotonic_s() - began_s
            self._strike(who, lesson_uid, intent, sender)
            self._goes_on(lesson_uid, intent)
        if sender.failure is not None:
            self.outcome.lost.append(f"an upload did not go on: {sender.failure!r}")
        self.outcome.lost += self._broken([*sender.promises, *self._shown(lesson_uid, intent)])
        with self._here.database.read() as session:
            source = session.get(Source, intent.source_uid)
        if source is None or source.sha256 != hashlib.sha256(self._clip).hexdigest():
            self.outcome.lost.append("the file that arrived is another one")

    def _strike(self, who: str, lesson_uid: str, intent: UploadIntent, sender: "_Sender") -> None:
        self.outcome.phases.append(self._phase(intent))
        promises = [*sender.promises, *self._shown(lesson_uid, intent)]
        killed_s = clock.monotonic_s()
        kill(self._machine.pid, who)
        self.outcome.kills += 1
        if who in {"all", "supervisor"}:
            self._machine.kill()
            wait_for(lambda: not descendants_of_session(self._machine.settings.data_dir), 30)
        self.outcome.inconsistent += checking.damage(self._here)
        if who in {"all", "supervisor"}:
            killed_s = clock.monotonic_s()  # looking took time too
            self._machine.start()
        else:
            wait_for(self._machine.is_well, 60)
        wait_for(self._is_taken_up, 120)
        self.outcome.recover_s.append(clock.monotonic_s() - killed_s)
        self.outcome.lost += self._broken(promises)
        self.outcome.inconsistent += checking.damage(self._here)

    def _broken(self, promises: list[dict[str, Any]]) -> list[str]:
        """What is lost, and not only on its way from one place to another while the program works."""
        until_s = clock.monotonic_s() + MOVED_WITHIN_S
        while (found := checking.broken_promises(self._here, promises)) and clock.monotonic_s() < until_s:
            clock.sleep_s(0.1)
        return found

    def _phase(self, intent: UploadIntent) -> str:
        with self._here.database.read() as session:
            if session.get(Source, intent.source_uid) is None:
                return "upload"
            kinds = session.scalars(select(JobRow.kind).where(JobRow.state.in_(["running", "waiting"]))).all()
        return "publish" if "courses.publish_if_ready" in kinds else "encode" if "media.encode" in kinds else "prepare"

    def _is_taken_up(self) -> bool:
        """Whether what was under way is under way again: nothing is left in the hands of a dead worker, one lives."""
        looking = Worker(self._here.settings.data_dir / "run")
        with self._here.database.read() as session:
            held = session.execute(select(JobRow.worker, JobRow.state).where(JobRow.state.in_(["running", "waiting"]))).all()
        running = [worker for worker, state in held if state == "running"]
        if any(worker is None or looking.knows_dead(worker) for worker in running):
            return False
        return bool(running) or not held or checking.any_worker(self._here)

    def _is_over(self, lesson_uid: str, intent: UploadIntent) -> bool:
        with self._here.database.read() as session:
            steps = session.scalars(select(LadderStep).where(LadderStep.source_uid == intent.source_uid)).all()
            lesson = session.get_one(Lesson, lesson_uid)
            own = (JobRow.kind.startswith("media.") | JobRow.kind.startswith("courses."))
            busy = session.scalars(select(JobRow.uid).where(own, JobRow.state.in_(["waiting", "running"]))).first()
        return len(steps) > 1 and {step.state for step in steps} == {"done"} and lesson.revision > 0 and busy is None

    def _goes_on(self, lesson_uid: str, intent: UploadIntent) -> None:
        try:
            wait_for(lambda: self._is_over(lesson_uid, intent), ROUND_LIMIT_S)
        except TimeoutError:
            with self._here.database.read() as session:
                steps = {step.name: step.state for step in session.scalars(
                    select(LadderStep).where(LadderStep.source_uid == intent.source_uid)
                )}  # fmt: skip
            self.outcome.lost.append(f"lesson {lesson_uid} did not go on: {steps}")

    def _shown(self, lesson_uid: str, intent: UploadIntent) -> list[dict[str, Any]]:
        """What the pages say at this moment."""
        with self._here.database.read() as session:
            steps = session.scalars(select(LadderStep).where(LadderStep.source_uid == intent.source_uid)).all()
            revision = session.get_one(Lesson, lesson_uid).revision
        told: list[dict[str, Any]] = [{"lesson": lesson_uid}]
        told += [{"step": step.name, "source": intent.source_uid} for step in steps if step.state == "done"]
        return told + ([{"published": revision, "lesson": lesson_uid}] if revision else [])


class _Sender:
    """Tashi's browser: sends the file by tus, and after each error asks where to go on."""

    def __init__(self, machine: Machine, here: Installation, intent: UploadIntent, payload: bytes) -> None:
        self._machine, self._intent, self._payload = machine, intent, payload
        token = intents.sign(here.keys.secret, intent)
        self._headers = {"Tus-Resumable": "1.0.0", "Authorization": f"EduHub-Intent {token}"}
        self._stop = threading.Event()
        self.promises: list[dict[str, Any]] = []
        self.failure: BaseException | None = None

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        thread = threading.Thread(target=self._guarded)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(60)

    def _guarded(self) -> None:
        try:
            self._send()
        except Exception as error:  # noqa: BLE001 - told by the round
            self.failure = error

    def _send(self) -> None:
        where = "/media/uploads"
        created = False
        size = -(-len(self._payload) // BLOCKS)
        offset = 0
        until_s = clock.monotonic_s() + ROUND_LIMIT_S
        while offset < len(self._payload) or not created:
            assert clock.monotonic_s() < until_s, "the upload takes too long"
            try:
                if not created:
                    status, headers = self._ask("POST", where, {"Upload-Length": str(len(self._payload))})
                    assert status == 201, status
                    where, created = urllib.parse.urlsplit(headers["Location"]).path, True
                    self._promise(0)
                    continue
                block = self._payload[offset : offset + size]
                facts = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
                status, headers = self._ask("PATCH", where, facts, block)
                if status == 204:
                    offset = int(headers["Upload-Offset"])
                    self._promise(offset)
                    clock.sleep_s(BLOCK_EVERY_S)
                    continue
            except (OSError, http.client.HTTPException, AssertionError):
                clock.sleep_s(0.1)
            if created:
                offset = self._asked_for(where, offset)

    def _asked_for(self, where: str, offset: int) -> int:
        """Where to go on; a live upload is never told a thing that makes a client begin anew."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, headers = self._ask("HEAD", where, {})
            if status == 200:
                return int(headers["Upload-Offset"])
            if status in {401, 403, 404, 410}:
                raise AssertionError(f"HEAD of a live upload: {status}")
        return offset

    def _ask(self, method: str, path: str, facts: dict[str, str], body: bytes | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._machine.settings.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers={**self._headers, **facts})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers
        finally:
            connection.close()

    def _promise(self, offset: int) -> None:
        sha256 = hashlib.sha256(self._payload[:offset]).hexdigest()
        self.promises.append({"upload": self._intent.source_uid, "offset": offset, "sha256": sha256})


def wait_for(is_so: Any, limit_s: float) -> None:
    """Look every few milliseconds; raises TimeoutError."""
    until_s = clock.monotonic_s() + limit_s
    while not is_so():
        if clock.monotonic_s() > until_s:
            raise TimeoutError("it did not come about")
        clock.sleep_s(0.02)


def kill(supervisor: int, who: str) -> None:
    """SIGKILL to all processes of a hub, or to its worker, its web servers or its supervisor alone."""
    family = dict(children(supervisor))
    chosen = [
        pid for pid, command in family.items()
        if who == "all" or (who == "worker" and "eduhub.worker" in command) or (who == "web" and "gunicorn" in command)
    ]
    if who in {"all", "supervisor"}:
        chosen.insert(0, supervisor)
    for pid in chosen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def children(parent: int) -> Iterator[tuple[int, str]]:
    """Every descendant of a process, with its command."""
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for pid in map(int, path.read_text().split()):
                with contextlib.suppress(OSError):
                    yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                yield from children(pid)


def descendants_of_session(data_dir: Path) -> list[int]:
    """Processes that still run for the hub of this data folder: its children outlive a killed supervisor for a moment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"EDUHUB_DATA_DIR={data_dir}\0".encode() in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found
