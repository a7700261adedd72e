"""Who may read the database of a machine."""

from pathlib import Path

from sqlalchemy import text

from eduhub.db import Database


def test_other_users_of_the_machine_cannot_read_the_database(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new' / 'eduhub.db'}")
    with database.write() as session:
        session.execute(text("CREATE TABLE person (name TEXT)"))
        files = list((tmp_path / "new").iterdir())  # the write-ahead log is beside it now
        assert len(files) > 1
        assert [file.name for file in files if file.stat().st_mode & 0o077] == []
    database.close()
