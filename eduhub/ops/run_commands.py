"""Commands that run and look at an installation: serve, settings, doctor, status."""

import json
import sys

import click

from eduhub import config
from eduhub.config import Settings
from eduhub.ops import doctor as examination
from eduhub.ops import serve as serving
from eduhub.ops import status as summary
from eduhub.ops import tuning
from eduhub.ops.opening import ready
from eduhub.ops.showing import table


@click.command()
@click.pass_obj
def serve(settings: Settings) -> None:
    """Run EduHub here until Ctrl-C: the pages, and a worker that prepares video and talks to the hub.

    The first start makes the data folder, its database and its keys.
    """
    serving.serve(settings, click.echo)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def settings(present: Settings, *, as_json: bool) -> None:
    """List every setting: its variable, its value now, and what it means."""
    rows = [
        (config.variable(row.name), _shown(row.name, getattr(present, row.name)), row.metadata["meaning"])
        for row in config.table()
    ]
    if as_json:
        click.echo(json.dumps({name: {"value": value, "meaning": meaning} for name, value, meaning in rows}, indent=2))
    else:
        click.echo(table(("SETTING", "VALUE NOW", "MEANING"), rows))


def _shown(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "database" and "@" in str(value):  # it may hold a password
        scheme, _, place = str(value).partition("://")
        return f"{scheme}://...@{place.rpartition('@')[2]}"
    return str(value)


@click.command()
@click.option("--tune", is_flag=True, help="Only print what root may set in the kernel for long, lossy links.")
@click.pass_obj
def doctor(settings: Settings, *, tune: bool) -> None:
    """Look whether this machine can do the work, and say what to do where it cannot."""
    if tune:
        lines = tuning.commands()
        click.echo("\n".join(lines) if lines else "# all is set as proposed")
        return
    findings = examination.examine(settings)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.is_well else 'LOOK'} {finding.what}")
        if not finding.is_well:
            click.echo(f"       {finding.advice}")
    if not all(finding.is_well for finding in findings):
        sys.exit(1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def status(settings: Settings, *, as_json: bool) -> None:
    """Show in a few lines what this machine holds, what waits, and whether the hub was reached."""
    with ready(settings) as installation:
        facts = summary.of(installation)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        for name, value in facts.items():
            click.echo(f"{name.replace('_', ' '):<22}{value}")


COMMANDS = (serve, settings, doctor, status)
