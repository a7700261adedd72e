"""What a log line looks like, and what is never in one."""

import json
import logging
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub import logs


@pytest.fixture(autouse=True)
def _json_lines() -> None:
    logs.configure(SimpleNamespace(log_format="json"))


def test_a_line_is_one_json_object_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(SimpleNamespace(log_format="json"))
    logs.logger("eduhub.courses").info("package published", revision=3)
    captured = capsys.readouterr()
    line = json.loads(captured.err)
    assert (line["event"], line["revision"], line["level"]) == ("package published", 3, "info")
    assert line["timestamp"].endswith("Z")
    assert captured.out == ""


@pytest.mark.parametrize(
    "key", ["name", "sign_in_name", "token", "pass_token", "password", "code", "join_code", "Authorization", "cookie"]
)
def test_a_name_or_a_secret_never_reaches_a_line(capsys: pytest.CaptureFixture[str], key: str) -> None:
    logs.configure(SimpleNamespace(log_format="json"))
    logs.logger("test").info("signed in", **{key: "Dolma-7KQ2", "person": "0198"})
    line = capsys.readouterr().err
    assert "Dolma-7KQ2" not in line
    assert json.loads(line)["dropped_fields"] == 1
    assert json.loads(line)["person"] == "0198"


def test_a_secret_inside_a_nested_field_is_dropped_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(SimpleNamespace(log_format="json"))
    logs.logger("test").info("asked", request={"path": "/card", "headers": {"x": "1"}, "form": {"token": "7KQ2"}})
    line = capsys.readouterr().err
    assert "7KQ2" not in line
    assert json.loads(line)["request"]["path"] == "/card"


def test_the_code_of_our_error_table_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(SimpleNamespace(log_format="json"))
    logs.logger("test").warning("job failed", code="jobs.lease_lost")
    assert json.loads(capsys.readouterr().err)["code"] == "jobs.lease_lost"


def test_every_line_written_inside_about_carries_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(SimpleNamespace(log_format="json"))
    with logs.about(correlation="0198-1"):
        logs.logger("a").info("one")
        logging.getLogger("some.library").warning("two")
    logs.logger("a").info("three")
    one, two, three = map(json.loads, capsys.readouterr().err.splitlines())
    assert one["correlation"] == two["correlation"] == "0198-1"
    assert "correlation" not in three


def test_text_form_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(SimpleNamespace(log_format="text"))
    logs.logger("a").info("package published", revision=3, token="7KQ2")
    line = capsys.readouterr().err
    assert "package published" in line
    assert "revision=3" in line
    assert "7KQ2" not in line


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_trace_does_not_show_what_the_variables_held(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    logs.configure(SimpleNamespace(log_format=log_format))
    password = "".join(("yak-", "butter-", "lantern"))
    try:
        raise ValueError(len(password))
    except ValueError as error:
        logs.logger("test").error("unexpected error", exc_info=error)
    line = capsys.readouterr().err
    assert "ValueError: 18" in line
    assert password not in line


forbidden_keys = st.sampled_from(sorted(logs.NEVER_LOGGED))
fields = st.recursive(
    st.dictionaries(st.one_of(forbidden_keys, st.text(max_size=8)), st.just("SECRET"), max_size=4),
    lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(fields)
def test_no_forbidden_field_survives_at_any_depth(found: dict[str, object]) -> None:
    def keys(value: object) -> list[str]:
        if not isinstance(value, dict):
            return []
        return [*map(str, value), *(key for inner in value.values() for key in keys(inner))]

    kept = logs.drop_what_is_never_logged(None, "info", dict(found))
    assert not {key.lower() for key in keys(kept)} & logs.NEVER_LOGGED
