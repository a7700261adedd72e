"""`eduhub release`: versions of the program, made known at the hub and put in at boxes."""

import sys
import tempfile
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub.config import Settings
from eduhub.delivery import keys
from eduhub.delivery.models import ReleaseRow
from eduhub.delivery.release import read_version
from eduhub.errors import BadInput, NotFound
from eduhub.ops import release_archive, release_install, release_look, release_setup
from eduhub.ops.opening import ready, ready_hub, root_key_option, root_of
from eduhub.ops.people_commands import find_organisation
from eduhub.signing import SigningKey
from eduhub.sync.models import Node
from eduhub.sync.releases import offering, publishing, state

_MADE_KNOWN = "versions are made known at the hub"


@click.group()
def release() -> None:
    """Versions of EduHub itself: make them known at the hub, offer them to boxes, put them in."""


@release.command("key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@root_key_option
@click.pass_obj
def key(settings: Settings, file: Path, root_key: Path | None) -> None:
    """At the hub: let the key in FILE sign versions; it is made when FILE does not exist.

    Keep it where the root key is kept, and not at the hub: whoever has it can run what he likes on every box.
    """
    with ready_hub(settings, _MADE_KNOWN) as here, here.database.write() as session:
        if not file.exists():
            keys.write_key(file, SigningKey.generate().seed)
        stated = publishing.state_key(session, here, root_of(here, root_key), keys.read_key(file).public)
    click.echo(f"Versions signed by the key {stated} will be believed by every box that has read the catalog.")


@release.command("publish")
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", "key_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True,
              help="The key file that 'eduhub release key' was told of.")
@click.pass_obj
def publish(settings: Settings, archive: Path, key_file: Path) -> None:
    """At the hub: sign the version in ARCHIVE and make it known. No box puts it in before it is offered."""
    with ready_hub(settings, _MADE_KNOWN) as here, tempfile.TemporaryDirectory(dir=settings.data_dir / "work") as folder:
        manifest, wheels = release_archive.read(archive, Path(folder))
        with here.database.write() as session:
            row = publishing.publish(session, here, manifest, wheels, keys.read_key(key_file))
            version = row.version
    click.echo(f"{version} is known. Offer it to one box first: eduhub release offer {version} BOX")


@release.command("offer")
@click.argument("version")
@click.argument("place")
@click.option("--pause", is_flag=True, help="Hold this place back instead, also from what a wider place is offered.")
@click.pass_obj
def offer(settings: Settings, version: str, place: str, *, pause: bool) -> None:
    """At the hub: offer VERSION to PLACE: a box by its name, or a school or region, by name or uid, with all below it."""
    with ready_hub(settings, _MADE_KNOWN) as here, here.database.write() as session:
        row = _release(session, version)
        node = session.scalars(select(Node).where(Node.name == place, Node.revoked_on.is_(None))).first()
        org_uid = None if node is not None else find_organisation(session, place).uid
        made = offering.offer(session, release_id=row.id, org_uid=org_uid, node_uid=node.uid if node else None)
        if pause:
            offering.pause(session, made.uid, paused=True)
    click.echo(f"{place} is {'held back' if pause else f'offered {version}'}.")


@release.command("list")
@click.pass_obj
def listed(settings: Settings) -> None:
    """Show the versions that are known here; on a box, also how far the offered one is."""
    with ready(settings) as here, here.database.read() as session:
        for row in sorted(session.scalars(select(ReleaseRow)), key=lambda row: read_version(row.version)):
            click.echo(f"{row.version:<12}{row.id}")
        if settings.role == "node":
            now = state.state_here(session, here)
            click.echo(f"{now.running} runs; offered: {now.offered or 'no other'}; {now.stage}{f' ({now.why})' if now.why else ''}")


@release.command("install")
@click.argument("version")
@click.pass_obj
def install(settings: Settings, version: str) -> None:
    """On a box: put VERSION in now, without waiting for the end of school; lessons are away for about a minute."""
    if settings.role != "node":
        raise BadInput("versions are put in at a school's box")
    with ready(settings) as here:
        with here.database.read() as session:
            release_id = _release(session, version).id
        name = release_install.prepare(here, release_id)
    click.echo(f"{version} lies ready in {settings.releases_folder / name}.")
    if state.has_launcher(settings.releases_folder):
        release_install.ask_launcher(settings.releases_folder, name)
        click.echo("The launcher changes over now; 'eduhub release list' shows how it went.")
    else:
        click.echo("No launcher runs here, so nothing changes yet: see docs/updates.md.")


@release.command("setup")
@click.pass_obj
def setup(settings: Settings) -> None:
    """On a box: make the folder of versions and the launcher, which then runs instead of 'eduhub serve'."""
    launch = release_setup.set_up(settings.releases_folder)
    click.echo(f"From now on let the system start: {sys.executable if sys.prefix == sys.base_prefix else '/usr/bin/python3'} {launch}")


@release.command("tables")
@click.pass_obj
def tables(settings: Settings) -> None:
    """For the launcher: bring the tables of the database to this version, and end."""
    with ready(settings):
        pass


@release.command("look")
@click.pass_obj
def look(settings: Settings) -> None:
    """For the launcher: whether what serves here works; the exit code says it."""
    with ready(settings) as here:
        problem = release_look.problem(here)
    if problem is not None:
        click.echo(f"{problem} does not work", err=True)
        sys.exit(1)


def _release(session: Session, version: str) -> ReleaseRow:
    row = session.scalars(select(ReleaseRow).where(ReleaseRow.version == version)).first()
    if row is None:
        raise NotFound(f"no version {version} is known here")
    return row


COMMANDS = (release,)
