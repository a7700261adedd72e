"""`python -m migrations "Add the report table"` writes the next migration from the models. See docs/adding-a-table.md."""

import sys
import tempfile

from eduhub.db import Database
from eduhub.ops import migrate

if len(sys.argv) != 2:
    sys.exit(__doc__)
with tempfile.TemporaryDirectory() as folder:
    database = Database(f"sqlite:///{folder}/draft.db")
    migrate.upgrade(database)
    written = migrate.draft(database, sys.argv[1])
    database.close()
sys.stdout.write(f"{written}\n")
