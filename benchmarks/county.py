"""A county in a database, written at once: schools with their boxes and children, and a catalogue of lessons.

Rows, their log and the places in the streams are those that the program would have written; writing them one by one would
take longer than the measurement. `bench_hub.py` checks one school of it against the program.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts.models import Person
from eduhub.changes import Change, FieldVersion, log
from eduhub.changes.values import value_hash
from eduhub.courses.models import Course, Lesson
from eduhub.delivery import catalog, keys
from eduhub.installation import Installation
from eduhub.schools.models import Enrolment, Group, Organisation, Site
from eduhub.signing import SigningKey, new_sealing_seed, sealing_public
from eduhub.sync.models import Node, NodeContact, StreamRow, StreamState
from eduhub.sync.school_stream import streams
from eduhub.uids import new_uid

COUNTIES, LESSONS_OF_COURSE, CHILDREN = 10, 50, 5
_AT_ONCE = 5_000


@dataclass(frozen=True)
class Box:
    """One simulated box: who it is, and the child of its school whose name changes."""

    node_uid: str
    org_uid: str
    key: SigningKey
    child_uid: str
    sequence: int  # where its stream ends


def build(hub: Installation, boxes: int, lessons: int) -> list[Box]:
    """Schools with a box each, in ten regions, and as many lessons, a tenth of which each school sees."""
    found: list[Box] = []
    with hub.database.write() as session:
        keys.make_hub_keys(session, hub.keys)
        writer = _Writer(session)
        regions = [writer.add(Organisation, uid, uid, kind="region", parent_uid=None, names={"zh": "那曲"}) for uid in _uids(COUNTIES)]
        seen: list[list[tuple[str, str]]] = [[("organisation", uid)] for uid in regions]
        for number in range(max(COUNTIES, lessons // LESSONS_OF_COURSE)):
            _course(writer, regions, seen, number, lessons)
        schools = [_school(writer, regions[number % COUNTIES]) for number in range(boxes)]
        writer.close()
        for number in range(max(1, lessons // 40)):  # the catalog beside it: a hash chain, entry by entry
            catalog.append(session, hub.keys, "publish", {
                "lesson": new_uid(), "package": f"{number:064x}", "signature": {"key": "0" * 16, "value": "0" * 128}
            })  # fmt: skip
        newest: dict[tuple[str, str], int] = {}
        for table, uid, seq in session.execute(
            select(FieldVersion.table_name, FieldVersion.row_uid, func.max(FieldVersion.change_seq))
            .group_by(FieldVersion.table_name, FieldVersion.row_uid)
        ):  # fmt: skip
            newest[table, uid] = seq
        end = streams.ends(session)
        for number, (box, own) in enumerate(schools):
            placed = [*seen[number % COUNTIES], *own]
            writer.rows(StreamRow, (
                {"org_uid": box.org_uid, "table_name": table, "row_uid": uid, "sequence": at, "change_seq": newest[table, uid], "kind": "row"}
                for at, (table, uid) in enumerate(placed, start=1)
            ))  # fmt: skip
            writer.rows(StreamState, [{
                "org_uid": box.org_uid, "sequence": len(placed), "change_seq": end.change_seq, "progress_seq": 0,
                "erased_counter": end.erased_counter, "day": end.day,
            }])  # fmt: skip
            writer.rows(NodeContact, [{
                "node_uid": box.node_uid, "last_ms": 0, "version": "0", "stream_sequence": 0, "catalog_sequence": 0, "disk_full_ms": None
            }])  # fmt: skip
            found.append(Box(box.node_uid, box.org_uid, box.key, box.child_uid, len(placed)))
        writer.close()
    return found


def _course(writer: "_Writer", regions: list[str], seen: list[list[tuple[str, str]]], number: int, lessons: int) -> None:
    region = regions[number % COUNTIES]
    course = writer.add(Course, new_uid(), region, titles={"zh": "科学"}, audience="own", listed_org_uids=None, asks_review=None)
    seen[number % COUNTIES].append(("course", course))
    for position in range(min(LESSONS_OF_COURSE, max(1, lessons // COUNTIES))):
        lesson = writer.add(
            Lesson, new_uid(), region, course_uid=course, unit_uid=None, position=position, titles={"zh": "水"}, texts={},
            language="zh", state="published", timeline_uid=new_uid(), edit_list=None, revision=1, package_id=None,
        )  # fmt: skip
        seen[number % COUNTIES].append(("lesson", lesson))


def _school(writer: "_Writer", region: str) -> tuple[Box, list[tuple[str, str]]]:
    org, key = new_uid(), SigningKey.generate()
    writer.add(Organisation, org, org, kind="school", parent_uid=region, names={"zh": "小学"})
    site = writer.add(Site, new_uid(), org, name="小学")
    group = writer.add(Group, new_uid(), org, kind="cohort", site_uid=site, stage="primary", intake_year=2024, class_number=1,
                       names=None, member_group_uids=None, closed_on=None)  # fmt: skip
    node = writer.add(Node, new_uid(), org, site_uid=site, name=f"box-{org[-12:]}", signing_public=key.public.hex(),
                      sealing_public=sealing_public(new_sealing_seed()).hex(), certificate={}, revoked_on=None, ended_on=None)  # fmt: skip
    own = [("organisation", org), ("site", site), ("learner_group", group), ("node", node)]
    child = ""
    for _ in range(CHILDREN):
        child = writer.add(Person, new_uid(), org, name="卓玛", sign_in_name=None, language=None, picture=None)
        span = writer.add(Enrolment, new_uid(), org, person_uid=child, group_uid=group, starts_on="2026-09-01", ended_on=None, end_reason=None)
        own += [("person", child), ("enrolment", span)]
    return Box(node, org, key, child, 0), own


def _uids(count: int) -> Iterator[str]:
    return (new_uid() for _ in range(count))


class _Writer:
    """Gathers rows of many tables and writes them together, with their log."""

    def __init__(self, session: Session) -> None:
        self._session, self._waiting = session, dict[Any, list[dict[str, Any]]]()
        self._counter, self._machine = log.tick(session)
        self._seq = changes.latest_seq(session)

    def add(self, model: Any, uid: str, org_uid: str, **fields: Any) -> str:
        """One travelling row."""
        self.rows(model, [{"uid": uid, "org_uid": org_uid, **fields}])
        table = model.__tablename__
        for field, value in {"org_uid": org_uid, **fields}.items():
            self._seq += 1
            self.rows(Change, [{
                "seq": self._seq, "table_name": table, "row_uid": uid, "field": field, "value": value, "value_hash": value_hash(value),
                "org_uid": org_uid, "counter": self._counter, "machine_uid": self._machine, "made_here": True, "made_ms": 1, "by_uid": None,
            }])  # fmt: skip
            self.rows(FieldVersion, [{"table_name": table, "row_uid": uid, "field": field, "change_seq": self._seq}])
        return uid

    def rows(self, model: Any, rows: Any) -> None:
        """Rows as they are."""
        waiting = self._waiting.setdefault(model, [])
        waiting.extend(rows)
        if len(waiting) >= _AT_ONCE:
            self._write(model)

    def close(self) -> None:
        """Write what waits."""
        for model in list(self._waiting):
            self._write(model)

    def _write(self, model: Any) -> None:
        rows = self._waiting.pop(model, [])
        if rows:
            self._session.connection().execute(insert(model.__table__), rows)
