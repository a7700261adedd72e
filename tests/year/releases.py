"""Releases that come in mid-year: each brings migrations of the kind that a release may bring (docs/adding-a-table.md).

All machines of a year run the same code, this one; what differs is how far their tables are. So a machine here can also be taken
back to the release before, and then runs on newer tables than it knows, as after a version that was not healthy.
"""

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from eduhub.ops import migrate

NEWEST = 2
_REVISIONS = ("9001", "9002")
# A column of a travelling table; then a table of its own, made from rows that are there, and an index.
_UPGRADES = (
    """
    op.add_column("person", sa.Column("called_at_home", sa.String(length=120), nullable=True))
""",
    """
    op.create_table("person_copy", sa.Column("uid", sa.String(length=36), primary_key=True), sa.Column("name", sa.String()))
    op.execute(sa.text("INSERT INTO person_copy (uid, name) SELECT uid, name FROM person"))
    op.create_index("ix_person_copy_name", "person_copy", ["name"])
""",
)
_HEAD = '''"""Of a release to come."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None
ADDITIVE = True


def upgrade() -> None:
'''
_here = migrate.folder()


@cache
def _folder(release: int) -> Path:
    """The migrations up to that release, for as long as this process runs."""
    if release == 0:
        return _here
    made = Path(tempfile.mkdtemp(prefix=f"release-{release}-"))
    shutil.copytree(_here, made, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    before = max(path.name.split("_")[0] for path in (_here / "versions").glob("[0-9]*.py"))
    for revision, lines in list(zip(_REVISIONS, _UPGRADES, strict=True))[:release]:
        (made / "versions" / f"{revision}_to_come.py").write_text(_HEAD.format(revision=revision, before=before) + lines)
        before = revision
    return made


def chosen() -> Callable[[], Path]:
    """Which release this process is at, to be given back to `choose`."""
    return migrate.folder


def choose(release: int | Callable[[], Path]) -> None:
    """This process is now at that release."""
    migrate.folder = (lambda: _folder(release)) if isinstance(release, int) else release


def forget() -> None:
    """Take the folders away again."""
    for release in range(1, NEWEST + 1):
        shutil.rmtree(_folder(release), ignore_errors=True)
    _folder.cache_clear()
