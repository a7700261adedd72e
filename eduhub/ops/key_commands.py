"""`eduhub keys`: change the key with which the hub signs what it publishes, and shut out one that others may have seen."""

from collections.abc import Iterator
from pathlib import Path

import click

from eduhub.config import Settings
from eduhub.delivery import keys as delivery_keys
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation
from eduhub.ops.backup_files import one_at_a_time
from eduhub.ops.opening import ready_hub, root_key_option, root_of
from eduhub.signing import SigningKey


@click.group()
def keys() -> None:
    """At the hub: the keys that sign what it publishes. The root key signs for them, and only it can change them."""


@keys.command("list")
@click.pass_obj
def show(settings: Settings) -> None:
    """List the keys that the root has signed for: from which entry of the catalog each holds, and until which."""
    with ready_hub(settings, "keys are kept at the hub") as here:
        for line in _lines(here):
            click.echo(line)


@keys.command("rotate")
@root_key_option
@click.option("--revoke", is_flag=True, help="Shut out all earlier keys too: others may have seen one.")
@click.pass_obj
def rotate(settings: Settings, *, root_key: Path | None, revoke: bool) -> None:
    """Sign with a new key from now on. Boxes learn of it by the catalog; nothing has to be done at them."""
    with ready_hub(settings, "keys are changed at the hub") as here, one_at_a_time(here.keys.folder):
        root, old = root_of(here, root_key), here.keys.publishing.id
        if revoke:
            here.keys.drop_next_publishing()  # whoever has seen the present key may have seen that one
        with here.database.write() as session:
            new = delivery_keys.rotate(session, here.keys, root)
        here.keys.adopt_next_publishing()
        click.echo(f"The hub signs with the key {new.id} now, and no longer with {old}.")
        if revoke:
            with here.database.read() as session:
                others = delivery_keys.beside_the_present(session, here.keys)
            for key in others:  # not the last one alone: this command may have been cut before
                _shut_out(here, root, key)
        else:
            click.echo("Make a backup now: one from before knows nothing of the new key.")


@keys.command("revoke")
@click.argument("key")
@root_key_option
@click.pass_obj
def revoke_one(settings: Settings, key: str, *, root_key: Path | None) -> None:
    """Shut out the key KEY (its id, as 'eduhub keys list' shows it).

    Lessons that it signed before stay good. For the key that signs now: 'eduhub keys rotate --revoke'.
    """
    with ready_hub(settings, "keys are changed at the hub") as here, one_at_a_time(here.keys.folder):
        _shut_out(here, root_of(here, root_key), key)


@keys.command("put-away")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def put_away(settings: Settings, file: Path) -> None:
    """Move the root key from the hub to the new FILE, on a stick, say. Whoever has it can take every box over.

    It is needed for 'eduhub keys rotate' and 'revoke', 'eduhub release key' and 'eduhub restore': keep two copies in two places.
    """
    with ready_hub(settings, "keys are kept at the hub") as here:
        here.keys.take_root_away(file)
    click.echo(f"The root key lies in {file} now, and no longer at the hub. Copy that file to a second place.")


def _shut_out(here: Installation, root: SigningKey, key: str) -> None:
    with here.database.write() as session:
        is_known = key in keyring(session).keys
        sequence = delivery_keys.revoke(session, here.keys, root, key).sequence
    if not is_known:
        click.echo(f"No key {key} is known here. It is shut out all the same; 'eduhub keys list' shows those that are known.")
    click.echo(
        f"The key {key} is shut out from entry {sequence} of the catalog on. Make a backup now. Write the key down as well: should "
        f"the hub ever be restored from an older backup, that one does not know of it:\n"
        f"  eduhub restore FOLDER --root-key FILE --revoked {key}"
    )


def _lines(here: Installation) -> Iterator[str]:
    with here.database.read() as session:
        trusted, present = keyring(session).keys, here.keys.publishing.id
    for key, facts in sorted(trusted.items(), key=lambda pair: pair[1].from_sequence):
        said = f"{' '.join(sorted(facts.scopes))}, from entry {facts.from_sequence}" if facts.public else "not known here"
        until = f", shut out from entry {facts.revoked_at_sequence} on" if facts.revoked_at_sequence is not None else ""
        yield f"{key}  {said}{until}{', signs now' if key == present else ''}"


COMMANDS = (keys,)
