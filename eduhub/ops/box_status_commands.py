"""`eduhub sync status` on a box and `eduhub boxes` at the hub: what their pages say, as text and as JSON.

The JSON is documented in docs/commands.md, and fields are only ever added to it.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.config import Settings
from eduhub.courses.models import Lesson
from eduhub.errors import BadInput
from eduhub.installation import Installation
from eduhub.ops.opening import ready, ready_hub
from eduhub.ops.showing import parts_bar, table
from eduhub.sync.allowance import allowing, traffic
from eduhub.sync.status import box_status, inflow, overview, readiness
from eduhub.sync.status.overview import Seen
from eduhub.sync.status.readiness import NEXT, STATES, Readiness

SYNC_FORMAT, BOXES_FORMAT = "eduhub-sync-status/1", "eduhub-boxes/1"
_WORDS = dict(zip(STATES, ("whole", "can be watched", "to come", "taken back", "not published"), strict=True))


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def status(settings: Settings, *, as_json: bool) -> None:
    """On a box: what of the coming days is here, what is missing and when it comes, and what the link did today."""
    if settings.role != "node":
        raise BadInput("only a school's box has a status; at the hub there is 'eduhub boxes'")
    with ready(settings) as installation, installation.database.read() as session:
        found = of_box(session, installation)
    click.echo(json.dumps(found, ensure_ascii=False, indent=2) if as_json else in_words(found))


def of_box(session: Session, installation: Installation) -> dict[str, Any]:
    """The object that `eduhub sync status --json` prints."""
    now = allowing.standing(session, installation)
    node, upstream, silent_ms, here = now.node, now.upstream, now.silent_ms, inflow.of_box(session, now)
    ready_now = readiness.at_box(session, now, here)
    now_ms = traffic.now_ms(session, installation.steady)
    day_ms, month_ms = traffic.day_begins_ms(now_ms, here.zone), traffic.month_begins_ms(now_ms, here.zone)
    return {
        "format": SYNC_FORMAT, "joined": node is not None, "name": node.name if node is not None else None,
        "hub": upstream.url if upstream is not None else None, "last_error": upstream.last_error if upstream is not None else None,
        "silent_s": None if silent_ms is None else silent_ms // 1000, "today": ready_now.today, "coming": ready_now.coming,
        "lamp": ready_now.lamp, "days": _days(ready_now), "missing": _missing(session, ready_now),
        "link_bytes": {"today": traffic.used(session, day_ms), "month": traffic.used(session, month_ms)},
        "allowed_bytes": {"day": here.limits.day_bytes, "month": here.limits.month_bytes},
        "says": box_status.of_box(session, installation),
    }  # fmt: skip


def _days(found: Readiness) -> list[dict[str, Any]]:
    return [
        {"day": day.day, "lamp": day.lamp, **{state: day.count(state) for state in STATES}} for day in found.days if day.lessons
    ]


def _missing(session: Session, found: Readiness) -> list[dict[str, Any]]:
    rows = found.missing
    titles = {lesson.uid: lesson.titles for lesson in session.scalars(select(Lesson).where(Lesson.uid.in_([row.lesson_uid for row in rows])))}
    days: dict[str, str] = {}
    for day in found.days:
        for lesson in day.lessons:
            days.setdefault(lesson.lesson_uid, day.day)
    return [
        {
            "lesson": row.lesson_uid, "titles": titles.get(row.lesson_uid, {}), "day": days[row.lesson_uid],
            "bytes": row.held.floor_left, "in_s": None if row.in_s is None else round(row.in_s),
        }
        for row in rows
    ]  # fmt: skip


def in_words(found: Mapping[str, Any]) -> str:
    """The same for people: a line for the link, a bar for each day, what is missing."""
    if not found["joined"]:
        return "This box has not joined a hub: eduhub node join HUB"
    heard = "not reached yet" if found["silent_s"] is None else f"last reached {_span(found['silent_s'])} ago"
    lines = [f"{found['name']} at {found['hub']}: {heard}" + (f" ({found['last_error']})" if found["last_error"] else "")]
    if found["today"] is None:
        lines.append("The day is not known until the hub is reached: this is the whole plan.")
    if not found["days"]:
        lines.append("Nothing is planned for the coming days.")
    lines += [_day_line(day, found["today"]) for day in found["days"]]
    for row in found["missing"][:20]:
        title = next(iter(row["titles"].values()), row["lesson"])
        size = "size not known" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f} MB"
        comes = "when it comes is not known" if row["in_s"] is None else f"comes in about {_span(row['in_s'])}"
        lines.append(f"  {title}: {size}, {comes}")
    if len(found["missing"]) > 20:
        lines.append(f"  and {len(found['missing']) - 20} more")
    says, used = found["says"], found["link_bytes"]
    rate = "not measured" if says["rate"] is None else f"{says['rate'] / 1000:.0f} kB/s"
    lines.append(f"link: {used['today'] / 1e6:.1f} MB today, {used['month'] / 1e6:.1f} MB this month, rate {rate}")
    lines.append(f"waits to go home: {says['backlog']['rows']}; disk: {says['disk']['free'] / 1e9:.1f} of {says['disk']['total'] / 1e9:.1f} GB free")
    return "\n".join(lines)


def _day_line(day: Mapping[str, Any], today: str | None) -> str:
    count = sum(day[state] for state in STATES)
    here = day["whole"] + day["useful"]
    told = ", ".join(f"{day[state]} {_WORDS[state]}" for state in STATES[2:] if day[state])
    name = "next" if day["day"] == NEXT else f"{day['day']} {date.fromisoformat(day['day']):%a}" if day["day"] != today else f"{day['day']} today"
    return f"{name:<16} {parts_bar(here / count)} {here} of {count} here" + (f", {told}" if told else "")


def _span(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


@click.command("boxes")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def boxes(settings: Settings, *, as_json: bool) -> None:
    """At the hub: every box with what it last said of itself; what needs somebody first."""
    now_ms = clock.now_ms()
    with ready_hub(settings, "the boxes are listed at the hub; a box has 'eduhub sync status'") as installation, installation.database.read() as session:
        found = overview.by_need(overview.of(session), now_ms)
        said = overview.documents(session, [box.node_uid for box in found])
    if as_json:
        rows = [_as_json(box, now_ms, said.get(box.node_uid)) for box in found]
        click.echo(json.dumps({"format": BOXES_FORMAT, "boxes": rows}, ensure_ascii=False, indent=2))
    elif found:
        click.echo(table(("BOX", "STATE", "LAST CONTACT", "DAYS", "WAITS", "DISK FREE", "RATE", "VERSION"), [_row(box, now_ms) for box in found]))
    else:
        click.echo("No box has joined yet: eduhub node code SCHOOL NAME")


def _as_json(box: Seen, now_ms: int, said: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "node": box.node_uid, "name": box.name, "org": box.org_uid, "school": box.org_names, "region": box.region_uid,
        "state": box.attention(now_ms), "silence": box.silence(now_ms), "shut_out": box.is_shut_out, "replaced": box.is_replaced,
        "last_contact_ms": box.last_ms, "version": box.version, "disk_full_ms": box.disk_full_ms, "said_ms": box.told_ms, "said": said,
    }  # fmt: skip


def _row(box: Seen, now_ms: int) -> tuple[str, ...]:
    unknown, said = "not known", box.told
    heard = "never" if box.last_ms is None else f"{_span((now_ms - box.last_ms) / 1000)} ago"
    if said is None:
        return (box.name, box.attention(now_ms), heard, unknown, unknown, unknown, unknown, box.version or unknown)
    here, planned = said.lessons
    return (
        box.name, box.attention(now_ms), heard, f"{here} of {planned}" if planned else "nothing planned",
        unknown if said.backlog is None else str(said.backlog), unknown if said.disk_free is None else f"{said.disk_free / 1e9:.1f} GB",
        "not measured" if said.rate is None else f"{said.rate / 1000:.0f} kB/s", box.version or unknown,
    )  # fmt: skip
