"""Commands for schools' boxes: `node code`, `replace` and `revoke` at the hub, `node join` and `sync now` on the box."""

from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes
from eduhub.accounts import audit
from eduhub.config import Settings
from eduhub.errors import BadInput, LinkDown, NotFound
from eduhub.ops import school_network
from eduhub.ops.box_status_commands import boxes, status
from eduhub.ops.opening import ready, ready_hub
from eduhub.ops.people_commands import find_organisation
from eduhub.ops.showing import fetching_bar
from eduhub.schools import organisations
from eduhub.schools.models import Site
from eduhub.sync import rounds
from eduhub.sync.allowance import wishes
from eduhub.sync.boxes import joining, losing, nodes, replacing
from eduhub.sync.round_report import RoundReport


@click.group()
def node() -> None:
    """Schools' boxes: let one join, or make this machine one."""


@node.command("code")
@click.argument("school")
@click.argument("name")
@click.pass_obj
def code(settings: Settings, school: str, name: str) -> None:
    """At the hub: make a one-time code with which a box joins for SCHOOL (its name or uid).

    For a region the box becomes a mirror for the region's schools (docs/county-mirror.md).

    NAME is the box's own for ever, since it becomes part of its address: small letters, digits,
    hyphens, as in shuanghu-3. The code is shown once and lasts seven days.
    """
    with ready_hub(settings, "codes are made at the hub") as installation, installation.database.write() as session:
        site = site_of(session, school)
        made = nodes.new_code(session, installation, site_uid=site.uid, node_name=name)
    click.echo(made)


@node.command("replace")
@click.argument("name")
@click.pass_obj
def replace(settings: Settings, name: str) -> None:
    """At the hub: make a code with which a spare box takes the place of the box NAME.

    The spare bears the same name, and so the same address. From the moment it joins, the old box may
    only bring home what it has. If it was stolen, shut it out: 'eduhub node revoke NAME --lost'.
    """
    with ready_hub(settings) as installation, installation.database.write() as session:
        found = replacing.find(session, name)
        made = nodes.replacing_code(session, installation, found)
        audit.note(session, "sync.replace_box", by_uid=None, org_uid=found.org_uid, subject_uid=found.uid)
    click.echo(made)


@node.command("revoke")
@click.argument("name")
@click.option("--lost", is_flag=True, help="It was lost or stolen: end every card that it may know the hash of.")
@click.pass_obj
def revoke(settings: Settings, name: str, lost: bool) -> None:
    """At the hub: shut the box NAME out, at once and for good.

    What it has not brought home yet is not taken any more. The school's cards stay good, unless --lost.
    """
    with ready_hub(settings) as installation, changes.writing(installation.database) as session:
        found = replacing.find(session, name)
        audit.note(session, "sync.lose_box" if lost else "sync.revoke_box", by_uid=None, org_uid=found.org_uid, subject_uid=found.uid)
        ended = 0
        if lost:
            ended = losing.lose(session, installation, found)
        else:
            losing.shut_out(session, installation, found)
    click.echo(f"The box {name} is shut out.")
    if lost:
        click.echo(f"Cards that open nothing any more: {ended}. The school's admin finds a button on their first page that prints new ones.")


@node.command("replaced")
@click.pass_obj
def replaced(settings: Settings) -> None:
    """On a box that took another's place: what of the old one is safe, and what is not here."""
    with ready(settings) as installation, installation.database.read() as session:
        told = replacing.held(session)
    click.echo(_in_words(told) if told else "This box has taken nobody's place.")


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
        with installation.database.read() as session:
            told = replacing.held(session)
    if told:
        click.echo(_in_words(told))
    click.echo(f"This box is now {node_name} at {hub}. 'eduhub serve' now fetches lessons by itself; 'eduhub sync now' does it at once.")


def _in_words(told: dict[str, Any]) -> str:
    said = []
    for sentence in replacing.in_words(told):
        moment = "" if sentence.time_ms is None else f"{datetime.fromtimestamp(sentence.time_ms / 1000, tz=UTC):%Y-%m-%d %H:%M} UTC"
        said.append(sentence.text % (sentence.facts | {"time": moment}))
    return "\n".join(said)


@click.group()
def sync() -> None:
    """The exchange between a box and its hub."""


@sync.command("now")
@click.pass_obj
def now(settings: Settings) -> None:
    """On a box: bring progress home and fetch what is missing, now. 'eduhub serve' does it by itself."""
    if settings.role != "node":
        raise BadInput("only a school's box syncs; this is a hub")
    with ready(settings) as installation, fetching_bar("Syncing") as (move, came):
        lost: list[RoundReport] = []
        try:
            report = rounds.run(installation, on_progress=move, on_bytes=came, on_lost=lost.append)
        except LinkDown:
            for report in lost:
                click.echo(report.without_hub())
            raise
    click.echo(str(report))


@sync.command("wish")
@click.argument("lesson")
@click.pass_obj
def wish(settings: Settings, lesson: str) -> None:
    """On a box: fetch LESSON (its uid) before all others, from now on."""
    if settings.role != "node":
        raise BadInput("only a school's box syncs; this is a hub")
    with ready(settings) as installation, installation.database.write() as session:
        wishes.make(session, installation.steady, lesson)
    click.echo("This lesson comes next.")


def site_of(session: Session, school: str) -> Site:
    """The site of a school given by uid or name; a region gets one for its mirror. Raises NotFound, BadInput."""
    organisation = find_organisation(session, school)
    site = session.execute(select(Site).where(Site.org_uid == organisation.uid).limit(1)).scalar()
    if site is None and organisation.kind == "region":
        return organisations.add_site(session, organisation.uid, next(iter(organisation.names.values())))
    if site is None:
        raise NotFound(f"organisation {organisation.uid} has no site")
    return site


@click.group()
def box() -> None:
    """What belongs to the school's box itself."""


@box.command("network")
@click.option("--print-dnsmasq", is_flag=True, required=True, help="Print what dnsmasq needs.")
@click.option("--address", required=True, help="The box's address on the school's network, as 192.168.4.1")
@click.option("--interface", default="wlan0", show_default=True, help="The network interface of the school's network.")
@click.option("--dhcp", is_flag=True, help="The box gives the addresses out, too.")
@click.pass_obj
def network(settings: Settings, print_dnsmasq: bool, address: str, interface: str, dhcp: bool) -> None:
    """On a box: the names of the school's network, as configuration for dnsmasq.

    Every name leads to the box then, and telephones that join the Wi-Fi show the school's page (EDUHUB_SCHOOL_DNS=yes).
    """
    with ready(settings) as installation, installation.database.read() as session:
        found = joining.own_node(session)
    if found is None:
        raise BadInput("this box has not joined yet, and so has no name")
    click.echo(school_network.dnsmasq(
        name=found.name, suffix=settings.box_suffix, address=address, interface=interface, with_dhcp=dhcp
    ), nl=False)  # fmt: skip


sync.add_command(status)
COMMANDS = (box, node, sync, boxes)
