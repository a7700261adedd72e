"""Who asks in the test of rights: one person of each role, at the school whose things are asked for and elsewhere."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts import credentials, people, roles, sign_ins
from eduhub.accounts.models import Credential, Person, RoleGrant, SignIn
from eduhub.courses import attaching, materials, plan
from eduhub.courses.models import GroupCourse
from eduhub.delivery import keys
from eduhub.installation import Installation
from eduhub.jobs.models import JobRow
from eduhub.media import ladders
from eduhub.media.models import LadderStep, Source
from eduhub.media.recipes import WHOLE
from eduhub.schools import enrolment, organisations
from eduhub.sync.courier import jobs as courier
from eduhub.sync.courier import parcels
from eduhub.sync.models import Node, Upstream
from eduhub.sync.releases.models import ReleaseOffer
from eduhub.uids import new_uid
from tests.courses.conftest import arrive, make
from tests.web.world import BEGAN, PASSWORD, World, settle

LAPSED = "2026-02-01"
# A role and its scope; {fields} are of `World`, or made by `_more_places`.
ROLES = {
    "operator": ("operator", "all", ""),
    "region": ("region_operator", "organisation", "{region}"),
    "far_region": ("region_operator", "organisation", "{far_region}"),
    "admin": ("school_admin", "organisation", "{school}"),
    "other_admin": ("school_admin", "organisation", "{other_school}"),
    "lapsed_admin": ("school_admin", "organisation", "{school}"),  # was the admin until LAPSED
    "teacher": ("teacher", "course", "{course}"),
    "colleague": ("teacher", "organisation", "{school}"),  # teaches at the school, but not this course
    "group_teacher": ("teacher", "group", "{group}"),
    "other_teacher": ("teacher", "organisation", "{other_school}"),
    "assistant": ("assistant", "group", "{group}"),
    "other_assistant": ("assistant", "group", "{other_group}"),
    "reviewer": ("reviewer", "course", "{course}"),
    "school_reviewer": ("reviewer", "organisation", "{school}"),
    "student": ("student", "group", "{group}"),
    "other_class": ("student", "group", "{empty_group}"),  # of the same school
    "other_student": ("student", "group", "{other_group}"),
}  # fmt: skip
# Their sign-ins are ended before they ask: nobody may tell them from somebody who never signed in.
REVOKED = {"revoked_operator": "operator", "revoked_admin": "admin", "lost_card": "student"}
SIGNED_IN = frozenset(ROLES)
READERS = ("nobody", *REVOKED, *ROLES)
_AT = {"other_admin": "other_school", "other_teacher": "other_school", "other_assistant": "other_school",
       "other_student": "other_school", "operator": "region", "region": "region", "far_region": "far_region"}  # fmt: skip


def make_things(installation: Installation) -> dict[str, str]:
    """The world, and whatever else an address can name: all of it of one school."""
    with installation.database.write() as session:
        keys.make_hub_keys(session, installation.keys)
    world = settle(installation)
    with installation.database.write() as session:
        found = vars(world) | _more_places(session, installation, world)
    # What stands in an address as <name>.
    return found | {
        "org_uid": world.school, "group_uid": world.group, "course_uid": world.course, "lesson_uid": world.lesson,
        "person_uid": world.dolma, "step": "v240", "number": "0", "filename": "eduhub.svg",
        "day": "2026-11-23",
    }  # fmt: skip


def _more_places(session: Session, installation: Installation, world: World) -> dict[str, str]:
    source_uid = arrive(session, world.lesson, "rain")
    ladders.want(session, session.get_one(Source, source_uid), WHOLE, then=None)
    make(session, installation, source_uid, WHOLE.id, "floor", recording="rain")
    job = session.get_one(JobRow, session.get_one(LadderStep, (source_uid, WHOLE.id, "v240")).job_uid)
    row = plan.add(session, group_uid=world.group, lesson_uid=world.lesson, day="2026-11-23", period=1)
    far = organisations.add(session, kind="region", names={"en": "Golog"})
    span = enrolment.current(session, person_uid=world.dolma, on="2026-11-23")[0]
    voice_uid = arrive(session, world.lesson, "a voice", language="bo", purpose="sound")
    text = b"00:01.000 --> 00:02.000\nice\n"
    captions = materials.set_captions(session, installation.blobs, world.lesson, "en", text)
    sheet = attaching.announce(session, world.lesson, title="Worksheet", language="en", audience="learner")
    card = credentials.check_card(session, world.dolma_card)
    node = Node(
        org_uid=world.school, site_uid=new_uid(), name="shuanghu-1", signing_public="00", sealing_public="00", certificate={},
        revoked_on=None,
    )  # fmt: skip
    offer = ReleaseOffer(org_uid=world.school, node_uid=None, release_id="0" * 64, version="90.0", paused=False)
    session.add_all([node, offer])
    session.flush()
    session.add(  # the box of these rows has joined
        Upstream(
            url="http://hub.example", priority=1, node_uid=node.uid, hub_uid=new_uid(), certificate={}, stream_sequence=0,
            stream_epoch=1, change_seq_sent=0, hub_time_ms=None, hub_time_steady_s=None, last_contact_ms=1, last_error=None,
        )
    )  # fmt: skip
    taken = session.scalars(select(GroupCourse).where(GroupCourse.group_uid == world.group)).one()
    grant = session.scalars(select(RoleGrant).where(RoleGrant.scope_uid == world.school, RoleGrant.role == "teacher")).one()
    return {
        "attachment_uid": sheet.uid, "file_uid": _file_for_a_stick(session, installation, node.uid),
        "sign_in_uid": sign_ins.start(session, card).uid,
        "captions_uid": captions.uid, "group_course_uid": taken.uid, "node_uid": node.uid, "offer_uid": offer.uid, "grant_uid": grant.uid,
        "far_region": far.uid, "source_uid": voice_uid, "job_uid": job.uid, "plan_uid": row.uid, "enrolment_uid": span.uid,
    }


def _file_for_a_stick(session: Session, installation: Installation, node_uid: str) -> str:
    job = courier.start_packing(session, installation, [node_uid], "eduhub-shuanghu-1.tar", None)
    job.state = "done"
    with parcels.opened(installation, job.args["stick"], make=True) as place:
        (place / "eduhub-courier").mkdir()
    return job.uid


def sign_everybody_in(session: Session, things: dict[str, str]) -> dict[str, SignIn | None]:
    """Reader -> their sign-in; None for nobody. Those of REVOKED have been ended."""
    found: dict[str, SignIn | None] = {reader: _sign_in(session, reader, *ROLES[reader], things) for reader in ROLES}
    for reader, like in REVOKED.items():
        made = found[reader] = _sign_in(session, reader, *ROLES[like], things)
        if reader == "lost_card":
            credentials.revoke(session, made.credential_uid)
        else:
            sign_ins.end(session, made.uid)
    return found | {"nobody": None}


def _sign_in(session: Session, reader: str, role: str, kind: str, scope: str, things: dict[str, str]) -> SignIn:
    home, scope_uid = things[_AT.get(reader, "school")], scope.format(**things) or None
    person = people.add(session, org_uid=home, name=reader, sign_in_name=f"the-{reader}")
    if reader == "operator":  # so that one of them is real: it is reset
        credentials.set_password(session, person.uid, PASSWORD)
    granted = roles.grant(
        session, person_uid=person.uid, role=role, scope_kind=kind, scope_uid=scope_uid, org_uid=home, starts_on=BEGAN
    )
    if reader == "lapsed_admin":
        roles.end(session, granted.uid, LAPSED)
    if role == "student" and scope_uid is not None:
        enrolment.enrol(session, person_uid=person.uid, group_uid=scope_uid, starts_on=BEGAN)
    if role == "student":
        return sign_ins.start(session, credentials.check_card(session, credentials.issue_card(session, person.uid)))
    return sign_ins.start(session, session.get_one(Credential, credentials.password_of(session, person.uid) or _password(session, person)))


def _password(session: Session, person: Person) -> str:
    """One that nobody can type: to hash a real one for each would take long."""
    made = Credential(
        org_uid=person.org_uid, person_uid=person.uid, kind="password", verifier="", machine_uid=changes.machine_uid(session)
    )
    session.add(made)
    session.flush()
    return made.uid
