"""Who may use a route."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask, session
from flask.testing import FlaskClient
from flask_babel import Babel
from sqlalchemy.orm import Session

from eduhub import guard, http
from eduhub.accounts import credentials, people, roles
from eduhub.accounts.models import Credential, Person
from eduhub.courses.models import Course
from eduhub.installation import Installation
from eduhub.schools import groups, organisations
from eduhub.uids import new_uid

SCHOOL = guard.role("school_admin", "region_operator", "operator", of=guard.of_organisation)
COURSE = guard.any_of(
    guard.role("teacher", scopes=("course",), of=guard.of_course), guard.role("school_admin", of=guard.of_course)
)
GROUP = guard.role("teacher", "school_admin", of=guard.of_group)


@dataclass
class Place:
    """A region with two schools, and who is there."""

    region: str
    school: str
    other: str
    course: str
    group: str
    people: dict[str, str]
    proofs: dict[str, str]  # the credential of each


@pytest.fixture
def place(installation: Installation) -> Place:
    with installation.database.write() as db:
        region = organisations.add(db, kind="region", names={"en": "Nagqu"}).uid
        school, other = (
            organisations.add(db, kind="school", names={"en": name}, parent_uid=region).uid for name in ("One", "Two")
        )
        db.add(course := Course(org_uid=school, titles={"en": "Fractions"}, audience="own"))
        group = groups.add(db, org_uid=school, stage="primary", intake_year=2024, class_number=1)
        db.flush()
        wanted = {
            "tenzin": ("operator", "all", None), "sonam": ("region_operator", "organisation", region),
            "pema": ("school_admin", "organisation", school), "lhamo": ("school_admin", "organisation", other),
            "tashi": ("teacher", "course", course.uid), "yangchen": ("teacher", "organisation", school),
            "norbu": ("teacher", "group", group.uid), "dolma": ("student", "organisation", school),
        }  # fmt: skip
        known, proofs = {}, {}
        for name, (role, kind, scope_uid) in wanted.items():
            person = people.add(db, org_uid=school, name=name.title())
            proofs[name] = _proof(db, person, "card" if role == "student" else "password")
            roles.grant(
                db, person_uid=person.uid, role=role, scope_kind=kind, scope_uid=scope_uid, org_uid=school,
                starts_on="2020-09-01",
            )  # fmt: skip
            known[name] = person.uid
        return Place(region, school, other, course.uid, group.uid, known, proofs)


def _proof(db: Session, person: Person, kind: str) -> str:
    """A credential as if it had been shown: a password that was really hashed would cost each test seconds."""
    made = Credential(org_uid=person.org_uid, person_uid=person.uid, kind=kind, verifier=new_uid(), machine_uid=new_uid(), revoked_on=None)
    db.add(made)
    db.flush()
    return made.uid


@pytest.fixture
def app(installation: Installation) -> Flask:
    made = Flask("pages", static_folder=None)
    Babel(made)
    guard.register(made, installation)
    http.register(made, lambda page: page.code)
    routes: dict[str, guard.Rule] = {
        "/anyone": guard.anyone, "/signed-in": guard.signed_in, "/operator": guard.role("operator"),
        "/school/<org_uid>": SCHOOL, "/course/<course_uid>": COURSE, "/group/<group_uid>": GROUP,
    }  # fmt: skip
    for address, rule in routes.items():
        @guard.allow(rule)
        def view(**_arguments: str) -> str:
            person = guard.viewer().person
            return person.name if person else "nobody"

        made.add_url_rule(address, address.strip("/").partition("/")[0], view)

    @made.post("/sign-in/<proof>")
    @guard.allow(guard.anyone)
    def sign_in(proof: str) -> str:
        session["left_by_another"] = "x"
        with guard.here().database.write() as db:
            guard.sign_in(db, db.get_one(Credential, proof), None)
        return "left_by_another" if "left_by_another" in session else "clean"

    @made.post("/sign-out")
    @guard.allow(guard.anyone)
    def sign_out() -> str:
        guard.sign_out()
        return "out"

    guard.check_every_route_has_a_rule(made)
    return made


@pytest.fixture
def as_(app: Flask, place: Place) -> Callable[[str], FlaskClient]:
    def sign_in(name: str) -> FlaskClient:
        client = app.test_client()
        assert client.post(f"/sign-in/{place.proofs[name]}").text == "clean"
        return client

    return sign_in


ALL = {"tenzin", "sonam", "pema", "lhamo", "tashi", "yangchen", "norbu", "dolma"}


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("/anyone", ALL), ("/signed-in", ALL), ("/operator", {"tenzin"}),
        ("/school/{place.school}", {"tenzin", "sonam", "pema"}), ("/school/{place.other}", {"tenzin", "sonam", "lhamo"}),
        ("/school/{place.region}", {"tenzin", "sonam"}), ("/course/{place.course}", {"tashi", "pema"}),
        ("/group/{place.group}", {"pema", "yangchen", "norbu"}),
    ],
)  # fmt: skip
def test_each_route_is_for_those_its_rule_names(
    as_: Callable[[str], FlaskClient], place: Place, address: str, allowed: set[str]
) -> None:
    path = address.format(place=place)
    answers = {name: as_(name).get(path).status_code for name in sorted(ALL)}
    assert answers == {name: 200 if name in allowed else 403 for name in sorted(ALL)}


def test_nobody_is_asked_to_sign_in_before_anything_is_looked_up(app: Flask, place: Place) -> None:
    client = app.test_client()
    assert client.get("/anyone").text == "nobody"
    for path in ("/signed-in", "/operator", f"/school/{place.school}", f"/school/{new_uid()}", "/course/x"):
        assert client.get(path).status_code == 401


def test_a_thing_that_is_not_there_is_not_found(as_: Callable[[str], FlaskClient]) -> None:
    pema = as_("pema")
    for path in (f"/school/{new_uid()}", "/school/none", f"/group/{new_uid()}"):
        assert pema.get(path).status_code == 404


def test_signing_out_ends_the_sign_in_for_a_copied_cookie_too(as_: Callable[[str], FlaskClient], app: Flask) -> None:
    pema, thief = as_("pema"), app.test_client()
    cookie = pema.get_cookie("eduhub")
    assert cookie is not None
    thief.set_cookie("eduhub", cookie.value)
    assert thief.get("/signed-in").text == "Pema"
    assert pema.post("/sign-out").text == "out"
    assert pema.get("/signed-in").status_code == 401
    assert thief.get("/signed-in").status_code == 401


def test_a_role_that_ended_and_a_password_that_was_replaced_count_at_once(
    as_: Callable[[str], FlaskClient], installation: Installation, place: Place
) -> None:
    pema = as_("pema")
    with installation.database.write() as db:
        for grant in roles.of(db, place.people["pema"], "2026-11-23"):
            roles.end(db, grant.uid, "2021-01-01")
    assert pema.get(f"/school/{place.school}").status_code == 403
    with installation.database.write() as db:
        credentials.revoke(db, place.proofs["pema"])
    assert pema.get("/signed-in").status_code == 401


def test_a_card_makes_nobody_an_adult_whatever_its_owner_may_do(app: Flask, installation: Installation, place: Place) -> None:
    """Whoever printed it while its owner was at work no more would else be the adult when the work goes on."""
    with installation.database.write() as db:
        cards = {name: _proof(db, db.get_one(Person, place.people[name]), "card") for name in ("pema", "tenzin", "dolma")}
    for name, path in (("pema", f"/school/{place.school}"), ("tenzin", "/operator")):
        client = app.test_client()
        assert client.post(f"/sign-in/{cards[name]}").text == "clean"
        assert client.get("/signed-in").status_code == 200
        assert client.get(path).status_code == 403, name


def test_a_forged_cookie_is_nobody(app: Flask, place: Place) -> None:
    client = app.test_client()
    client.set_cookie("eduhub", "eyJfdXNlcl9pZCI6ICJ4In0.aaaa.bbbb")
    assert client.get("/signed-in").status_code == 401


def test_the_cookie_has_every_flag(app: Flask, place: Place, make_installation: Callable[..., Installation]) -> None:
    plain = app.test_client().post(f"/sign-in/{place.proofs['pema']}").headers["Set-Cookie"]
    assert plain.startswith("eduhub=")
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    secure = Flask("secure", static_folder=None)
    guard.register(secure, make_installation(secure_cookies=True))
    assert secure.config["SESSION_COOKIE_SECURE"] is True
    assert secure.config["SESSION_COOKIE_NAME"] == "__Host-eduhub"
    assert secure.secret_key != app.secret_key


def test_a_route_without_a_rule_stops_the_start(app: Flask) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "x")
    with pytest.raises(RuntimeError, match="/forgotten"):
        guard.check_every_route_has_a_rule(app)


def test_a_rule_with_a_role_that_does_not_exist_stops_the_start() -> None:
    for wrong in (lambda: guard.role("headmaster"), guard.role, lambda: guard.role("teacher", scopes=("moon",))):
        with pytest.raises(ValueError, match="no such role"):
            wrong()
