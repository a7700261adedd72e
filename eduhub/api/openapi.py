"""GET /api/openapi.json: what the JSON routes take and give, as OpenAPI 3.1, written by hand.

A test holds it against the routes there are and against their answers.
"""

from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

import eduhub
from eduhub import guard
from eduhub.http import caches

bp = Blueprint("api_openapi", __name__)

_UID = {"type": "string", "format": "uuid"}
_MS = {"type": "integer", "minimum": 0}


def _object(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties) if required is None else required}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_ERROR = _object(
    code={"type": "string", "description": "stable, from the table of errors"}, happened={"type": "string"},
    kept={"type": "string"}, next_step={"type": "string"}, correlation={"type": "string"},
)  # fmt: skip
_EVENT = _object(
    ["uid", "kind", "version", "context", "made_ms"],
    uid=_UID, kind={"type": "string", "maxLength": 20}, version={"type": "integer", "minimum": 1},
    lesson={**_UID, "type": ["string", "null"]}, timeline={**_UID, "type": ["string", "null"]},
    part={"type": ["string", "null"], "maxLength": 64}, from_ms={**_MS, "type": ["integer", "null"]},
    to_ms={**_MS, "type": ["integer", "null"]}, watched_ms={**_MS, "type": ["integer", "null"]},
    stalls={**_MS, "type": ["integer", "null"]}, context={"type": "string", "maxLength": 20}, made_ms=_MS,
    subjects={"type": "array", "items": _UID, "maxItems": 100},
)  # fmt: skip
_HEALTH = _object(
    status={"enum": ["well", "not well"]}, role={"enum": ["hub", "node"]}, version={"type": "string"},
    disk_free_mb={"type": "integer"},
    checks={"type": "object", "additionalProperties": {"enum": ["well", "not well"]}},
)  # fmt: skip
_PROGRESS = _object(
    lesson=_UID,
    progress={
        "type": "array",
        "items": _object(
            timeline=_UID, seen_ms=_MS, watched_ms=_MS, position_ms=_MS,
            spans={"type": "array", "items": {"type": "array", "items": _MS, "minItems": 2, "maxItems": 2}},
        ),
    },
)  # fmt: skip
_BATCH = _object(token={"type": "string"}, events={"type": "array", "items": _EVENT, "maxItems": 500})
_APPENDED = _object(
    accepted={"type": "array", "items": _UID, "description": "on disk: need not be sent again"},
    refused={"type": "array", "items": _object(uid={"type": ["string", "null"]}, code={"type": "string"})},
)  # fmt: skip


def document() -> dict[str, Any]:
    """The whole document."""
    refusal = _answer("an error", {"$ref": "#/components/schemas/Error"})
    return {
        "openapi": "3.1.0",
        "info": {"title": "EduHub", "version": eduhub.__version__, "license": {"name": "Apache-2.0"}},
        "components": {
            "schemas": {"Error": _ERROR, "Event": _EVENT},
            "securitySchemes": {"signedIn": {"type": "apiKey", "in": "cookie", "name": "eduhub"}},
        },
        "paths": {
            "/api/v1/events": {
                "post": {
                    "summary": "Append events. The token in the body is the credential.",
                    "operationId": "append_events",
                    "requestBody": {
                        "required": True,
                        "content": {kind: {"schema": _BATCH} for kind in ("application/json", "text/plain")},
                    },
                    "responses": {
                        "200": _answer("what became of each event", _APPENDED),
                        "401": refusal, "413": refusal, "422": refusal, "429": refusal,
                    },
                }
            },
            "/api/v1/lessons/{lesson_uid}/progress": {
                "get": {
                    "summary": "How far the reader is in a lesson.",
                    "operationId": "lesson_progress",
                    "security": [{"signedIn": []}],
                    "parameters": [{"name": "lesson_uid", "in": "path", "required": True, "schema": _UID}],
                    "responses": {
                        "200": _answer("progress on each time axis", _PROGRESS), "401": refusal, "404": refusal,
                    },
                }
            },
            "/api/openapi.json": {
                "get": {
                    "summary": "This document.",
                    "operationId": "openapi",
                    "responses": {"200": _answer("OpenAPI 3.1", {"type": "object"})},
                }
            },
            "/health": {
                "get": {
                    "summary": "Whether this machine works.",
                    "operationId": "health",
                    "responses": {"200": _answer("well", _HEALTH), "503": _answer("not well", _HEALTH)},
                }
            },
        },
    }


@bp.get("/api/openapi.json")
@guard.allow(guard.anyone)
@caches("shared", max_age=3600)
def openapi() -> ResponseReturnValue:
    """The document, as JSON."""
    return jsonify(document())
