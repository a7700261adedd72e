"""What a page says about keeping its lesson on the device: whether that can be, what it costs, what belongs to it.

A browser keeps lessons only at an address that it trusts (https, or this machine itself). So the server decides by
the address alone, and the lesson's page needs no script for it: docs/decisions/0014-keeping-lessons-on-a-device.md.
"""

import json
from collections.abc import Iterable

from flask import request
from markupsafe import Markup

from eduhub.delivery.package import Part
from eduhub.web.learning import lesson_data
from eduhub.web.learning.lesson_cards import LessonCard

FORMAT = "eduhub-keep/1"
COOKIE = "eduhub_kept"  # set by our own script while this browser keeps a lesson; says nothing of anybody
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
# Playlists and the muxed file say again what the tracks say.
_NOT_KEPT = frozenset({"playlist"})
_CHOSEN = frozenset({"video", "audio", "download"})  # of these a device keeps what its reader chooses


def can_keep() -> bool:
    """Whether a browser at this address could keep lessons."""
    host = request.host.rpartition(":")[0] or request.host
    return (request.is_secure or host in LOOPBACK) and lesson_data.built("keeper.js") is not None


def script() -> str | None:
    """The small script of pages that are read where lessons are kept already; None elsewhere."""
    return lesson_data.built("kept-here.js") if COOKIE in request.cookies and can_keep() else None


def least_bytes(card: LessonCard) -> int:
    """What the lightest picture with the voice costs, with everything that belongs to the lesson."""
    rest = sum(part.bytes for part in card.parts if part.kind not in _CHOSEN | _NOT_KEPT)
    voices = [part for part in card.parts if part.kind == "audio"]
    main = [part for part in voices if "-" not in part.name]
    return rest + _lightest(part for part in card.parts if part.kind == "video") + _lightest(main or voices)


def _lightest(parts: Iterable[Part]) -> int:
    return min((part.bytes for part in parts), default=0)


def data(card: LessonCard) -> Markup:
    """What a device must know to keep the lesson, as JSON that is safe inside a script element."""
    found = {
        "format": FORMAT, "lesson": card.lesson.uid, "package": card.package_id, "base": f"/p/{card.package_id}/",
        "titles": card.lesson.titles, "language": card.lesson.language, "duration_ms": card.duration_ms,
        "parts": [_row(part) for part in card.parts if part.kind not in _NOT_KEPT],
    }  # fmt: skip
    written = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return Markup(written.replace("<", "\\u003c"))  # noqa: S704 - escaped in this line


def _row(part: Part) -> dict[str, object]:
    return {
        "name": part.name, "kind": part.kind, "language": part.language, "type": part.type, "codec": part.codec,
        "height": part.height, "bytes": part.bytes, "sha256": part.sha256, "pieces": part.pieces,
    }  # fmt: skip
