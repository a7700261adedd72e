"""The county of a year: a hub, seven schools with ten boxes, and what becomes of each act there."""

import contextlib
import random
import shutil
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy.exc

from eduhub import changes
from eduhub.delivery import catalog, holding
from eduhub.errors import BadInput, DiskFull, EduHubError, LinkDown
from eduhub.installation import JobContext
from eduhub.ops import backup as backing
from eduhub.ops import migrate, upkeep
from eduhub.ops import restore as restoring
from eduhub.sync import rounds
from eduhub.sync.allowance import policies
from eduhub.sync.boxes import joining
from eduhub.sync.courier import trips
from eduhub.uids import new_uid
from tests.sync.world import WEDNESDAY_MS, Hub, WireCarrier
from tests.year import deeds, judging, lessons, power, releases, spares
from tests.year.child import Channel, Child
from tests.year.drawing import Act
from tests.year.line import Answered, Asked, Gone, Line
from tests.year.machine import Machine, Time, seeded_uids
from tests.year.promised import Held, Promised, held

SCHOOLS = 7  # the first three have two boxes
CHILDREN, LESSONS_AT_FIRST = 5, 4
OLDEST_BACKUP_MIN = 27 * 24 * 60  # boxes keep what they brought home 35 days
POWER_WENT = 99
SMALL_MB = 20_000  # lessons here are fifty times smaller than real ones, and so is a megabyte of a school's policy
MIN_MS = 60_000
SETTLING_DAYS, LIFTED_ON_DAY = 6, 3
Work = Callable[[deeds.Tell], None]


class County:
    """Ten boxes and their hub; `failures` is what should not be."""

    def __init__(self, folder: Path, *, boxes: int = 10) -> None:
        self.folder, self.time = folder, Time(WEDNESDAY_MS)
        self.promised, self.failures, self.counts = Promised(), list[str](), dict[str, int]()
        self._uids = seeded_uids(1)
        policies.MB = SMALL_MB
        self.former, self.spares = list[Machine](), 0  # boxes whose place another has taken
        self.copies: dict[int, Machine] = {}  # by the number of the box whose disk it was
        self._backups: dict[str, int] = {}  # when the last one was made, by machine
        self._at_min = 0
        self.hub = Machine("hub", "hub", folder, self.time)
        with self.hub.at_work():
            village = _Village(self.hub)
            self.boxes = [Machine(f"box{number}", "node", folder, self.time) for number in range(boxes)]
            for number, box in enumerate(self.boxes):
                school = village.schools[number % len(village.schools)]
                joining.join(box.here, "http://hub.test", village.code(school, f"box-{number}"), transport=self.line())
        for one in [*self.boxes, self.hub]:
            self.back_up(one)

    def play(self, act: Act) -> None:
        """One act. What was no error that the program knows is noted in `failures`."""
        self._at_min = act["at_min"]
        self.time.now_ms = WEDNESDAY_MS + act["at_min"] * MIN_MS
        self._uids.seed(act["seed"])
        machine = self._machine_of(act)
        do = {
            "round": self._round, "backup": self._backup, "restore": self._restore, "night": self._night, "clock": self._clock,
            "clone": self._clone, "fill": self._fill, "plug": self._plug, "lose": self._lose, "copy": self._copy,
            "replace": lambda act, old: spares.replace(self, act, old), "last_call": self._last_call, "lift": self._lift,
            "update": self._update, "take_back": self._take_back,
        }  # fmt: skip
        before = len(self.failures)
        self._count(act["do"])
        try:
            self._keep_counting(machine)
            do.get(act["do"], self._deed)(act, machine)
        except Exception:  # noqa: BLE001 - each is a finding
            self.failures.append(traceback.format_exc())
        touched = {machine.name: machine, self.hub.name: self.hub} if "cut" in act else {machine.name: machine}
        for one in filter(lambda one: one.disk.exists(), touched.values()):  # not one that was stolen just now
            self.failures += judging.half_shown(one)
        self.failures[before:] = [f"{act}: {failure}" for failure in self.failures[before:]]

    @property
    def all_boxes(self) -> list[Machine]:
        """Those that were made, and copies of their disks."""
        return [*self.boxes, *self.copies.values()]

    @property
    def everything(self) -> list[Machine]:
        """The hub, and all boxes there are, also those that were replaced and lie in a cupboard."""
        return [self.hub, *self.all_boxes, *self.former]

    def _machine_of(self, act: Act) -> Machine:
        if "former" in act:
            return self.former[act["former"]]
        if "box" not in act:
            return self.hub
        number = act["box"] % len(self.boxes)
        return self.copies[number] if number in self.copies and act["seed"] % 2 else self.boxes[number]

    def _keep_counting(self, machine: Machine) -> None:
        for one in (machine, self.hub):
            with one.at_work():
                one.here.steady.keep()  # as the worker's timer does

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    # --- acts -----------------------------------------------------------------------

    def _deed(self, act: Act, machine: Machine) -> None:
        deed = (deeds.AT_HUB if machine.role == "hub" else deeds.AT_BOX)[act["do"]]
        self._done(act, machine, lambda tell: deed(machine.here, random.Random(act["seed"]), tell))

    def _round(self, act: Act, box: Machine) -> None:
        cut = act.get("cut")
        if cut is not None and cut["who"] == "hub" and power.is_preloaded():
            with self._failing_hub(cut) as ask:
                self._try(act, lambda: self._sync(act, box, ask))
            return
        self._done(act, box, lambda _tell: self._sync(act, box, self._ask))

    def _sync(self, act: Act, box: Machine, ask: Callable[[Asked], Answered]) -> None:
        line = Line(ask, random.Random(act["seed"]))
        line.cut_after, line.losing = act.get("line_bytes"), act.get("losing", 0.0)
        rounds.run(box.here, on_progress=lambda _share: None, transport=line, carrier=WireCarrier(line))  # type: ignore[arg-type]

    def _last_call(self, act: Act, box: Machine) -> None:
        """A box that was replaced reaches the hub once more; it brings home what it has, and is told."""
        self._done(act, box, lambda _tell: self._sync(act, box, self._ask))

    def _lift(self, act: Act, hub: Machine) -> None:
        self._done(act, hub, lambda tell: deeds.lift_policies(hub.here, tell))

    def _clock(self, act: Act, box: Machine) -> None:
        box.wrong_ms = act["wrong_h"] * 3_600_000

    def _night(self, _act: Act, _machine: Machine) -> None:
        """The timers of a week; a reboot here and there."""
        for number, one in enumerate([self.hub, *self.all_boxes]):
            with one.at_work():
                one.here.steady.keep()
                upkeep.sweep(JobContext(one.here, new_uid(), lambda _done: None))
                with contextlib.suppress(DiskFull):
                    holding.clear_away(
                        one.here.database, one.here.blobs, now_steady_s=one.here.steady.now_s(), pass_hours=one.settings.pass_hours
                    )
            if (self._at_min + number) % 3 == 0:
                one.stop()
                one.start()

    def _update(self, act: Act, machine: Machine) -> None:
        """The next release takes over: backup, tables, and it starts. If the power goes, it goes on when it is back."""
        if machine.release == releases.NEWEST:
            return
        self.back_up(machine)
        machine.release += 1
        self._done(act, machine, lambda _tell: migrate.bring_up(machine.here.database, machine.settings.data_dir))
        machine.stop()
        machine.start()
        self.back_up(machine)  # one of the release before cannot be brought back by this one

    def _take_back(self, act: Act, machine: Machine) -> None:
        """It was not healthy: the one before it runs on the tables that are there, until the new one comes again."""
        if machine.release == 0:
            return
        machine.stop()
        machine.release -= 1
        self._done(act, machine, lambda _tell: migrate.bring_up(machine.here.database, machine.settings.data_dir))
        machine.start()
        self.back_up(machine)

    def _clone(self, act: Act, machine: Machine) -> None:
        """Somebody copies a box's card, and both go on."""
        number = act["box"] % len(self.boxes)
        if number in self.copies:
            return
        machine.stop()
        shutil.copytree(machine.disk, self.folder / f"{machine.name}-copy")
        machine.start()
        self.copies[number] = Machine(f"{machine.name}-copy", "node", self.folder, self.time, release=machine.release)

    # --- sticks ---------------------------------------------------------------------

    def _stick(self, number: int) -> Path:
        return self.folder / f"stick{number}"

    def _fill(self, act: Act, hub: Machine) -> None:
        nodes = [self.node_uid(self.boxes[number % len(self.boxes)]) for number in act["for"]]
        self._stick(act["stick"]).mkdir(exist_ok=True)
        self._done(act, hub, lambda _tell: trips.export(
            hub.here, self._stick(act["stick"]), nodes=nodes, on_progress=lambda _share: None))  # fmt: skip

    def node_uid(self, box: Machine) -> str:
        """As the hub knows it."""
        with box.here.database.read() as session:
            node = joining.own_node(session)
        assert node is not None
        return node.uid

    def _plug(self, act: Act, machine: Machine) -> None:
        stick = self._stick(act["stick"])
        if stick.exists():
            self._done(act, machine, lambda _tell: trips.take_in(machine.here, stick, on_progress=lambda _share: None))

    def _lose(self, act: Act, _machine: Machine) -> None:
        shutil.rmtree(self._stick(act["stick"]), ignore_errors=True)

    def _copy(self, act: Act, _machine: Machine) -> None:
        if act["to"] != act["stick"] and self._stick(act["stick"]).exists():
            shutil.rmtree(self._stick(act["to"]), ignore_errors=True)
            shutil.copytree(self._stick(act["stick"]), self._stick(act["to"]))

    # --- backups --------------------------------------------------------------------

    def back_up(self, machine: Machine) -> None:
        """Undisturbed."""
        self._backup({"do": "backup"}, machine)

    def _backup(self, act: Act, machine: Machine) -> None:
        def work(_tell: deeds.Tell) -> None:
            backing.backup(machine.here, self.folder / f"backup-{machine.name}")

        self._done(act, machine, work)
        self._backups[machine.name] = self._at_min

    def _restore(self, act: Act, machine: Machine) -> None:
        """The machine's disk is dead, and its last backup is brought back onto another one."""
        if self._at_min - self._backups.get(machine.name, -OLDEST_BACKUP_MIN) > OLDEST_BACKUP_MIN:
            return
        gone, root = held(machine), machine.here.keys.root if machine.role == "hub" else None
        root_file = machine.settings.data_dir / "keys" / "root.key"
        root_key = root_file.read_bytes() if root is not None else b""
        with machine.here.database.read() as session:
            epoch = catalog.state(session).epoch

        def work(tell: deeds.Tell) -> None:
            restoring.restore(
                self.folder / f"backup-{machine.name}", machine.settings, root, after_epoch=epoch if machine.role == "hub" else 0
            )
            tell({"restored": True})

        machine.empty()
        if "cut" in act and power.is_preloaded():
            machine.disk.mkdir()
            if {"restored": True} not in self._recorded(act, machine, work, starts_again=False):
                machine.empty()  # so the operator begins anew
        if not machine.disk.exists():
            with machine.at_work():
                work(self.promised.take)
        if root is not None:
            root_file.write_bytes(root_key)
            root_file.chmod(0o600)
        machine.start()
        elsewhere = Held()
        for one in self.everything:
            elsewhere.add(held(one))
        self.promised.excuse(gone, elsewhere)

    # --- how it is done -----------------------------------------------------------------

    def _done(self, act: Act, machine: Machine, work: Work) -> None:
        """Do it: undisturbed, on a disk that fills up, or with the power going in the middle of it."""
        if "cut" in act and power.is_preloaded():
            self._recorded(act, machine, work)
        elif "pull" in act and power.is_preloaded():
            self._recorded(act, machine, work, stick=self._stick(act["stick"]))
        elif "room" in act and power.is_preloaded():
            machine.stop()  # what is open already has its room
            with power.small_disk(machine.disk, act["room"]):
                self._try(act, lambda: self._at_work(machine, work))
            machine.stop()
        else:
            self._try(act, lambda: self._at_work(machine, work))

    def _at_work(self, machine: Machine, work: Work) -> None:
        with machine.at_work():
            work(self.promised.take)

    def _try(self, act: Act, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            if not self._may_be(act, error):
                raise
            inner = getattr(error, "orig", None)
            self._count(f"refused {getattr(inner, 'sqlite_errorname', None) or getattr(error, 'code', type(error).__name__)}")

    def _may_be(self, act: Act, error: BaseException) -> bool:
        """Whether that was to be expected."""
        if isinstance(error, LinkDown | DiskFull | BadInput) or (act["do"] != "round" and isinstance(error, EduHubError)):
            return True
        if "room" not in act:
            return False
        inner = getattr(error, "orig", error)
        return isinstance(inner, OSError | sqlite3.OperationalError) or isinstance(error, sqlalchemy.exc.OperationalError)

    def _recorded(
        self, act: Act, machine: Machine, work: Work, *, stick: Path | None = None, starts_again: bool = True
    ) -> list[dict[str, Any]]:
        """The power goes, or the stick is pulled out, and the program ends; returns what was told before."""
        cut, log = act["pull" if stick is not None else "cut"], self.folder / "log"
        log.unlink(missing_ok=True)
        machine.stop()
        disk, facts = stick or machine.disk, list[dict[str, Any]]()
        before = power.Before.keep(disk, self.folder / "aside")
        ask_the_hub = self._ask

        def in_the_child(channel: Channel) -> None:
            def ask(asked: Asked) -> Answered:
                channel.send(("asked", asked))
                found: Answered = channel.receive()
                return found

            power.begin(disk, log, records=cut["after"])
            self._ask = ask  # type: ignore[method-assign]
            try:
                with machine.at_work():
                    work(lambda fact: channel.send(("told", fact)))
            except Exception as error:  # noqa: BLE001 - judged by the parent
                if not self._may_be(act, error):
                    channel.send(("failed", traceback.format_exc()))
            if cut["lot"] % 2:
                machine.here.database.close()

        child = Child(in_the_child)
        with contextlib.suppress(Gone):
            while True:
                kind, what = child.channel.receive()
                if kind == "asked":
                    child.channel.send(ask_the_hub(what))
                elif kind == "told":
                    facts.append(what)
                    self.promised.take(what)
                else:
                    self.failures.append(what)
        self._power_went(child, machine, before, log, cut, starts_again=starts_again)
        return facts

    @contextlib.contextmanager
    def _failing_hub(self, cut: dict[str, Any]) -> Iterator[Callable[[Asked], Answered]]:
        """A hub in a process of its own, which loses its power after some records."""
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        self.hub.stop()
        before = power.Before.keep(self.hub.disk, self.folder / "aside")

        def serve(channel: Channel) -> None:
            power.begin(self.hub.disk, log, records=cut["after"])
            while True:
                channel.send(self.hub.answer(channel.receive()))

        child = Child(serve)

        def ask(asked: Asked) -> Answered:
            child.channel.send(asked)
            answered: Answered = child.channel.receive()
            return answered

        try:
            yield ask
        finally:
            self._power_went(child, self.hub, before, log, cut)

    def _power_went(self, child: Child, machine: Machine, before: power.Before, log: Path, cut: dict[str, Any], *, starts_again: bool = True) -> None:
        code = child.wait()
        what = "sticks pulled out" if cut["who"] == "stick" else "power cuts"
        self._count(f"{what} in the middle" if code == POWER_WENT else f"{what} afterwards")
        if code not in (0, POWER_WENT):
            self.failures.append(f"the process of {machine.name} ended with {code}")
        before.lose(log, cut["mode"], random.Random(cut["lot"]))
        if starts_again:
            machine.start()

    def _ask(self, asked: Asked) -> Answered:
        return self.hub.answer(asked)

    def line(self) -> Line:
        """A good line to the hub."""
        return Line(self._ask, random.Random(0))

    # --- the end ------------------------------------------------------------------------

    def settle(self) -> None:
        """All lines are good and nobody does anything: a few days of rounds. What schools have set comes home first; then no limit is left."""
        for day in range(1, 1 + SETTLING_DAYS):
            if day == LIFTED_ON_DAY:
                self.play({"do": "lift", "at_min": self._at_min + 1, "seed": 1})
            for number in range(len(self.former)):
                self.play({"do": "last_call", "former": number, "seed": day, "at_min": self._at_min + 1})
            if "restore" in self.counts:  # what boxes give back can speak of packages that are no more
                with self.hub.at_work(), changes.writing(self.hub.here.database) as session:
                    lessons.bring_all_back(session, self.hub.here)
            for number in range(2 * len(self.boxes)):  # an even seed is the box, an odd one the copy of its disk
                act = {"do": "round", "box": number // 2, "seed": day * 100 + number}
                self.play(act | {"at_min": self._at_min + (24 * 60 if number == 0 else 1)})

    def close(self) -> None:
        """Let go of everything."""
        for one in self.everything:
            one.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        releases.forget()


class _Village(Hub):
    """The hub's first people, courses and lessons."""

    def __init__(self, hub: Machine) -> None:
        super().__init__(hub.here)
        self.schools = [self.school(f"School {number}", CHILDREN) for number in range(SCHOOLS)]
        for number, school in enumerate(self.schools):
            self.adult(school.org, f"Teacher {number}", "teacher")
        courses = [self.course(self.region, groups=tuple(self.schools)), self.course(self.region, groups=tuple(self.schools[:3]))]
        with self.here.database.write() as session:
            for number in range(LESSONS_AT_FIRST):
                lessons.publish(session, self.here, courses[number % 2], random.Random(number))
