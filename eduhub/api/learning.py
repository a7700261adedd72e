"""What learners did, as JSON: events in, progress out. See docs/formats/events.md."""

import json
import zlib
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge

from eduhub import guard
from eduhub.accounts import tries
from eduhub.accounts.models import Person
from eduhub.accounts.tries import Limit
from eduhub.changes import Tombstone
from eduhub.errors import BadFormat, TokenRefused, TooManyBatches, TooManyTries, TooMuch
from eduhub.http import caches
from eduhub.installation import Installation
from eduhub.learning import events, progress, tokens
from eduhub.learning.events import Appended
from eduhub.sync.boxes import joining
from eduhub.sync.homeward import outbox

MAX_BODY_BYTES, MAX_UNPACKED_BYTES, MAX_EVENTS = 256 << 10, 1 << 20, 500
# Of one person, whose pages each have a token of their own. A page sends one in ten seconds at most, and after a week
# without a line one for each token that waited.
_BATCHES = Limit("event-batches", 60, 5)

bp = Blueprint("api_learning", __name__)


@bp.post("/api/v1/events")
@guard.allow(guard.anyone)  # the token in the body is the credential; no cookie is looked at
@caches("no-store")
def append_events() -> ResponseReturnValue:
    """Append a batch of events of whoever the batch's token names."""
    batch = _batch(_body())
    actor = tokens.read(guard.here().keys.secret, batch["token"])
    done = _append(guard.here(), actor, batch["events"])
    refused = [{"uid": one.uid, "code": one.code} for one in done.refused]
    return jsonify(accepted=done.held, refused=refused)


@bp.get("/api/v1/lessons/<lesson_uid>/progress")
@guard.allow(guard.signed_in)
@caches("no-store")
def lesson_progress(lesson_uid: str) -> ResponseReturnValue:
    """How far the reader is in a lesson, on each of its time axes."""
    person = guard.viewer().person
    assert person is not None  # the rule of the route
    with guard.here().database.read() as session:
        guard.of_lesson(session, {"lesson_uid": lesson_uid})
        rows = [
            {
                "timeline": row.timeline_uid, "spans": row.spans, "seen_ms": row.seen_ms,
                "watched_ms": row.watched_ms, "position_ms": row.position_ms,
            }
            for row in progress.of_lesson(session, person.uid, lesson_uid)
        ]  # fmt: skip
    return jsonify(lesson=lesson_uid, progress=rows)


# --- inside -------------------------------------------------------------------------


def _append(here: Installation, actor: tokens.Actor, found: list[Any]) -> Appended:
    """Store the events, book them, and at a box queue them for the hub: in one transaction, in which nothing is read
    that could be read before.
    """
    at_a_box = here.settings.role == "node"
    with here.database.read() as session:
        _refuse_erased(session, actor)
        # Whose they are is the token's word, never the body's. At a box they belong to its school, also when
        # the child's home is elsewhere: the hub takes no others from it.
        node = joining.own_node(session) if at_a_box else None
        owner = {"actor": actor.person_uid, "org": node.org_uid if node is not None else actor.org_uid}
        owned = [one | owner if isinstance(one, dict) else one for one in found]
        judged = events.judge(session, owned, of_pages=True)
    with here.database.write() as session:
        _count(session, here, actor)
        done = events.store(session, judged)
        progress.apply_all(session, done.accepted)
        if at_a_box:
            outbox.add_events(
                session, here.steady, _of_uids(owned, done.new), counting={row.uid for row in done.accepted}
            )
    return done


def _count(session: Session, here: Installation, actor: tokens.Actor) -> None:
    """Count a batch; raises TooManyBatches. What is stored stays for ever, and a token is good for ever."""
    try:
        tries.take(session, here.steady.now_s(), [tries.counted(_BATCHES, here.keys.secret, actor.person_uid)])
    except TooManyTries as error:
        raise TooManyBatches(f"wait {error.facts['seconds']} s") from error


def _of_uids(found: list[Any], uids: frozenset[str]) -> list[Any]:
    """Those with one of these uids, each once. What was sent as a uid can be anything."""
    named = [one for one in found if isinstance(one, dict) and isinstance(one.get("uid"), str)]
    return list({one["uid"]: one for one in named if one["uid"] in uids}.values())


def _refuse_erased(session: Session, actor: tokens.Actor) -> None:
    if session.get(Tombstone, (Person.__tablename__, actor.person_uid)) is not None:
        raise TokenRefused("its person was erased")


def _batch(body: bytes) -> dict[str, Any]:
    try:
        batch = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFormat("a batch is JSON") from error
    if not isinstance(batch, dict) or not isinstance(batch.get("events"), list):
        raise BadFormat("a batch is {token, events}")
    if not isinstance(batch.get("token"), str):
        raise TokenRefused("no token")
    if len(batch["events"]) > MAX_EVENTS:
        raise TooMuch(f"{len(batch['events'])} events")
    return batch


def _body() -> bytes:
    """The body, unpacked, whatever type it says it has; raises TooMuch, BadFormat."""
    # One byte more: a body of unannounced length is cut off at the limit without an error.
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise TooMuch(f"more than {MAX_BODY_BYTES} bytes") from error
    if len(body) > MAX_BODY_BYTES:
        raise TooMuch(f"more than {MAX_BODY_BYTES} bytes")
    if request.headers.get("Content-Encoding", "identity") == "identity":
        return body
    if request.headers["Content-Encoding"] != "gzip":
        raise BadFormat("a batch is plain or gzip")
    unpacking = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacking.decompress(body, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise BadFormat("not gzip") from error
    if unpacking.unconsumed_tail:
        raise TooMuch(f"more than {MAX_UNPACKED_BYTES} bytes when unpacked")
    if not unpacking.eof:
        raise BadFormat("gzip that was cut short")
    return unpacked
