"""What the lesson's page tells the player: docs/formats/lesson-page.md.

What depends on the package alone is kept in memory (it never changes); what depends on the
reader is added for each page.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask_babel import gettext
from flask_caching import Cache
from markupsafe import Markup
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.delivery.package import Part
from eduhub.errors import BlobMissing
from eduhub.installation import Installation
from eduhub.learning import progress, tokens
from eduhub.media import index as media_index
from eduhub.web import languages, shown
from eduhub.web.learning.lesson_cards import LessonCard
from eduhub.web.learning.places import Learner
from eduhub.web.shown import megabytes

# The page carries what playing starts with; the rest follows, compressed, while it plays.
INLINE_S = 60
START_TRACKS = ("v240", "opus")  # and every language of that voice; a browser without Opus waits a round trip
# Only for what is the same for everybody who may see the package: never a page, never a person's.
cache = Cache(config={"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 200, "CACHE_DEFAULT_TIMEOUT": 3600})


def of_card(
    session: Session, here: Installation, card: LessonCard, learner: Learner | None, *, tables: str | None = None
) -> Markup:
    """The JSON of one page, safe inside a script element. Without a learner nothing is booked and nothing comes back.

    `tables`: where the whole index is to be had compressed.
    """
    timeline = card.timeline_uid
    row = progress.of(session, learner.uid, card.lesson.uid, timeline) if learner else None
    package = of_package(card.package_id, _index_of(card), _held(card))
    found = package["told"] | {"tables": tables} | {
        "lesson": card.lesson.uid, "timeline": timeline, "package": card.package_id, "base": f"/p/{card.package_id}/",
        "duration_ms": card.duration_ms, "resume_ms": _resume(row.position_ms if row else 0, card.duration_ms),
        "language": card.lesson.language,
        "poster": next((part.sha256 for part in card.parts if part.kind == "poster"), None),
        "master": _master(card, package["tracks"]),
        "download": next(
            ({"sha256": part.sha256, "bytes": part.bytes} for part in card.parts if part.kind == "download"), None
        ),
        "events": {
            "url": "/api/v1/events",
            "token": tokens.issue(here.keys.secret, learner.uid, learner.org_uid) if learner else None,
        },
        "context": learner.context if learner else "own_device", "words": words(),
    }
    written = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    # Inside <script> only "<" can end the element; \u003c is the same letter to a JSON reader.
    return Markup(written.replace("<", "\\u003c"))  # noqa: S704 - escaped in the line above


def _master(card: LessonCard, tracks: int) -> str | None:
    """The playlist of the package's `tracks`, where a player that follows it finds all it names, or has nothing else to play."""
    held = sum(part.kind in ("video", "audio") for part in card.parts)
    playlists = {part.name: part.sha256 for part in card.parts if part.kind == "playlist"}
    whole = held == tracks and len(playlists) == tracks + 1
    return playlists.get("master.m3u8") if whole or not card.download else None


def _resume(position_ms: int, duration_ms: int) -> int:
    """Where to go on: at the start again for whoever was as good as through."""
    return 0 if position_ms > duration_ms - 10_000 else position_ms


def whole_index(card: LessonCard) -> dict[str, Any]:
    """The index of all that is held, to its end."""
    return _index(card.package_id, _index_of(card), _held(card))


def _held(card: LessonCard) -> tuple[str, ...]:
    return tuple(sorted(part.sha256 for part in card.parts))


def _index_of(card: LessonCard) -> str:
    found = next((part.sha256 for part in card.parts if part.kind == "index"), None)
    if found is None:
        raise BlobMissing(f"the index of package {card.package_id}")
    return found


def _read(package_id: str, index_sha256: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((guard.here().packages_dir / package_id / index_sha256).read_bytes())
    return found


def _index(package_id: str, index_sha256: str, held: tuple[str, ...]) -> dict[str, Any]:
    whole = _read(package_id, index_sha256)
    whole["tracks"] = [
        # In a sound one can begin anywhere: the player does not ask where.
        {key: value for key, value in track.items() if key != "key_chunks" or track["kind"] == "video"}
        for track in whole["tracks"]
        if track["sha256"] in held
    ]
    if whole.get("stills") and whole["stills"]["sha256"] not in held:
        whole["stills"] = None
    return whole


@cache.memoize()
def of_package(package_id: str, index_sha256: str, held: tuple[str, ...]) -> dict[str, Any]:
    """Index and first bytes of the held tracks of a package, the same for everybody who may read it; `tracks`: how many it has."""
    folder = guard.here().packages_dir / package_id
    whole = _index(package_id, index_sha256, held)
    started = {track["name"] for track in whole["tracks"] if track["name"].split("-")[0] in START_TRACKS}
    first = {
        track["name"]: base64.b64encode(_first_bytes(folder / track["sha256"], track["init_bytes"])).decode("ascii")
        for track in whole["tracks"]
        if track["name"] in START_TRACKS
    }
    cut = media_index.for_page(whole, first_s=INLINE_S)
    cut["tracks"] = [track if track["name"] in started else _without_tables(track) for track in cut["tracks"]]
    cut["cut"] = cut["cut"] or len(started) < len(cut["tracks"])
    told = {"index": cut, "index_sha256": index_sha256, "init": first}
    return {"told": told, "tracks": len(_read(package_id, index_sha256)["tracks"])}


def _without_tables(track: dict[str, Any]) -> dict[str, Any]:
    return {**track, "chunk_bytes": [], "chunk_ticks": [], "key_chunks": []}


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def built(name: str) -> str | None:
    """The address of a file that the front-end build made, or None where it was not run."""
    try:
        return shown.asset(f"built/{name}")
    except FileNotFoundError:
        return None


def words() -> dict[str, str]:
    """What the player says under the picture, in the page's language; the player fills in the place in braces."""
    return {
        "loading": gettext("Loading, {rate} kB a second"),
        "no_connection": gettext("No connection. It goes on by itself when the connection is back."),
        "sign_in_again": gettext("The permission to read this lesson has ended. Open its page again."),
        "gone": gettext("This lesson is no longer here. Open its page again."),
        "cannot_play": gettext("This browser cannot play the lesson. Save the video with the button below, and open it from there."),
    }


@dataclass(frozen=True)
class Controls:
    """What the player's menus offer. The player only takes away what its browser cannot play."""

    duration_s: float
    play_bytes: int  # what the first choice costs at the least
    qualities: tuple[tuple[str, str], ...]  # "auto", a video track, "stills" or "sound"; with its words
    voices: tuple[tuple[str, str], ...]  # the main language of the sound first
    sheet: str | None = None  # of the preview: docs/formats/lesson-page.md
    without_opus: Mapping[str, str] = field(default_factory=dict)  # words of qualities that cost more where Opus does not play
    play_bytes_without_opus: int = 0  # likewise; 0 where there is no difference


def controls(card: LessonCard) -> Controls:
    """The menus of a lesson's player, with what each quality costs."""
    videos = sorted((part for part in card.parts if part.kind == "video"), key=lambda part: part.bytes)
    voices = sorted((part for part in card.parts if part.kind == "audio"), key=lambda part: part.bytes)
    stills = next((part.bytes for part in card.parts if part.kind == "stills"), 0)
    main = card.lesson.language
    voice = _voice_bytes(voices, main)
    offered = [(part.name, f"{part.height}p" if part.height else part.name, part.bytes) for part in videos]
    if voices and stills:
        offered.append(("stills", gettext("Pictures and sound"), stills))
    if voices:
        offered.append(("sound", gettext("Sound alone"), 0))
    qualities = [(name, f"{text} · {megabytes(size + voice)}") for name, text, size in offered]
    plain = _voice_bytes([part for part in voices if part.codec != "opus"], main)
    dearer = {name: f"{text} · {megabytes(size + plain)}" for name, text, size in offered} if plain > voice else {}
    if len(videos) > 1:
        qualities.insert(0, ("auto", gettext("Fitting")))
    tags = sorted({part.language or main for part in voices}, key=lambda tag: (tag != main, tag))
    return Controls(
        duration_s=card.duration_ms / 1000, play_bytes=offered[0][2] + voice if offered else 0, qualities=tuple(qualities),
        voices=tuple((tag, languages.NAMES.get(tag, tag)) for tag in tags), sheet=_sheet(card),
        without_opus=dearer, play_bytes_without_opus=offered[0][2] + plain if dearer else 0,
    )


def _voice_bytes(voices: Sequence[Part], main: str) -> int:
    """What the smallest of `voices`, smallest first, costs: in the lesson's language, if there is one in it."""
    return next((part.bytes for part in voices if part.language in (None, main)), voices[0].bytes if voices else 0)


def _sheet(card: LessonCard) -> str | None:
    """Address and cut of the sheet of small pictures, as JSON; None where there is none, or none that says how it is cut."""
    part = next((part for part in card.parts if part.kind == "strip"), None)
    cut = [part.extra.get(name) for name in ("columns", "tiles", "tile_width", "tile_height", "every_s")] if part else []
    if part is None or not all(type(number) is int and number > 0 for number in cut):
        return None
    return json.dumps([f"/p/{card.package_id}/{part.sha256}", *cut], separators=(",", ":"))
