"""Freeze an older version of EduHub into a small file, so that today's can be tested against it.

    python .ci/freeze.py COMMIT      write tests/frozen/eduhub-<version>.zip from that commit of this repository

The file holds what runs: the package, its migrations, wsgi.py and compiled translations; no sources of the front end, no
font and nothing built by npm, since boxes and hubs need none of it to talk to each other. It is the same each time. A file
and not the commit, because CI has only the newest commits, and a release that boxes run must not change by a rebase.
"""

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = {".ts", ".css", ".woff2", ".png", ".pot", ".cfg", ".txt"}
WHEN = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    """The command line."""
    commit = sys.argv[1]
    packed = subprocess.run(["git", "archive", commit, "eduhub", "migrations", "wsgi.py"], cwd=ROOT, check=True, capture_output=True).stdout
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is not None and PurePosixPath(member.name).suffix not in LEFT_OUT:
                files[member.name] = file.read()
    for name in [name for name in files if name.endswith(".po")]:
        compiled = io.BytesIO()
        write_mo(compiled, read_po(io.BytesIO(files.pop(name)), locale=PurePosixPath(name).parts[-3]))
        files[name[:-2] + "mo"] = compiled.getvalue()
    found = re.search(r'__version__ = "(.+)"', files["eduhub/__init__.py"].decode())
    if found is None:
        sys.exit("that commit has no version")
    out = ROOT / "tests" / "frozen" / f"eduhub-{found[1]}.zip"
    out.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as frozen:
        for name, payload in sorted(files.items()):
            frozen.writestr(zipfile.ZipInfo(name, WHEN), payload, zipfile.ZIP_DEFLATED, 9)
    print(f"{out.relative_to(ROOT)}: {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
