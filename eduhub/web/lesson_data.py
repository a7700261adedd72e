"""What the lesson's page tells the player: docs/formats/lesson-page.md.

What depends on the package alone is kept in memory (it never changes); what depends on the
reader is added for each page.
"""

import base64
import json
from pathlib import Path
from typing import Any

from flask_babel import gettext
from flask_caching import Cache
from markupsafe import Markup
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.errors import BlobMissing
from eduhub.installation import Installation
from eduhub.learning import progress, tokens
from eduhub.media import index as media_index
from eduhub.web import shown
from eduhub.web.lesson_cards import LessonCard

INLINE_S = 180  # how much of the index lies in the page
INLINE_TRACKS = ("v240", "aac", "opus")  # with which playing starts; the rest fetches its own first bytes
# Only for what is the same for everybody who may see the package: never a page, never a person's.
cache = Cache(config={"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 200, "CACHE_DEFAULT_TIMEOUT": 3600})


def of_card(session: Session, here: Installation, card: LessonCard, viewer: guard.Viewer) -> Markup:
    """The JSON of one page, safe inside a script element."""
    timeline = card.timeline_uid
    held = tuple(sorted(part.sha256 for part in card.parts))
    person = viewer.person
    row = progress.of(session, person.uid, card.lesson.uid, timeline) if person else None
    index_sha256 = next((part.sha256 for part in card.parts if part.kind == "index"), None)
    if index_sha256 is None:
        raise BlobMissing(f"the index of package {card.package_id}")
    found = dict(of_package(card.package_id, index_sha256, held)) | {
        "lesson": card.lesson.uid, "timeline": timeline, "package": card.package_id, "base": f"/p/{card.package_id}/",
        "duration_ms": card.duration_ms, "resume_ms": _resume(row.position_ms if row else 0, card.duration_ms),
        "language": card.lesson.language,
        "poster": next((part.sha256 for part in card.parts if part.kind == "poster"), None),
        "master": next((part.sha256 for part in card.parts if part.name == "master.m3u8"), None),
        "download": next(
            ({"sha256": part.sha256, "bytes": part.bytes} for part in card.parts if part.kind == "download"), None
        ),
        "sizes": {part.name: part.bytes for part in card.parts if part.kind in ("video", "audio", "stills", "download")},
        "events": {
            "url": "/api/v1/events",
            "token": tokens.issue(here.keys.secret, person.uid, person.org_uid) if person else None,
        },
        "context": "own_device", "words": words(),
    }
    written = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    # Inside <script> only "<" can end the element; \u003c is the same letter to a JSON reader.
    return Markup(written.replace("<", "\\u003c"))  # noqa: S704 - escaped in the line above


def _resume(position_ms: int, duration_ms: int) -> int:
    """Where to go on: at the start again for whoever was as good as through."""
    return 0 if position_ms > duration_ms - 10_000 else position_ms


@cache.memoize()
def of_package(package_id: str, index_sha256: str, held: tuple[str, ...]) -> dict[str, Any]:
    """Index and first bytes of the held tracks of a package: the same for everybody who may read it."""
    here = guard.here()
    folder = here.packages_dir / package_id
    whole = json.loads((folder / index_sha256).read_bytes())
    whole["tracks"] = [track for track in whole["tracks"] if track["sha256"] in held]
    if whole.get("stills") and whole["stills"]["sha256"] not in held:
        whole["stills"] = None
    first = {
        track["name"]: base64.b64encode(_first_bytes(folder / track["sha256"], track["init_bytes"])).decode("ascii")
        for track in whole["tracks"]
        if track["name"] in INLINE_TRACKS
    }
    return {"index": media_index.for_page(whole, first_s=INLINE_S), "index_sha256": index_sha256, "init": first}


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def built(name: str) -> str | None:
    """The address of a file that the front-end build made, or None where it was not run."""
    return shown.asset(f"built/{name}") if (shown.STATIC / "built" / name).is_file() else None


def words() -> dict[str, str]:
    """The player's words in the page's language; places in braces are filled in by the player."""
    return {
        "play": gettext("Play"), "play_mb": gettext("Play · {mb} MB"), "pause": gettext("Pause"),
        "time_of": gettext("{time} of {total}"), "auto": gettext("Fitting"), "stills": gettext("Pictures and sound"),
        "choice_mb": gettext("{choice} · {mb} MB"), "loading": gettext("Loading, {rate} kB a second"),
        "no_connection": gettext("No connection. It goes on by itself when the connection is back."),
        "sign_in_again": gettext("The permission to read this lesson has ended. Open its page again."),
        "gone": gettext("This lesson is no longer here. Open its page again."),
        "cannot_play": gettext("This browser cannot play the lesson. Save it to this device and open it from there."),
    }
