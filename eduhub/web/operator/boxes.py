"""Every box: a square for each, region by region, and a table with what each said of itself. At the hub only.

A region's operator sees the boxes of the region. The page asks one question, however many boxes there are.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from eduhub import clock, guard
from eduhub.http import caches
from eduhub.schools.models import Organisation
from eduhub.sync.status import overview
from eduhub.sync.status.overview import Seen
from eduhub.web import told_shown
from eduhub.web.edge import page_of, reading
from eduhub.web.rights import OVERSEES, organisations_overseen

bp = Blueprint("boxes", __name__)
ROWS = 100


@dataclass(frozen=True)
class RegionLine:
    """The boxes right below one region: how many are in each state, and a square for each."""

    org: Organisation | None
    counts: dict[str, int]
    squares: Sequence[str]


@bp.get("/operator/boxes")
@guard.allow(OVERSEES)
@caches("no-store")
def home() -> ResponseReturnValue:
    """Every box with its last contact, version, backlog, disk, rate and the coming week; what needs somebody first."""
    now_ms = clock.now_ms()
    with reading() as session:
        places = organisations_overseen(session)
        boxes = overview.of(session, None if guard.viewer().is_operator else [org.uid for org in places])
        regions = {org.uid: org for org in places if org.kind == "region"}
        chosen = request.args.get("region", "")
        shown = [box for box in boxes if not chosen or box.region_uid == chosen]
        lines = page_of([told_shown.line_of(box, now_ms) for box in overview.by_need(shown, now_ms)], ROWS)
        return render_template(
            "operator/boxes.html", lines=lines, regions=_by_region(boxes, regions, now_ms), chosen=chosen if chosen in regions else "",
            counts=Counter(box.attention(now_ms) for box in shown), words=told_shown.attention_words(), all=len(boxes),
        )


def _by_region(boxes: Iterable[Seen], regions: dict[str, Organisation], now_ms: int) -> list[RegionLine]:
    found: dict[str, list[str]] = {}
    for box in boxes:
        if box.attention(now_ms) != overview.SHUT_OUT:
            found.setdefault(box.region_uid or "", []).append(box.attention(now_ms))
    rows = [
        RegionLine(regions.get(uid), dict(Counter(states)), sorted(states, key=overview.ATTENTION.index))
        for uid, states in found.items()
    ]
    return sorted(rows, key=lambda row: (row.org is None, row.squares[0] != overview.RED, row.org.uid if row.org else ""))
