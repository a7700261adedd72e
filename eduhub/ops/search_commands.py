"""`eduhub search rebuild`: the index of words, made anew."""

import click

from eduhub.config import Settings
from eduhub.courses import search as words
from eduhub.installation import JobContext
from eduhub.ops.opening import ready
from eduhub.ops.showing import bar


@click.group()
def search() -> None:
    """Finding lessons by words."""


@search.command("rebuild")
@click.pass_obj
def rebuild(settings: Settings) -> None:
    """Throw the index of words away and make it anew. Pages go on meanwhile, and find less."""
    with ready(settings) as installation, bar("Reading lessons") as move:
        count = words.rebuild(JobContext(installation, "", move))
    click.echo(f"{count} lessons can be found")


COMMANDS = (search,)
