"""The intent is an upload's only credential: nobody may make one up, stretch one, or bend where it leads."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.errors import BadInput, UploadRefused
from eduhub.media import intents
from eduhub.media.intents import UploadIntent
from eduhub.uids import make_uid

SECRET = bytes(range(32))
INTENT = UploadIntent(
    source_uid=make_uid(1, 1), org_uid=make_uid(1, 2), lesson_uid=make_uid(1, 3), max_bytes=1000,
    then={"kind": "courses.publish_if_ready", "args": {"lesson_uid": make_uid(1, 3)}}, expires_steady_s=500,
    language="bo", back="/lessons/7?v=1",
)  # fmt: skip


def test_what_was_signed_is_read_until_its_end() -> None:
    token = intents.sign(SECRET, INTENT)
    assert intents.read(SECRET, token, 499.9) == INTENT
    with pytest.raises(UploadRefused, match="over"):
        intents.read(SECRET, token, 500)
    assert intents.read_old(SECRET, token) == INTENT


def test_the_token_of_docs_formats_uploads() -> None:
    """The vector that docs/formats/uploads.md prints."""
    token = intents.sign(SECRET, INTENT)
    payload, mac = token.split(".")
    assert base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).startswith(b'{"back":"/lessons/7?v=1","expires_')
    assert mac == "04456132534c638da220064e69ff39e684abde2534708816d4baa351e10146ac"


def test_another_machines_token_is_refused() -> None:
    with pytest.raises(UploadRefused, match="not signed here"):
        intents.read(bytes(32), intents.sign(SECRET, INTENT), 0)


@given(st.data())
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    token = intents.sign(SECRET, INTENT)
    place = data.draw(st.integers(0, len(token) - 1))
    changed = token[:place] + data.draw(st.characters(codec="utf-8")) + token[place + 1 :]
    if changed != token:
        with pytest.raises(UploadRefused):
            intents.read(SECRET, changed, 0)


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(UploadRefused):
        intents.read(SECRET, text, 0)


@pytest.mark.parametrize("back", ["//evil.example", "/\\evil.example", "https://evil.example", "lessons", "/a\r\nSet-Cookie: x"])
def test_it_never_leads_to_another_site(back: str) -> None:
    with pytest.raises(BadInput):
        replace(INTENT, back=back)


@pytest.mark.parametrize(
    "bent", [{"source_uid": "../x"}, {"max_bytes": 0}, {"then": {"kind": "x"}}, {"language": "zh\n"}, {"org_uid": ""}]
)
def test_an_intent_that_cannot_be_carried_out_is_never_signed(bent: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        replace(INTENT, **bent)


def test_an_attachments_token_says_so_and_any_other_is_what_the_release_before_signed() -> None:
    sheet = replace(INTENT, attachment=True)
    assert intents.read(SECRET, intents.sign(SECRET, sheet), 0) == sheet
    assert "attachment" not in intents.as_json(INTENT)
    with pytest.raises(BadInput):
        replace(INTENT, attachment="yes")  # type: ignore[arg-type]
