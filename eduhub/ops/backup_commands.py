"""`eduhub backup` and `eduhub restore`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from eduhub.config import Settings
from eduhub.delivery import keys
from eduhub.ops import backup as backing
from eduhub.ops import restore as restoring
from eduhub.ops.opening import ready
from eduhub.ops.showing import bar


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def backup(settings: Settings, folder: Path) -> None:
    """Back this machine up into FOLDER while it goes on running.

    FOLDER may hold an earlier backup of the same machine; then only new lessons are added. It holds
    everything but the root key, which you keep elsewhere, and the key that signs, which a restored
    hub makes anew; and it is readable without EduHub.
    """
    with ready(settings) as installation, bar("Backing up") as move:
        report = backing.backup(installation, folder, on_progress=move)
    click.echo(
        f"Backed up {report.rows} rows and {report.blobs} files of lessons ({report.blob_bytes / 1e6:.1f} MB, "
        f"{report.blobs_added} of them new) in {report.folder}"
    )
    if report.blobs_missing:
        click.echo(f"{report.blobs_missing} files of lessons are missing on this machine and in this backup.", err=True)
    if settings.role == "hub":
        click.echo("The root key is not in it. Keep keys/root.key of the data folder in another safe place.")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--root-key", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The hub's root key file, from where it is kept. A hub cannot be restored without it.")
@click.option("--after-epoch", type=click.IntRange(min=0), default=0, show_default=True,
              help="The highest epoch that any box has seen; only for a second restore from the same backup.")
@click.option("--revoked", multiple=True, metavar="KEY",
              help="The id of a key that was shut out after this backup was made; 'eduhub keys revoke' and 'rotate --revoke' "
                   "printed it then. May be given several times.")
@click.option("--stolen", is_flag=True, help="The machine of before may be in other hands: none of its keys counts any more.")
@click.pass_obj
def restore(
    settings: Settings, folder: Path, *, root_key: Path | None, after_epoch: int, revoked: tuple[str, ...], stolen: bool
) -> None:
    """Restore the backup in FOLDER onto this machine, whose data folder and database must be empty.

    Boxes bring back what they hold of the time since the backup, by themselves, when they next
    reach the hub. The command says from when on the rest is lost. With --revoked and --stolen
    boxes bring back less: what they made themselves, and not what was signed with such a key.
    """
    root = keys.read_key(root_key) if root_key else None
    with bar("Restoring") as move:
        report = restoring.restore(folder, settings, root, after_epoch=after_epoch, revoked=revoked, is_stolen=stolen, on_progress=move)
    click.echo(f"Restored {report.rows} rows and {report.blobs} files of lessons of {_moment(report.made_ms)}.")
    if report.blobs_missing:
        click.echo(
            f"{report.blobs_missing} files of lessons are damaged in the backup or missing from it. Their lessons are "
            "hidden here where they cannot do without.", err=True,
        )  # fmt: skip
    if stolen:
        click.echo(
            "If the root key lay on the machine that was stolen, whoever has it can take every box over: then set up a new hub, "
            "and let every box join it.", err=True,
        )  # fmt: skip
    if settings.role == "hub":
        comes_back = "made" if stolen else "received or made"
        click.echo(
            f"The catalog begins epoch {report.epoch} after entry {report.catalog_sequence}.\n"
            f"What only this hub held after {_moment(report.lost_after_ms)} is lost. What its boxes have {comes_back} since "
            "comes back when each next reaches the hub.\n"
            "The hub signs with a new key now. Make a backup."
        )


def _moment(unix_ms: int) -> str:
    return f"{datetime.fromtimestamp(unix_ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


COMMANDS = (backup, restore)
