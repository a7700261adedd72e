"""Commands for other boxes as upstreams: `node mirror add|remove`, and `sync mirrors`, which says what came from where."""

import json
from typing import Any

import click
from sqlalchemy import select

from eduhub.config import Settings
from eduhub.errors import BadInput
from eduhub.installation import Installation
from eduhub.ops.box_commands import node, sync
from eduhub.ops.opening import ready
from eduhub.ops.showing import table
from eduhub.sync.mirrors import known
from eduhub.sync.mirrors.choosing import FRESH_S, NAMED
from eduhub.sync.mirrors.models import Mirror

_WHY = {
    "silent": "did not answer", "slow": "gave too little", "lied": "sent wrong bytes", "refused": "refused this box",
    "empty": "had nothing that is missing",
}  # fmt: skip


@node.group("mirror")
def mirror() -> None:
    """Other boxes that a box may fetch from: a county mirror, or one that is not found by itself."""


@mirror.command("add")
@click.argument("url")
@click.pass_obj
def add(settings: Settings, url: str) -> None:
    """On a box: fetch from the box at URL before the hub is asked, as http://county.example.org.

    It gives what the hub has granted to this box, and is believed no more than any other: every part is checked by its
    hash. What comes from there counts as bytes of the school's link.
    """
    with _box(settings) as installation, installation.database.write() as session:
        known.name(session, url, int(installation.steady.now_s()))
    click.echo(f"This box fetches from {url.rstrip('/')} from its next round on.")


@mirror.command("remove")
@click.argument("url")
@click.pass_obj
def remove(settings: Settings, url: str) -> None:
    """On a box: do not fetch from the box at URL any more. One on the school's own network is found again."""
    with _box(settings) as installation, installation.database.write() as session:
        known.forget(session, url)
    click.echo(f"{url.rstrip('/')} is not asked any more.")


@sync.command("mirrors")
@click.option("--json", "as_json", is_flag=True, help="One JSON list, for programs.")
@click.pass_obj
def mirrors(settings: Settings, as_json: bool) -> None:
    """On a box: the other boxes that it knows, what came from each, and why one is left alone."""
    with _box(settings) as installation:
        found = facts(installation)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    elif not found:
        click.echo("No other box is known here. Neighbours are found by themselves; 'eduhub node mirror add' names others.")
    else:
        head = ("box", "address", "found", "gave", "last", "state")
        click.echo(table(head, [_row(one) for one in found]))


def facts(installation: Installation) -> list[dict[str, Any]]:
    """What is known of each mirror; times are seconds before now, of running time."""
    now_s = int(installation.steady.now_s())
    with installation.database.read() as session:
        return [
            {
                "url": row.url, "kind": row.kind, "node": row.node_uid, "name": row.name, "catalog": row.catalog_sequence,
                "seen_s_ago": None if row.kind == NAMED else now_s - row.seen_steady_s, "bytes": row.bytes_got,
                "gave_s_ago": None if row.got_steady_s is None else now_s - row.got_steady_s, "failures": row.failures,
                "why": row.why, "left_alone_s": max(0, row.aside_until_steady_s - now_s),
            }
            for row in session.scalars(select(Mirror).order_by(Mirror.kind, Mirror.name, Mirror.url))
        ]  # fmt: skip


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    if found["left_alone_s"]:
        state = f"{_WHY.get(found['why'], found['why'])}; asked again in {_span(found['left_alone_s'])}"
    elif found["seen_s_ago"] is not None and found["seen_s_ago"] > FRESH_S:
        state = "not there now"
    else:
        state = "may be asked"
    seen = "named" if found["seen_s_ago"] is None else f"{_span(found['seen_s_ago'])} ago"
    gave = "" if found["gave_s_ago"] is None else f"{_span(found['gave_s_ago'])} ago"
    return found["name"] or "?", found["url"], seen, f"{found['bytes'] / 1e6:.1f} MB", gave, state


def _span(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _box(settings: Settings) -> Any:
    if settings.role != "node":
        raise BadInput("only a school's box has mirrors; this is a hub")
    return ready(settings)


COMMANDS = (node, sync)
