"""A migration that says it only adds does only add; what came for a table before it was known is taken up with it."""

import json
from pathlib import Path
from typing import Any

import alembic.command
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, Table, inspect, text

from eduhub import changes
from eduhub.changes import FieldChange
from eduhub.db import Database
from eduhub.errors import NewerTables
from eduhub.ops import migrate
from eduhub.sync.models import Node
from eduhub.sync.releases.models import ReleaseOffer
from eduhub.uids import new_uid

SCRIPTS = list(ScriptDirectory.from_config(migrate._config(migrate.folder())).walk_revisions())
ADDITIVE = [script for script in SCRIPTS if getattr(script.module, "ADDITIVE", False)]

Shape = dict[str, dict[str, tuple[str, bool]]]


def shape(connection: Connection) -> Shape:
    """Every table: its columns, with their type and whether a program may leave them out."""
    there = inspect(connection)
    return {
        name: {
            column["name"]: (str(column["type"]), bool(column["nullable"]) or column.get("default") is not None)
            for column in there.get_columns(name)
        }
        for name in there.get_table_names()
    }


def to(database: Database, revision: str) -> Shape:
    migrate._run(database, lambda config: alembic.command.upgrade(config, revision))
    with database.engine.connect() as connection:
        return shape(connection)


def not_an_addition(before: Shape, after: Shape) -> list[str]:
    """What a program that knows only `before` would stumble over."""
    found = [f"{table} is gone" for table in before.keys() - after.keys()]
    for table in before.keys() & after.keys():
        for column, (kind, _may_lack) in before[table].items():
            if column not in after[table] or after[table][column][0] != kind:
                found.append(f"{table}.{column} is gone or another")
            elif before[table][column][1] and not after[table][column][1]:
                found.append(f"{table}.{column} may no longer be empty")
        found += [f"{table}.{column} may not be empty" for column in after[table].keys() - before[table].keys() if not after[table][column][1]]
    return found


@pytest.mark.parametrize("script", ADDITIVE, ids=lambda script: script.revision)
def test_what_is_said_to_be_an_addition_is_one(empty_database: Database, script: Any) -> None:
    database = empty_database
    before = to(database, str(script.down_revision))
    assert not_an_addition(before, to(database, script.revision)) == []


def test_the_comparison_sees_what_an_older_program_would_stumble_over() -> None:
    before: Shape = {"child": {"name": ("TEXT", False), "note": ("TEXT", True)}}
    assert not_an_addition(before, before | {"other": {"a": ("TEXT", False)}}) == []
    assert not_an_addition(before, {"child": before["child"] | {"new": ("TEXT", True)}}) == []
    for after in (
        {}, {"child": {"name": ("TEXT", False)}}, {"child": before["child"] | {"new": ("TEXT", False)}},
        {"child": before["child"] | {"name": ("INTEGER", False)}}, {"child": before["child"] | {"note": ("TEXT", False)}},
    ):  # fmt: skip
        assert not_an_addition(before, after)


def test_the_older_programs_that_run_on_these_tables_end_at_the_first_that_does_not() -> None:
    line = [script.revision for script in SCRIPTS]
    found = migrate.goes_back_to()
    assert found == line[1 : 1 + len(found)]
    assert not getattr(SCRIPTS[len(found)].module, "ADDITIVE", False)


def test_tables_of_a_newer_program_are_left_alone_where_this_one_runs_on_them(empty_database: Database, tmp_path: Path) -> None:
    database = empty_database
    migrate.bring_up(database, tmp_path)
    assert (tmp_path / "tables.json").exists()
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerTables):
        migrate.bring_up(database, tmp_path)
    (tmp_path / "tables.json").write_text(f'{{"revision": "9999", "goes_back_to": ["9998", "{migrate.head()}"]}}')
    migrate.bring_up(database, tmp_path)
    assert migrate.current(database) == "9999"
    (tmp_path / "tables.json").write_text('{"revision": "9999", "goes_back_to": ["9998"]}')
    with pytest.raises(NewerTables):
        migrate.bring_up(database, tmp_path)


def test_what_came_for_a_table_and_a_column_before_they_were_known_is_taken_up(empty_database: Database, tmp_path: Path) -> None:
    database = empty_database
    before = next(str(script.down_revision) for script in SCRIPTS if "add_releases" in str(script.path))
    to(database, before)
    org, row, wrong, machine = new_uid(), new_uid(), new_uid(), new_uid()
    values = {"org_uid": org, "release_id": "a" * 64, "version": "9.0", "paused": False}
    came = [FieldChange("release_offer", row, name, 5, machine, org, value, 0) for name, value in values.items()]
    came += [FieldChange("release_offer", wrong, name, 5, machine, org, value, 0) for name, value in (values | {"version": 7}).items()]
    with database.write() as session:
        # As a program that knows no such table: it checks nothing but that the values are plain.
        changes.merging.record(session, came, made_here=False)
    migrate.bring_up(database, tmp_path)
    with database.read() as session:
        assert {name: getattr(session.get_one(ReleaseOffer, row), name) for name in values} == values
        assert session.get(ReleaseOffer, wrong) is None
        assert migrate.current(database) == migrate.head()


def test_what_came_while_an_older_program_ran_on_these_tables_is_taken_up_when_the_newer_one_is_back(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, row = empty_database, new_uid()
    migrate.bring_up(database, tmp_path)
    newest, known = migrate.head(), migrate._known()
    noted = {"revision": newest, "goes_back_to": ["0001"]}
    (tmp_path / "tables.json").write_text(json.dumps(noted))
    # The program before: it knows neither the newest migration, nor the table of offers, nor a column of nodes.
    older = MetaData()
    for name, table in migrate.METADATA.tables.items():
        if name != "release_offer":
            Table(name, older, *(Column(column.name) for column in table.columns if (name, column.name) != ("node", "ended_on")))
    with monkeypatch.context() as before:
        before.setattr(migrate, "METADATA", older)
        before.setattr(migrate, "head", lambda: "0001")
        before.setattr(migrate, "_known", lambda: known - {newest})
        migrate.bring_up(database, tmp_path)
        with database.write() as session:
            node = Node(name="shuanghu-3", org_uid=new_uid(), site_uid=new_uid(), signing_public="1", sealing_public="2", certificate={})
            session.add(node)
            session.flush()
            offer = {"org_uid": node.org_uid, "release_id": "a" * 64, "version": "9.0", "paused": False}
            came = [FieldChange("release_offer", row, name, 5, new_uid(), node.org_uid, value, 0) for name, value in offer.items()]
            came.append(FieldChange("node", node.uid, "ended_on", 5, new_uid(), node.org_uid, "2026-11-25", 0))
            changes.merging.record(session, came, made_here=False)
            node_uid = node.uid
    with database.read() as session:
        assert session.get(ReleaseOffer, row) is None
    migrate.bring_up(database, tmp_path)
    with database.read() as session:
        assert session.get_one(ReleaseOffer, row).version == "9.0"
        assert session.get_one(Node, node_uid).ended_on == "2026-11-25"
    assert not (tmp_path / "older.json").exists()


def test_two_older_programs_leave_what_the_older_of_them_knew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (("a",), ("a", "b")):
        metadata = MetaData()
        Table("child", metadata, *(Column(name) for name in columns))
        monkeypatch.setattr(migrate, "METADATA", metadata)
        migrate._note_what_is_known(tmp_path)
        assert json.loads((tmp_path / "older.json").read_bytes()) == {"child": ["a"]}


def test_every_migration_since_releases_travel_says_whether_it_only_adds() -> None:
    silent = [script.revision for script in SCRIPTS if script.revision > "0009" and not isinstance(getattr(script.module, "ADDITIVE", None), bool)]
    assert silent == []


def test_a_migrations_template_asks_whether_it_only_adds() -> None:
    assert "\nADDITIVE = False\n" in (migrate.folder() / "script.py.mako").read_text()
