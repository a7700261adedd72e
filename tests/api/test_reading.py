"""Progress, health and the description of the routes."""

import json
import re
import shutil
from typing import Any

import pytest
from sqlalchemy import create_engine

from eduhub.api import health, openapi
from eduhub.courses import editing
from eduhub.jobs.running import Worker
from eduhub.learning import events, progress
from eduhub.uids import new_uid
from tests.api.conftest import Machine, watched


@pytest.fixture
def signed_in(hub: Machine):
    """A browser in which Dolma is signed in, and a lesson of which she has watched 30 s."""
    with hub.installation.database.write() as session:
        course = editing.add_course(session, org_uid=hub.school, titles={"zh": "科学"})
        lesson = editing.add_lesson(session, course_uid=course.uid, titles={"zh": "水"}, language="zh")
        found = watched(lesson=lesson.uid, actor=hub.dolma, org=hub.school)
        for row in events.append(session, [found], source=new_uid()).accepted:
            progress.apply(session, row)
    return hub.browser_of_dolma(), lesson.uid


def test_dolma_reads_how_far_she_is_and_nobody_else_does(hub, signed_in):
    browser, lesson = signed_in
    answer = browser.get(f"/api/v1/lessons/{lesson}/progress")
    assert answer.status_code == 200
    (row,) = answer.json["progress"]
    assert (row["spans"], row["seen_ms"], row["position_ms"]) == ([[40_000, 70_000]], 30_000, 70_000)
    assert_fits(answer.json, schema_of("/api/v1/lessons/{lesson_uid}/progress", "get"))
    refused = hub.browser().get(f"/api/v1/lessons/{lesson}/progress")
    assert (refused.status_code, refused.json["code"]) == (401, "asked.sign_in_needed")
    assert_fits(refused.json, openapi.document()["components"]["schemas"]["Error"])
    assert browser.get(f"/api/v1/lessons/{new_uid()}/progress").status_code == 404


def test_health_is_well_only_while_a_worker_lives(box):
    answer = box.browser().get("/health")
    assert (answer.status_code, answer.json["checks"]["worker"]) == (503, "not well")
    with Worker(box.installation.settings.data_dir / "run"):
        answer = box.browser().get("/health")
    assert (answer.status_code, answer.json["status"], answer.json["role"]) == (200, "well", "node")
    assert_fits(answer.json, schema_of("/health", "get"))


def test_health_says_when_the_database_is_gone(box, monkeypatch):
    monkeypatch.setattr(box.installation.database, "engine", create_engine("sqlite:////nowhere/at/all.db"))
    answer = box.browser().get("/health")
    assert (answer.status_code, answer.json["checks"]["database"]) == (503, "not well")


def test_health_says_when_the_disk_is_nearly_full(box, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=(health.LEAST_FREE_MB << 20) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    answer = box.browser().get("/health")
    assert (answer.status_code, answer.json["checks"]["disk"]) == (503, "not well")


def test_health_holds_nothing_secret(hub):
    text = hub.browser().get("/health").get_data(as_text=True)
    settings = hub.installation.settings
    for secret in (str(settings.data_dir), settings.database_url, hub.installation.keys.secret.hex(), hub.school):
        assert secret not in text


def test_every_json_route_is_described_and_every_described_route_is_there(hub):
    described = {(path, method) for path, found in openapi.document()["paths"].items() for method in found}
    routed = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in hub.app.url_map.iter_rules()
        if rule.rule.startswith("/api/") or rule.rule == "/health"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == routed


def test_the_description_is_served_and_names_every_field_of_an_event(hub):
    answer = hub.browser().get("/api/openapi.json")
    assert answer.json == openapi.document()
    fields = answer.json["components"]["schemas"]["Event"]["properties"]
    assert set(fields) == set(watched())
    assert_fits(watched(), answer.json["components"]["schemas"]["Event"])


def test_the_answer_to_a_batch_is_as_described(hub):
    body = json.dumps({"token": hub.token, "events": [watched(), {"uid": None}]})
    answer = hub.browser().post("/api/v1/events", data=body, content_type="application/json")
    assert_fits(answer.json, schema_of("/api/v1/events", "post"))


def schema_of(path: str, method: str) -> dict[str, Any]:
    answer = openapi.document()["paths"][path][method]["responses"]["200"]
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return schema


TYPES = {"string": str, "integer": int, "object": dict, "array": list, "null": type(None)}


def assert_fits(value: Any, schema: dict[str, Any]) -> None:
    """The part of JSON Schema that the document uses."""
    if "enum" in schema:
        assert value in schema["enum"]
        return
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert isinstance(value, tuple(TYPES[kind] for kind in kinds)), (value, schema)
    if isinstance(value, dict):
        assert set(schema.get("required", [])) <= set(value)
        for name, found in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            assert inner is not None or "properties" not in schema, f"{name} is not described"
            if inner is not None:
                assert_fits(found, inner)
    if isinstance(value, list):
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**6)
        for found in value:
            assert_fits(found, schema["items"])
    if isinstance(value, int):
        assert value >= schema.get("minimum", value)
