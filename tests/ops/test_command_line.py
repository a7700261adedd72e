"""What the commands print, and how they end."""

import json
from collections.abc import Callable

import pytest

from eduhub import config
from eduhub.accounts import credentials, roles
from eduhub.accounts.models import Person
from eduhub.config import Settings
from eduhub.db import Database
from tests.ops.commanding import eduhub

PASSWORD = "three-grey-yaks"


@pytest.mark.any_engine
def test_a_setting_that_cannot_be_used_stops_the_start_and_is_named(settings: Settings) -> None:
    done = eduhub(settings, "status", EDUHUB_PORT="eighty")
    assert done.returncode == 1
    assert "EDUHUB_PORT" in done.stderr
    assert "Nothing was started." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.any_engine
def test_a_variable_that_is_no_setting_stops_the_start_too(settings: Settings) -> None:
    done = eduhub(settings, "status", EDUHUB_PROT="8080")
    assert done.returncode == 1
    assert "EDUHUB_PROT" in done.stderr


@pytest.mark.any_engine
def test_help_works_even_with_a_bad_setting(settings: Settings) -> None:
    done = eduhub(settings, "--help", EDUHUB_PORT="eighty")
    assert done.returncode == 0
    assert "serve" in done.stdout


@pytest.mark.any_engine
def test_an_unknown_command_is_refused_with_a_hint(settings: Settings) -> None:
    done = eduhub(settings, "srve")
    assert done.returncode == 2
    assert "No such command" in done.stderr


@pytest.mark.any_engine
def test_settings_lists_every_setting_with_its_value(settings: Settings) -> None:
    listed = json.loads(eduhub(settings, "settings", "--json").stdout)
    assert set(listed) == {config.variable(row.name) for row in config.table()}
    assert listed["EDUHUB_SECURE_COOKIES"]["value"] == "no"


@pytest.mark.any_engine
def test_settings_does_not_show_the_password_in_a_database_address(settings: Settings) -> None:
    shown = eduhub(settings, "settings", EDUHUB_DATABASE="postgresql+psycopg://hub:s3cret@db/eduhub").stdout
    assert "s3cret" not in shown
    assert "postgresql+psycopg://...@db/eduhub" in shown


def test_the_first_person_of_a_new_hub_can_sign_in(settings: Settings, database: Database) -> None:
    done = eduhub(
        settings, "user", "add", "--name", "Tenzin", "--sign-in-name", "tenzin", "--new-region", "Nagqu",
        typed=f"{PASSWORD}\n{PASSWORD}\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with database.write() as session:
        credential = credentials.check_password(session, "tenzin", PASSWORD)
        person = session.get_one(Person, credential.person_uid)
        assert person.name == "Tenzin"
        assert [grant.role for grant in roles.of(session, person.uid, "2099-01-01")] == ["operator"]


def test_a_password_is_asked_for_and_never_shown(settings: Settings) -> None:
    done = eduhub(
        settings, "user", "add", "--name", "Tenzin", "--sign-in-name", "tenzin", "--new-region", "Nagqu",
        typed=f"{PASSWORD}\n{PASSWORD}\n",
    )  # fmt: skip
    assert PASSWORD not in done.stdout + done.stderr


def test_a_person_needs_an_organisation(settings: Settings) -> None:
    done = eduhub(settings, "user", "add", "--name", "Pema", "--sign-in-name", "pema", "--password", PASSWORD)
    assert done.returncode == 1
    assert "--new-region" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_weak_password_keeps_nothing(settings: Settings, database: Database) -> None:
    done = eduhub(
        settings, "user", "add", "--name", "Tenzin", "--sign-in-name", "tenzin", "--new-region", "Nagqu",
        "--password", "12345678",
    )  # fmt: skip
    assert done.returncode == 1
    with database.read() as session:
        assert session.query(Person).count() == 0


def test_status_counts_what_is_here(settings: Settings) -> None:
    facts = json.loads(eduhub(settings, "status", "--json").stdout)
    assert facts["role"] == "hub"
    assert facts["lessons_complete"] == 0
    assert facts["pages"] == "do not answer"
    assert facts["worker"] == "does not run"


@pytest.mark.parametrize(
    ("role", "arguments", "hint"),
    [
        ("hub", ("sync", "now"), "hub"),
        ("hub", ("node", "join", "http://127.0.0.1:9", "00000-00000-00000-00000"), "EDUHUB_ROLE=node"),
        ("node", ("node", "code", "Shuanghu", "shuanghu-1"), "hub"),
        ("node", ("demo",), "hub"),
    ],
)
@pytest.mark.any_engine
def test_a_command_for_the_other_kind_of_machine_says_so(
    make_settings: Callable[..., Settings], role: str, arguments: tuple[str, ...], hint: str
) -> None:
    done = eduhub(make_settings(role=role), *arguments)
    assert done.returncode == 1
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_code_is_for_a_school_that_exists(settings: Settings) -> None:
    eduhub(
        settings, "user", "add", "--name", "Tenzin", "--sign-in-name", "tenzin", "--new-region", "Nagqu",
        "--password", PASSWORD,
    )  # fmt: skip
    done = eduhub(settings, "node", "code", "Nowhere School", "nowhere-1")
    assert done.returncode == 1
    assert "Nowhere School" in done.stderr
