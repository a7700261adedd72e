"""The command `eduhub`. Its subcommands lie by topic in the files beside this one.

An error of ours is printed as its three sentences, with exit code 1 and no trace.
"""

import logging
import sys
from collections.abc import Sequence

import click

import eduhub
from eduhub import config, logs
from eduhub.errors import EduHubError, sentences
from eduhub.ops import (
    backup_commands,
    box_commands,
    courier_commands,
    demo_commands,
    key_commands,
    media_commands,
    mirror_commands,
    people_commands,
    release_commands,
    run_commands,
    search_commands,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(eduhub.__version__, prog_name="eduhub")
@click.pass_context
def commands(context: click.Context) -> None:
    """Lessons for schools that the network barely reaches.

    The same program is the hub, where lessons are made, and the box in a school, which fetches
    and serves them (EDUHUB_ROLE=hub or node). 'eduhub settings' lists every setting; each is an
    environment variable.
    """
    context.obj = config.load()
    logs.configure(context.obj, logging.WARNING)  # 'serve' tells more


for module in (run_commands, demo_commands, people_commands, box_commands, courier_commands, backup_commands, key_commands, media_commands, mirror_commands, search_commands, release_commands):
    for command in module.COMMANDS:
        commands.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    try:
        commands.main(arguments, prog_name="eduhub", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except EduHubError as error:
        sys.exit(in_sentences(error))


def in_sentences(error: EduHubError) -> str:
    """What a person reads: what happened, what was kept, what to do next; then the code for whoever helps."""
    detail = f": {error.detail}" if error.detail else ""
    return "\n".join([*sentences(error, error.facts, str), f"({error.code}{detail})"])


if __name__ == "__main__":
    main()
