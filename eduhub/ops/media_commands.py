"""`eduhub media encode`: the pipeline for one file, without a database."""

from pathlib import Path

import click

from eduhub.config import Settings
from eduhub.media import encode as encoding
from eduhub.ops.showing import bar, table


@click.group()
def media() -> None:
    """Video and sound."""


@media.command("encode")
@click.argument("source", metavar="INPUT", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("outdir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as one JSON object.")
@click.pass_obj
def encode(settings: Settings, source: Path, outdir: Path, *, as_json: bool) -> None:
    """Make every rendition of the lecture INPUT in OUTDIR, just as the hub does.

    Writes the tracks, manifest.json and master.m3u8. Needs no database.
    """
    outdir.mkdir(parents=True, exist_ok=True)
    with bar("Preparing") as move:
        report = encoding.encode_file(source, outdir, settings, move)
    if as_json:
        click.echo(report.as_json())
        return
    columns = ("name", "kind", "codec", "width", "height", "fps", "bytes", "kbit_s")
    rows = [[_cell(rendition.get(column)) for column in columns] for rendition in report.renditions]
    click.echo(table([column.replace("kbit_s", "kbit/s").upper() for column in columns], rows))
    click.echo(f"Prepared in {report.encode_s:.1f} s, in {outdir}")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


COMMANDS = (media,)
