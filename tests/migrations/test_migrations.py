"""The migrations make exactly the tables that the models describe."""

import threading

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from eduhub.db import Database
from eduhub.ops import migrate


def test_an_empty_database_becomes_what_the_models_describe(empty_database: Database) -> None:
    migrate.upgrade(empty_database)
    with empty_database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, migrate.METADATA) == []


def test_a_database_knows_its_revision(empty_database: Database) -> None:
    assert migrate.current(empty_database) is None
    migrate.upgrade(empty_database)
    assert migrate.current(empty_database) == migrate.head()


def test_upgrading_twice_changes_nothing(empty_database: Database) -> None:
    migrate.upgrade(empty_database)
    before = inspect(empty_database.engine).get_table_names()
    migrate.upgrade(empty_database)
    assert inspect(empty_database.engine).get_table_names() == before


def test_two_processes_that_upgrade_at_once_wait_for_each_other(empty_database: Database) -> None:
    failures: list[BaseException] = []

    def upgrade() -> None:
        try:
            migrate.upgrade(empty_database)
        except BaseException as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert migrate.current(empty_database) == migrate.head()
