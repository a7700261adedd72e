"""What the tests of old versions do at a machine, carried out by that machine's own program, whichever version it is.

    python tests/frozen/county.py ACT [ARGUMENT]      with EDUHUB_* and PYTHONPATH of that machine; prints one JSON object

It uses only what every version since 0.1.0 has, wherever that lies there.
"""

import hashlib
import json
import sys
from typing import Any

from sqlalchemy import select

from eduhub import __version__, changes, clock, config
from eduhub.accounts.models import Person
from eduhub.changes import Change
from eduhub.courses.models import Course, GroupCourse, Lesson
from eduhub.delivery import catalog, holding, package
from eduhub.delivery.blobs import remember
from eduhub.delivery.package import Manifest, Part
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation
from eduhub.learning import events
from eduhub.learning.models import Event
from eduhub.ops.opening import make_ready
from eduhub.schools.models import Enrolment, Group, Organisation, SchoolCalendar, Site
from eduhub.sync.models import NodeContact
from eduhub.uids import new_uid

try:
    from eduhub.sync.boxes import nodes
    from eduhub.sync.homeward import outbox
except ImportError:  # their rooms are of 0.4.0
    from eduhub.sync import nodes, outbox  # type: ignore[attr-defined,no-redef]

PIECE = 128 << 10
SIZES = (("index", 900), ("poster", 1_500), ("stills", 9_000), ("aac", 2 * PIECE + 77), ("v240", 3 * PIECE))


def found(here: Installation, _argument: str) -> dict[str, Any]:
    """At a hub: a school with a class, a course that it takes, a published lesson, and a code for its box."""
    with here.database.write() as session:
        region, org = new_uid(), new_uid()
        session.add(Organisation(uid=region, org_uid=region, kind="region", parent_uid=None, names={"en": "Nagchu"}))
        session.add(Organisation(uid=org, org_uid=org, kind="school", parent_uid=region, names={"en": "Shuanghu"}))
        site = Site(org_uid=org, name="Shuanghu")
        group = Group(org_uid=org, kind="cohort", site_uid=site.uid, stage="primary", intake_year=2024, class_number=1)
        child = Person(org_uid=org, name="Dolma")
        course = Course(org_uid=org, titles={"en": "Water"}, audience="all")
        session.add_all([
            site, group, child, course, SchoolCalendar(uid=org, org_uid=org, current_school_year=2026, terms=[], class_hours=[]),
            Enrolment(org_uid=org, person_uid=child.uid, group_uid=group.uid, starts_on="2026-09-01"),
            GroupCourse(org_uid=org, group_uid=group.uid, course_uid=course.uid, starts_on="2026-09-01"),
        ])  # fmt: skip
    answer = {"region": region, "org": org, "group": group.uid, "child": child.uid, "course": course.uid}
    answer["package"] = lesson(here, course.uid)["package"]
    with here.database.write() as session:
        return answer | {"code": nodes.new_code(session, here, site_uid=site.uid, node_name="shuanghu-3")}


def lesson(here: Installation, course_uid: str) -> dict[str, Any]:
    """At a hub: one more published lesson."""
    with here.database.write() as session:
        course = session.get_one(Course, course_uid)
        made = Lesson(
            org_uid=course.org_uid, course_uid=course_uid, position=0, titles={"en": "A lesson"}, texts={}, language="zh",
            state="published", timeline_uid=new_uid(), revision=1,
        )  # fmt: skip
        session.add(made)
        manifest = Manifest(
            hub=keyring(session).hub_uid, lesson=made.uid, course=course_uid, org=course.org_uid, revision=1,
            timeline=made.timeline_uid, supersedes=None, language="zh", titles={}, texts={}, audience=course.audience,
            duration_ms=60_000, parts=tuple(_part(session, here, made.uid, name, size) for name, size in SIZES),
        )  # fmt: skip
        written = manifest.to_bytes()
        signature = package.sign(written, here.keys.publishing)
        row = holding.hold(session, here.blobs, written, signature)
        holding.reveal_present(session, here.blobs, row.id)
        made.package_id = row.id
        body = {
            "lesson": made.uid, "course": course_uid, "org": course.org_uid, "package": row.id, "revision": 1,
            "signature": signature.as_json(),
        }  # fmt: skip
        catalog.append(session, here.keys, "publish", body)
    return {"package": row.id}


def _part(session: Any, here: Installation, seed: str, name: str, size: int) -> Part:
    payload = hashlib.shake_128(f"{seed} {name}".encode()).digest(size)
    pieces = None
    if size > PIECE:
        hashes = [hashlib.sha256(payload[at : at + PIECE]).digest() for at in range(0, size, PIECE)]
        pieces = here.blobs.put_bytes(b"".join(hashes))
        remember(session, pieces)
    blob = here.blobs.put_bytes(payload)
    remember(session, blob)
    kind = {"aac": "audio", "v240": "video"}.get(name, name)
    codec = {"aac": "mp4a.40.2", "v240": "avc1.64000d"}.get(name)
    return Part(
        name=name, kind=kind, role="main", language=None, audience="learner", licence=None, type="video/mp4", codec=codec,
        bytes=size, sha256=blob.sha256, pieces=pieces.sha256 if pieces else None, floor=name != "v240",
    )  # fmt: skip


def watch(here: Installation, child: str) -> dict[str, Any]:
    """At a box: a child watches, and a new child is written down."""
    with here.database.write() as session:
        person = session.get_one(Person, child)
        event = {
            "uid": new_uid(), "kind": "watched", "version": 1, "org": person.org_uid, "actor": child, "subjects": [],
            "context": "own_device", "lesson": new_uid(), "timeline": new_uid(), "part": None, "from_ms": 0, "to_ms": 30_000,
            "watched_ms": 30_000, "stalls": 0, "made_ms": clock.now_ms(),
        }  # fmt: skip
        events.append(session, [event], source=changes.machine_uid(session))
        outbox.add_events(session, here.steady, [event])
        group = session.scalars(select(Group.uid)).first()
        newcomer = Person(org_uid=person.org_uid, name=f"Pema of {__version__}")
        session.add(newcomer)
        session.add(Enrolment(org_uid=person.org_uid, person_uid=newcomer.uid, group_uid=group, starts_on="2026-09-02"))
    return {"event": event["uid"], "newcomer": newcomer.uid}


def look(here: Installation, _argument: str) -> dict[str, Any]:
    """What a machine holds."""
    with here.database.read() as session:
        folders = {path.name: sorted(file.name for file in path.iterdir()) for path in here.packages_dir.iterdir()}
        return {
            "version": __version__, "packages": folders, "people": {row.uid: row.name for row in session.scalars(select(Person))},
            "events": {row.uid: row.quarantined for row in session.scalars(select(Event)) if row.context != "system"},
            "catalog": catalog.sequence(session), "changed_tables": sorted(set(session.scalars(select(Change.table_name)))),
            "contacts": {row.node_uid: row.version for row in session.scalars(select(NodeContact))},
        }  # fmt: skip


if __name__ == "__main__":
    acts = {act.__name__: act for act in (found, lesson, watch, look)}
    installation = make_ready(config.load())
    sys.stdout.write(json.dumps(acts[sys.argv[1]](installation, (sys.argv[2:] or [""])[0])) + "\n")
    installation.database.close()
