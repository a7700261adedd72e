"""Commands for sticks: `courier export` and `courier import`, at the hub and at a box."""

from collections.abc import Sequence
from pathlib import Path

import click

from eduhub.config import Settings
from eduhub.errors import sentences
from eduhub.ops.opening import ready
from eduhub.ops.showing import bar
from eduhub.sync.courier import trips

_FOLDERS = click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.group()
def courier() -> None:
    """Sticks: carry lessons to boxes that the link barely reaches, and what was done there home."""


@courier.command("export")
@_FOLDERS
@click.option("--for", "nodes", multiple=True, metavar="NODE", help="A box (its name or uid); may be given several times.")
@click.pass_obj
def export(settings: Settings, folders: Sequence[Path], nodes: Sequence[str]) -> None:
    """Fill the sticks that are mounted at FOLDERS.

    At the hub: for the boxes named by --for, or for those that have asked on that stick; what comes home on it is taken
    first. On a box: with what goes home. A stick that was pulled out goes on where it was.
    """
    _each(settings, folders, lambda here, folder, move: trips.export(here, folder, nodes=nodes, on_progress=move))


@courier.command("import")
@_FOLDERS
@click.pass_obj
def import_(settings: Settings, folders: Sequence[Path]) -> None:
    """Take in what the sticks mounted at FOLDERS bring. On a box, what goes home is written onto them then."""
    _each(settings, folders, lambda here, folder, move: trips.take_in(here, folder, on_progress=move))


def _each(settings: Settings, folders: Sequence[Path], act: trips.Act) -> None:
    with ready(settings) as installation, bar("Sticks") as move:
        done = trips.each(installation, folders, act, move)
    for trip in done:
        if trip.error is not None:
            told = " ".join(sentences(trip.error, trip.error.facts, str))
            click.echo(f"{trip.folder}: {told} ({trip.error.code})", err=True)
        else:
            click.echo(f"{trip.folder}: {trip.report}")
    if any(trip.error is not None for trip in done):
        raise SystemExit(1)


COMMANDS = (courier,)
