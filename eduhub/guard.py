"""Who is asking, and what they may do: the rights of every route, decided here and nowhere else.

    @bp.get("/schools/<org_uid>")
    @guard.allow(guard.role("school_admin", "operator", of=guard.of_organisation))
    @caches("no-store")
    def school(org_uid: str) -> ResponseReturnValue: ...

A role holds for a thing when its scope is `all`, an organisation on the thing's path upwards,
the thing's course, or the thing's group. A route without a rule stops the start.

Which lessons a person may *read* is `courses.audience`'s to say. This module must not know pages.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from flask import Flask, Request, Response, after_this_request, current_app, g, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_login import LoginManager, current_user, login_user, logout_user
from sqlalchemy import bindparam
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from eduhub import clock, logs
from eduhub.accounts import browsers, roles, sign_ins
from eduhub.accounts.models import Credential, Person, RoleGrant, SignIn
from eduhub.courses.models import Course, GroupCourse, Lesson, PlanRow
from eduhub.delivery.http import pass_cookie, preview_cookie
from eduhub.errors import BadInput, DiskFull, NewPasswordNeeded, NotAllowed, NotFound, SignInNeeded
from eduhub.installation import Installation
from eduhub.schools import calendars, organisations
from eduhub.schools.models import Enrolment, Group, Organisation, SchoolCalendar
from eduhub.sync.allowance import schedule_clock
from eduhub.uids import parse_uid

_log = logs.logger(__name__)
View = TypeVar("View", bound=Callable[..., Any])

# Blueprints that check a credential of their own kind: an upload intent, a box's signature.
OWN_CREDENTIALS = frozenset({"media", "sync"})
# One question a request: the sign-in, its person, a line for each role, and the zone of the school.
_READER = (
    sign_ins.standing()
    .where(SignIn.uid == bindparam("sign_in_uid"))
    .outerjoin(RoleGrant, RoleGrant.person_uid == Person.uid)
    .outerjoin(SchoolCalendar, SchoolCalendar.uid == Person.org_uid)
    .add_columns(RoleGrant, SchoolCalendar.time_zone, Credential.kind)
    .order_by(RoleGrant.uid)
)
TURN_COOKIE = "eduhub_turn"  # docs/decisions/0014-keeping-lessons-on-a-device.md
# Where somebody may go who has signed in with a word that is good once.
_BEFORE_A_PASSWORD = frozenset({"own.password", "accounts.sign_out", "accounts.choose_language"})
# A child's. Whoever holds it, or has printed it, becomes no adult by it, whatever its owner is by now.
_OF_CHILDREN = frozenset({"card", "home_token"})
_PASSES, _MOST_PASSES = "passes", 8  # of a teacher's lessons that were opened last
_PREVIEWS, _MOST_PREVIEWS = "previews", 16  # each lesson at up to four speeds
_EVERY_SCOPE = ("all", "organisation", "course", "group")


# --- who is asking ------------------------------------------------------------------


@dataclass(frozen=True)
class Viewer:
    """Who is asking: a signed-in person with the roles that hold today, or nobody."""

    person: Person | None = None
    grants: tuple[RoleGrant, ...] = ()
    sign_in_uid: str | None = None
    zone: str = calendars.TIME_ZONE  # of the person's school

    @property
    def org_uids(self) -> frozenset[str]:
        """The organisations the viewer's roles name; they hold for everything below these too."""
        named = (grant.scope_uid for grant in self.grants if grant.scope_kind == "organisation")
        return frozenset(uid for uid in named if uid)

    @property
    def is_operator(self) -> bool:
        """Whether the viewer runs the whole installation."""
        return self.has_role("operator")

    @property
    def is_child(self) -> bool:
        """Whether the viewer is signed in and holds no adult's role."""
        return self.person is not None and not self.has_role(*roles.STAFF)

    def has_role(self, *wanted: str) -> bool:
        """Whether the viewer has one of these roles, for whatever scope."""
        return any(grant.role in wanted for grant in self.grants)

    @property  # this and the rest: what flask-login asks of a user
    def is_authenticated(self) -> bool:
        return self.person is not None

    @property
    def is_anonymous(self) -> bool:
        return self.person is None

    @property
    def is_active(self) -> bool:
        return True

    def get_id(self) -> str | None:
        return self.sign_in_uid


def here() -> Installation:
    """The machine that answers this request."""
    found: Installation = current_app.extensions["eduhub"]
    return found


def viewer() -> Viewer:
    """Who is asking; read once in a request."""
    found: Viewer = current_user._get_current_object()
    return found


def today(db: Session, org_uid: str | None = None) -> str | None:
    """The day by which roles hold, at an organisation; None on a box that does not know what day it is."""
    return day(db, calendars.zone_of(db, org_uid))


def today_of(db: Session, person_uid: str) -> str | None:
    """The same at the school of a person."""
    person = db.get(Person, person_uid)
    return today(db, person.org_uid if person is not None else None)


def day(db: Session, zone: str) -> str | None:
    """The same for a time zone."""
    if here().settings.role == "node":
        return schedule_clock.day(zone, schedule_clock.now_ms(db, here().steady))
    return clock.today(zone)


def sign_in(db: Session, credential: Credential, on: str | None) -> SignIn:
    """Sign in whoever holds this credential, in this browser. It counts from the next request on, once it is committed.

    `on`: the day by which roles hold (`today`), found before others have to wait for a writer.
    """
    browser = browsers.sort_of(request.user_agent.string[:1000])
    made = sign_ins.start(db, credential, browser=browser, used_on=on)
    remember(made)
    return made


def remember(made: SignIn) -> None:
    """Let this browser be the one in which somebody is signed in."""
    _take_back_passes()
    session.clear()  # nothing that another reader of this browser left stays
    _end_turn()
    login_user(Viewer(sign_in_uid=made.uid))  # for this browser session; there is no cookie that outlives it
    g.pop("_login_user", None)


def sign_out() -> None:
    """End this browser's sign-in, in the table and in the cookie."""
    uid = session.get("_user_id")
    if uid is not None:
        with here().database.write() as db:
            sign_ins.end(db, uid)
    logout_user()
    _take_back_passes()
    session.clear()
    _end_turn()


def remember_pass(package_id: str) -> None:
    """This browser was given a pass for teachers' parts, which the next reader of the same browser must not find in it."""
    _remember_last(_PASSES, package_id, _MOST_PASSES)


def remember_preview(package_id: str, kbit_s: int) -> None:
    """The same of a pass for a lesson that may be published nowhere yet."""
    _remember_last(_PREVIEWS, [package_id, kbit_s], _MOST_PREVIEWS)


def _remember_last(where: str, what: str | list[str | int], most: int) -> None:
    held = [held for held in session.get(where, []) if held != what]
    session[where] = [what, *held][:most]


def _take_back_passes() -> None:
    """The passes of the next reader are given anew; those of children end by themselves, as what they fetch may go on."""
    secure = here().settings.cookies_need_tls
    taken = [pass_cookie(package_id, "", max_age_s=0, secure=secure) for package_id in session.get(_PASSES, [])]
    taken += [preview_cookie(package_id, kbit_s, "", max_age_s=0, secure=secure) for package_id, kbit_s in session.get(_PREVIEWS, [])]
    if taken:

        @after_this_request
        def _take_back(made: Response) -> Response:
            for cookie in taken:
                made.headers.add("Set-Cookie", cookie)
            return made


def _end_turn() -> None:
    """Take back the mark by which a script of ours knows, without the server, that the reader is still the same."""
    if TURN_COOKIE in request.cookies:

        @after_this_request
        def _take_back(made: Response) -> Response:
            made.delete_cookie(TURN_COOKIE)
            return made


def _load(sign_in_uid: str) -> Viewer | None:
    g._login_user = Viewer()  # nobody, should the database not answer: the page that says so asks again who reads it
    with here().database.read() as db:
        found = db.execute(_READER, {"sign_in_uid": sign_in_uid}).all()
        if not found:
            return None
        made, person, _grant, zone, kind = found[0]
        on = day(db, calendars.known_zone(zone))
    grants = tuple(row[2] for row in found if row[2] is not None and roles.holds(row[2], on))
    if kind == "one_time":
        if request.endpoint not in _BEFORE_A_PASSWORD:
            raise NewPasswordNeeded
        grants = ()
    if kind in _OF_CHILDREN:
        grants = tuple(grant for grant in grants if grant.role not in roles.STAFF)
    if on is not None and on != made.used_on:
        _note_use(made.uid, on)
    return Viewer(person, grants, made.uid, calendars.known_zone(zone))


def _note_use(sign_in_uid: str, on: str) -> None:
    try:
        with here().database.write() as db:
            sign_ins.used(db, sign_in_uid, on)
    except (SQLAlchemyError, DiskFull) as error:  # no reason to show no page
        _log.warning("the day of a sign-in was not kept", reason=type(error).__name__)


# --- what a thing belongs to --------------------------------------------------------


@dataclass(frozen=True)
class Scope:
    """What a right is asked for: an organisation, and the course or group in it."""

    org_uid: str
    course_uid: str | None = None
    group_uid: str | None = None


ScopeOf = Callable[[Session, Mapping[str, Any]], Scope]


def of(argument: str, model: type[Any], scope: Callable[[Any], Scope]) -> ScopeOf:
    """The scope of the row of `model` whose uid stands in the address as `argument`. Raises NotFound."""

    def find(db: Session, arguments: Mapping[str, Any]) -> Scope:
        try:
            row = db.get(model, parse_uid(str(arguments[argument])))
        except BadInput as error:
            raise NotFound("not a uid in the address") from error
        if row is None:
            raise NotFound(f"no such {model.__name__}")
        return scope(row)

    return find


def _of_lesson(db: Session, arguments: Mapping[str, Any]) -> Scope:
    """A lesson is its course's, wherever the lesson's own row says it belongs."""
    found = of("lesson_uid", Lesson, lambda row: Scope(row.org_uid, course_uid=row.course_uid))(db, arguments)
    course = db.get(Course, found.course_uid)
    return found if course is None else Scope(course.org_uid, course_uid=course.uid)


of_organisation = of("org_uid", Organisation, lambda row: Scope(row.uid))
of_person = of("person_uid", Person, lambda row: Scope(row.org_uid))
of_group = of("group_uid", Group, lambda row: Scope(row.org_uid, group_uid=row.uid))
of_enrolment = of("enrolment_uid", Enrolment, lambda row: Scope(row.org_uid, group_uid=row.group_uid))
of_group_course = of("group_course_uid", GroupCourse, lambda row: Scope(row.org_uid, group_uid=row.group_uid))
of_role_grant = of("grant_uid", RoleGrant, lambda row: Scope(row.org_uid))
of_plan_row = of("plan_uid", PlanRow, lambda row: Scope(row.org_uid, group_uid=row.group_uid))
of_course = of("course_uid", Course, lambda row: Scope(row.org_uid, course_uid=row.uid))
of_lesson = _of_lesson


# --- rules --------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """Whether a viewer may use a route with these arguments in its address."""

    meaning: str
    open_to_all: bool
    holds: Callable[[Viewer, Mapping[str, Any]], bool]


anyone = Rule("anyone", True, lambda _viewer, _arguments: True)
signed_in = Rule("signed in", False, lambda asking, _arguments: asking.person is not None)


def role(*wanted: str, of: ScopeOf | None = None, scopes: tuple[str, ...] = _EVERY_SCOPE) -> Rule:
    """Somebody with one of these roles for what `of` finds; without `of`, for anything at all.

    `scopes` narrows which kinds of grant count: a teacher of *this* course has the scope 'course'.
    """
    unknown = (set(wanted) - set(roles.ROLES)) | (set(scopes) - set(_EVERY_SCOPE))
    if unknown or not wanted:
        raise ValueError(f"no such role or scope: {sorted(unknown)}")

    def holds(asking: Viewer, arguments: Mapping[str, Any]) -> bool:
        grants = [grant for grant in asking.grants if grant.role in wanted and grant.scope_kind in scopes]
        if not grants or of is None:
            return bool(grants)
        with here().database.read() as db:
            scope = of(db, arguments)
            return any(covers(db, grant, scope) for grant in grants)

    return Rule(f"{' or '.join(wanted)}{' of it' if of else ''}", False, holds)


def any_of(*rules: Rule) -> Rule:
    """Whoever one of these rules lets through."""
    return Rule(
        " or ".join(rule.meaning for rule in rules), any(rule.open_to_all for rule in rules),
        lambda asking, arguments: any(rule.holds(asking, arguments) for rule in rules),
    )  # fmt: skip


def covers(db: Session, grant: RoleGrant, scope: Scope) -> bool:
    """Whether a grant holds for a thing."""
    if grant.scope_kind == "all":
        return True
    if grant.scope_uid is None:
        return False
    if grant.scope_kind == "organisation":
        return grant.scope_uid in organisations.path(db, scope.org_uid)
    return grant.scope_uid == {"course": scope.course_uid, "group": scope.group_uid}.get(grant.scope_kind)


def may(rule: Rule, **arguments: Any) -> bool:
    """Whether the viewer may: for a page that shows a button only to those it works for."""
    return rule.holds(viewer(), arguments)


def allow(rule: Rule) -> Callable[[View], View]:
    """Put a rule on a route. Raises SignInNeeded for nobody, NotAllowed for somebody else."""

    def protect(view: View) -> View:
        @wraps(view)
        def guarded(*positional: Any, **arguments: Any) -> Any:
            require(rule, **arguments)
            return view(*positional, **arguments)

        guarded.eduhub_rule = rule  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return protect


def require(rule: Rule, **arguments: Any) -> None:
    """Go on when the viewer may; raise SignInNeeded or NotAllowed otherwise."""
    if rule.open_to_all:
        return
    asking = viewer()
    if asking.person is None:
        raise SignInNeeded
    if not rule.holds(asking, arguments):
        raise NotAllowed(f"{request.endpoint} is for {rule.meaning}")


def check_every_route_has_a_rule(app: Flask) -> None:
    """Stop the start when a route says nothing about rights."""
    bare = []
    for found in app.url_map.iter_rules():
        is_static = found.endpoint == "static" or found.endpoint.endswith(".static")
        has_rule = hasattr(app.view_functions[found.endpoint], "eduhub_rule")
        if not has_rule and not is_static and found.endpoint.partition(".")[0] not in OWN_CREDENTIALS:
            bare.append(f"{found.rule} ({found.endpoint})")
    if bare:
        raise RuntimeError(f"routes without @guard.allow: {', '.join(sorted(bare))}")


# --- wiring -------------------------------------------------------------------------


class _AgelessSessions(SecureCookieSessionInterface):
    """The browser session at a box, whose cookie has no age.

    Flask lets a cookie go that is older than a month, or from the future. A box whose clock is set right from 1970, or falls
    back to it, would sign the whole school out; and no age is needed, since the row of the sign-in is the truth.
    """

    def open_session(self, app: Flask, asked: Request) -> SecureCookieSession | None:
        signer = self.get_signing_serializer(app)
        sent = asked.cookies.get(self.get_cookie_name(app))
        if signer is None:
            return None
        is_ours, held = signer.loads_unsafe(sent) if sent else (False, None)
        return self.session_class(held if is_ours else None)


def register(app: Flask, installation: Installation) -> None:
    """Give an app its machine, its sign-in and the flags of its cookies."""
    secure = installation.settings.cookies_need_tls
    app.extensions["eduhub"] = installation
    # Derived, so that what signs cookies can never be taken for what signs passes.
    app.secret_key = hmac.digest(installation.keys.secret, b"eduhub-session-cookie/1", hashlib.sha256)
    app.config.update(
        # The prefix makes a browser refuse this cookie from a neighbour's page or over plain HTTP.
        SESSION_COOKIE_NAME="__Host-eduhub" if secure else "eduhub",
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
    )
    if installation.settings.role == "node":
        app.session_interface = _AgelessSessions()
    manager = LoginManager()
    # 'strong' would sign a phone out each time the school's network gives it another address.
    manager.session_protection = "basic"
    manager.anonymous_user = Viewer
    manager.user_loader(_load)
    manager.init_app(app)
