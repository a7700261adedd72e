"""A child who is erased at the hub is gone from the school's box when it calls next, with all that was learned there."""

from sqlalchemy import func, select

from eduhub.accounts import credentials
from eduhub.accounts.models import Credential, Person, PictureSecret, SignIn
from eduhub.changes import Change
from eduhub.installation import Installation
from eduhub.learning.models import Event, Progress
from eduhub.rosters import erasing
from eduhub.schools.models import Enrolment
from eduhub.sync.models import Node
from tests.sync.world import Hub, watched


def test_nothing_of_an_erased_child_stays_at_the_box(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu", children=2)
    child, friend = school.children
    hub.join(box, school)
    with hub.here.database.write() as session:
        credentials.issue_card(session, child)
    hub.sync(box)
    with box.database.write() as session:
        card = session.scalars(select(Credential).where(Credential.person_uid == child)).one()
        session.add(PictureSecret(person_uid=child, card_uid=card.uid, verifier="x", made_ms=1))
        session.add(SignIn(uid=card.uid, person_uid=child, credential_uid=card.uid, started_ms=1, ended_ms=None))
        session.add(_event(child, school.org))
        session.add(_event(friend, school.org))
    with hub.here.database.write() as session:
        erasing.erase_child(session, child)
    hub.sync(box)
    with box.database.read() as session:
        assert session.scalars(select(Person.uid)).all() == [friend]
        for model in (Credential, Enrolment, PictureSecret, SignIn, Progress):
            assert session.scalars(select(model).where(model.person_uid == child)).all() == []
        assert session.scalars(select(Event.actor_uid)).all() == [friend]
        assert session.scalar(select(func.count()).select_from(Change).where(Change.row_uid == child)) == 0
        assert session.scalars(select(Node)).all() != []


def _event(child: str, org_uid: str) -> Event:
    body = watched(org_uid, child)
    return Event(
        uid=body["uid"], kind="watched", version=1, org_uid=org_uid, actor_uid=child, subject_uids=[], context="own_device",
        lesson_uid=body["lesson"], timeline_uid=body["timeline"], part=None, from_ms=0, to_ms=1, watched_ms=1, stalls=None,
        source=child, made_ms=1, body=body, quarantined=None,
    )  # fmt: skip
