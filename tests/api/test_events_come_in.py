"""POST /api/v1/events: the token is the credential, accepted means on disk, and nothing counts twice."""

import gzip
import json

import pytest
from sqlalchemy import func, select

from eduhub import changes
from eduhub.accounts.models import Person
from eduhub.api import learning
from eduhub.courses.models import Lesson
from eduhub.delivery.models import PackageRow
from eduhub.delivery.package import Manifest
from eduhub.learning import progress, tokens
from eduhub.learning.models import Event, Progress
from eduhub.sync.models import Node, OutboxRow, Upstream
from eduhub.uids import new_uid
from tests.api.conftest import LESSON, TIMELINE, Machine, watched


def send(machine: Machine, *found: object, **how):
    body = json.dumps({"token": how.pop("token", machine.token), "events": list(found)})
    return machine.browser().post("/api/v1/events", data=body, content_type="application/json", **how)


def seen_ms(machine: Machine, person: str) -> int:
    with machine.installation.database.read() as session:
        row = progress.of(session, person, LESSON, TIMELINE)
        return row.seen_ms if row is not None else 0


def count(machine: Machine, model: type) -> int:
    with machine.installation.database.read() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_what_dolma_watched_is_there_once_however_often_it_is_sent(box):
    event = watched()
    for _ in range(3):
        answer = send(box, event)
        assert (answer.status_code, answer.json) == (200, {"accepted": [event["uid"]], "refused": []})
    assert (count(box, Event), count(box, OutboxRow), seen_ms(box, box.dolma)) == (1, 1, 30_000)
    assert answer.headers["Cache-Control"] == "no-store"


def test_at_a_box_events_wait_for_the_hub_with_actor_and_school(box):
    event = watched()
    send(box, event)
    with box.installation.database.read() as session:
        row = session.scalars(select(OutboxRow)).one()
        assert (row.kind, row.body) == ("event", event | {"actor": box.dolma, "org": box.school})


def test_at_a_box_the_events_of_a_guest_belong_to_the_school_of_the_box(box):
    school, node = new_uid(), new_uid()
    with box.installation.database.write() as session:
        session.add(
            Node(
                uid=node, org_uid=school, site_uid=new_uid(), name="shuanghu-3", signing_public="00" * 32,
                sealing_public="00" * 32, certificate={}, revoked_on=None,
            )
        )  # fmt: skip
        session.add(
            Upstream(
                url="https://hub.example.org", priority=1, node_uid=node, hub_uid=new_uid(), certificate={},
                stream_sequence=0, stream_epoch=1, change_seq_sent=0, hub_time_ms=None, hub_time_steady_s=None,
                last_contact_ms=None, last_error=None,
            )
        )  # fmt: skip
    send(box, watched())
    with box.installation.database.read() as session:
        assert session.scalars(select(Event.org_uid)).one() == school
        queued = select(OutboxRow.body).where(OutboxRow.kind == "event")  # behind the rows that the test itself has written
        assert session.scalars(queued).one()["org"] == school


def test_an_event_whose_uid_is_no_text_does_not_hold_up_the_others(box):
    event = watched()
    answer = send(box, watched(uid=["a", "list"]), event)
    assert (answer.status_code, answer.json["accepted"]) == (200, [event["uid"]])
    assert answer.json["refused"] == [{"uid": None, "code": "format.bad"}]
    assert (count(box, Event), count(box, OutboxRow)) == (1, 1)


def test_at_the_hub_nothing_waits_in_an_outbox(hub):
    assert send(hub, watched()).status_code == 200
    assert (count(hub, OutboxRow), seen_ms(hub, hub.dolma)) == (0, 30_000)


def test_the_token_says_who_it_was_whatever_the_body_says(box):
    send(box, watched(actor=new_uid(), org=new_uid()))
    with box.installation.database.read() as session:
        row = session.scalars(select(Event)).one()
        assert (row.actor_uid, row.org_uid) == (box.dolma, box.school)


def test_what_is_no_event_is_named_and_the_rest_is_kept(box):
    good = watched()
    answer = send(box, {"uid": "x"}, good, 7, watched(to_ms="far"))
    assert answer.json["accepted"] == [good["uid"]]
    assert [one["code"] for one in answer.json["refused"]] == ["format.bad"] * 3
    assert count(box, OutboxRow) == 1


def test_an_event_in_quarantine_is_accepted_and_goes_home_too(box):
    event = watched(from_ms=99_000)
    assert send(box, event).json["accepted"] == [event["uid"]]
    assert (count(box, OutboxRow), seen_ms(box, box.dolma)) == (1, 0)


@pytest.mark.parametrize("invented", [{"lesson": new_uid()}, {"timeline": new_uid()}, {"lesson": new_uid(), "kind": "opened"}])
def test_a_lesson_that_never_was_here_makes_no_progress(box, hub, invented):
    for machine in (box, hub):
        event, real = watched(**invented), watched()
        assert set(send(machine, event, real).json["accepted"]) == {event["uid"], real["uid"]}
        with machine.installation.database.read() as session:
            reasons = {row.uid: row.quarantined for row in session.scalars(select(Event))}
            assert reasons == {event["uid"]: "unknown_lesson", real["uid"]: None}
            assert [row.lesson_uid for row in session.scalars(select(Progress))] == [LESSON]


def test_what_was_watched_before_the_lesson_was_trimmed_still_counts(box):
    """A phone may come back after the holidays; its package was here."""
    old = new_uid()
    with box.installation.database.write() as session:
        lesson = session.get_one(Lesson, LESSON)
        manifest = Manifest(
            hub=new_uid(), lesson=LESSON, course=lesson.course_uid, org=box.school, revision=1, timeline=old, supersedes=None,
            language="zh", titles=lesson.titles, texts={}, audience="own", duration_ms=90_000, parts=(), extra={},
        ).to_bytes()  # fmt: skip
        session.add(PackageRow(
            id="0" * 64, lesson_uid=LESSON, org_uid=box.school, revision=1, timeline_uid=old, manifest=manifest, signature={},
            floor_held=False, withdrawn=True, made_ms=1,
        ))  # fmt: skip
    assert send(box, watched(timeline=old)).status_code == 200
    with box.installation.database.read() as session:
        assert session.scalars(select(Event.quarantined)).one() is None


def test_who_sends_batch_after_batch_has_to_wait_and_loses_nothing(box, monkeypatch):
    steady = box.installation.steady
    now_s = [steady.now_s()]
    monkeypatch.setattr(steady, "now_s", lambda: now_s[0])
    statuses = [send(box, watched()).status_code for _ in range(62)]  # each page has a token of its own
    assert statuses == [200] * 60 + [429] * 2
    late = watched()
    refused = send(box, late)
    assert refused.json["code"] == "learning.too_many_batches"
    assert count(box, Event) == count(box, OutboxRow) == 60
    assert send(box, watched(), token=tokens.issue(box.installation.keys.secret, new_uid(), box.school)).status_code == 200
    now_s[0] += 5
    assert send(box, late).json["accepted"] == [late["uid"]]


@pytest.mark.parametrize("token", ["", "x", None, 7])
def test_without_a_token_of_this_machine_nothing_is_taken(box, token):
    answer = send(box, watched(), token=token)
    assert (answer.status_code, answer.json["code"]) == (401, "learning.token_refused")
    foreign = tokens.issue(bytes(32), box.dolma, box.school)
    assert send(box, watched(), token=foreign).status_code == 401
    assert count(box, Event) == 0


def test_the_token_of_an_erased_child_is_refused(box):
    token = box.token
    with box.installation.database.write() as session:
        person = session.get_one(Person, box.dolma)
        changes.erase(session, person)
    assert send(box, watched(), token=token).status_code == 401


def test_a_page_that_closes_may_send_plain_text_and_needs_no_cookie(box):
    body = json.dumps({"token": box.token, "events": [watched()]})
    answer = box.browser().post("/api/v1/events", data=body, content_type="text/plain;charset=UTF-8")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


def test_a_batch_may_be_packed_and_a_bomb_is_refused(box):
    body = json.dumps({"token": box.token, "events": [watched() for _ in range(100)]}).encode()

    def post(packed: bytes):
        return box.browser().post("/api/v1/events", data=packed, headers={"Content-Encoding": "gzip"})

    assert len(post(gzip.compress(body)).json["accepted"]) == 100
    assert post(gzip.compress(bytes(50 << 20))).status_code == 413
    assert post(gzip.compress(body)[:-9]).status_code == 422
    assert post(b"not gzip").status_code == 422


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"events": 1, "token": ""}', b"[" * 100_000, b"\xff\xfe", b'{"token": "x"}']
)
def test_a_body_that_is_no_batch_is_refused(box, body):
    assert box.browser().post("/api/v1/events", data=body).status_code == 422


def test_too_much_at_once_is_refused(box):
    assert send(box, *([{}] * (learning.MAX_EVENTS + 1))).status_code == 413
    assert send(box, watched(note="x" * learning.MAX_BODY_BYTES)).status_code == 413
    unknown_length = box.browser().post(
        "/api/v1/events", data=b"x" * (learning.MAX_BODY_BYTES + 1),
        environ_overrides={"CONTENT_LENGTH": "", "wsgi.input_terminated": True},
    )  # fmt: skip
    assert unknown_length.status_code == 413


def test_two_children_on_one_phone_keep_their_own(box):
    with box.installation.database.write() as session:
        lhamo = Person(org_uid=box.school, name="Lhamo", sign_in_name=None, language=None, picture=None)
        session.add(lhamo)
    browser = box.browser_of_dolma()
    other = tokens.issue(box.installation.keys.secret, lhamo.uid, box.school)
    body = json.dumps({"token": other, "events": [watched()]})
    assert browser.post("/api/v1/events", data=body, content_type="text/plain").status_code == 200
    assert (seen_ms(box, lhamo.uid), seen_ms(box, box.dolma)) == (30_000, 0)
