"""Commands for schools' boxes: `node code` at the hub, `node join` and `sync now` on the box."""

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.config import Settings
from eduhub.errors import BadInput, NotFound
from eduhub.ops.opening import ready
from eduhub.ops.people_commands import find_organisation
from eduhub.ops.showing import bar
from eduhub.schools.models import Site
from eduhub.sync import joining, nodes, rounds


@click.group()
def node() -> None:
    """Schools' boxes: let one join, or make this machine one."""


@node.command("code")
@click.argument("school")
@click.argument("name")
@click.pass_obj
def code(settings: Settings, school: str, name: str) -> None:
    """At the hub: make a one-time code with which a box joins for SCHOOL (its name or uid).

    NAME is the box's own for ever, since it becomes part of its address: small letters, digits,
    hyphens, as in shuanghu-3. The code is shown once and lasts seven days.
    """
    if settings.role != "hub":
        raise BadInput("codes are made at the hub")
    with ready(settings) as installation, installation.database.write() as session:
        site = site_of(session, school)
        made = nodes.new_code(session, installation, site_uid=site.uid, node_name=name)
    click.echo(made)


@node.command("join")
@click.argument("hub")
@click.argument("code", required=False)
@click.pass_obj
def join(settings: Settings, hub: str, code: str | None) -> None:
    """On a new box: join HUB (its address, as https://hub.example.org) with CODE.

    Set EDUHUB_ROLE=node first. The code, which 'eduhub node code' printed at the hub, says which
    school the box is for and lets the box check that it talks to the right hub. It is asked for
    when it is not given.
    """
    if settings.role != "node":
        raise BadInput("set EDUHUB_ROLE=node: only a school's box joins a hub")
    code = code or click.prompt("Code")
    with ready(settings) as installation:
        node_name = joining.join(installation, hub, code).name
    click.echo(f"This box is now {node_name} at {hub}. 'eduhub serve' now fetches lessons by itself; 'eduhub sync now' does it at once.")


@click.group()
def sync() -> None:
    """The exchange between a box and its hub."""


@sync.command("now")
@click.pass_obj
def now(settings: Settings) -> None:
    """On a box: bring progress home and fetch what is missing, now. 'eduhub serve' does it by itself."""
    if settings.role != "node":
        raise BadInput("only a school's box syncs; this is a hub")
    with ready(settings) as installation, bar("Syncing") as move:
        report = rounds.run(installation, on_progress=move)
    click.echo(str(report))


def site_of(session: Session, school: str) -> Site:
    """The site of a school given by uid or name; raises NotFound, BadInput."""
    organisation = find_organisation(session, school)
    site = session.execute(select(Site).where(Site.org_uid == organisation.uid).limit(1)).scalar()
    if site is None:
        raise NotFound(f"organisation {organisation.uid} has no site")
    return site


COMMANDS = (node, sync)
