"""`eduhub demo`: something to look at on a new hub."""

import click

from eduhub.config import Settings
from eduhub.ops.demo import load as loading
from eduhub.ops.opening import ready
from eduhub.ops.showing import bar, table


@click.command()
@click.pass_obj
def demo(settings: Settings) -> None:
    """Load the demo into an empty hub: a region, two schools, people of every role, three lessons.

    The lectures are drawn, spoken and encoded on this machine, which takes a few minutes the first
    time. Again it only plans the present week, where it has no plan yet, and prints the sign-ins.
    """
    with ready(settings) as installation:
        loaded = loading.load(installation, bar)
    rows = [(row.who, row.role, row.school, row.how) for row in loaded.sign_ins]
    click.echo("Demo sign-ins (adults at /sign-in with name and password, children at /card with the code):\n")
    click.echo(table(("WHO", "ROLE", "SCHOOL", "SIGNS IN WITH"), rows))
    click.echo()


COMMANDS = (demo,)
