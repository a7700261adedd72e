"""`eduhub keys`: change the key with which the hub signs what it publishes, and shut out one that others may have seen."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from eduhub.config import Settings
from eduhub.delivery import keys as delivery_keys
from eduhub.delivery.trust import keyring
from eduhub.errors import BadInput
from eduhub.installation import Installation
from eduhub.ops.opening import ready
from eduhub.signing import SigningKey

_root_key: Callable[[Any], Any] = click.option(
    "--root-key", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The hub's root key file, where it has been taken away from the hub.",
)  # fmt: skip


@click.group()
def keys() -> None:
    """At the hub: the keys that sign what it publishes. The root key signs for them, and only it can change them."""


@keys.command("list")
@click.pass_obj
def show(settings: Settings) -> None:
    """List the keys that the root has signed for: from which entry of the catalog each holds, and until which."""
    _at_the_hub(settings)
    with ready(settings) as here:
        for line in _lines(here):
            click.echo(line)


@keys.command("rotate")
@_root_key
@click.option("--revoke", is_flag=True, help="Shut the old key out too: others may have seen it.")
@click.pass_obj
def rotate(settings: Settings, *, root_key: Path | None, revoke: bool) -> None:
    """Sign with a new key from now on. Boxes learn of it by the catalog; nothing has to be done at them."""
    _at_the_hub(settings)
    with ready(settings) as here:
        root, old = _root(here, root_key), here.keys.publishing.id
        with here.database.write() as session:
            new = delivery_keys.rotate(session, here.keys, root)
        here.keys.adopt_next_publishing()
        click.echo(f"The hub signs with the key {new.id} now, and no longer with {old}.")
        if revoke:
            _shut_out(here, root, old)
    click.echo("Make a backup now: one from before knows nothing of the new key.")


@keys.command("revoke")
@click.argument("key")
@_root_key
@click.pass_obj
def revoke_one(settings: Settings, key: str, *, root_key: Path | None) -> None:
    """Shut out the key with the id KEY: nothing that it signs from now on is believed. The present one has to be rotated first."""
    _at_the_hub(settings)
    with ready(settings) as here:
        _shut_out(here, _root(here, root_key), key)


def _shut_out(here: Installation, root: SigningKey, key: str) -> None:
    with here.database.write() as session:
        entry = delivery_keys.revoke(session, here.keys, root, key)
        sequence = entry.sequence
    click.echo(
        f"The key {key} is shut out from entry {sequence} of the catalog on. Write this down: if the hub is ever restored from a "
        f"backup of before now, say so then: eduhub restore FOLDER --revoked {key}"
    )


def _lines(here: Installation) -> Iterator[str]:
    with here.database.read() as session:
        trusted, present = keyring(session).keys, here.keys.publishing.id
    for key, facts in sorted(trusted.items(), key=lambda pair: pair[1].from_sequence):
        until = f", shut out from entry {facts.revoked_at_sequence} on" if facts.revoked_at_sequence is not None else ""
        mark = ", signs now" if key == present else ""
        yield f"{key}  {' '.join(sorted(facts.scopes)) or '-'}  from entry {facts.from_sequence}{until}{mark}"


def _root(here: Installation, file: Path | None) -> SigningKey:
    return delivery_keys.read_key(file) if file else here.keys.root


def _at_the_hub(settings: Settings) -> None:
    if settings.role != "hub":
        raise BadInput("this is a box: keys are changed at the hub")


COMMANDS = (keys,)
