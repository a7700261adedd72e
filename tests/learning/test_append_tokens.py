"""An append-only token names one child, on one machine, and cannot be made or changed by anybody else."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.errors import TokenRefused
from eduhub.learning import tokens
from eduhub.uids import new_uid

SECRET = bytes(range(32))
VECTORS = Path(__file__).parents[2] / "docs" / "formats" / "vectors" / "events.json"


def test_a_token_names_its_child_and_school():
    dolma, school = new_uid(), new_uid()
    actor = tokens.read(SECRET, tokens.issue(SECRET, dolma, school))
    assert (actor.person_uid, actor.org_uid) == (dolma, school)


def test_another_machine_does_not_take_it():
    with pytest.raises(TokenRefused):
        tokens.read(bytes(32), tokens.issue(SECRET, new_uid(), new_uid()))


@given(st.integers(0, 400), st.characters(codec="utf-8"))
def test_a_changed_token_is_refused(place, letter):
    token = tokens.issue(SECRET, new_uid(), new_uid())
    place %= len(token)
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(TokenRefused):
            tokens.read(SECRET, changed)


@given(st.text(max_size=700) | st.from_regex(r"[A-Za-z0-9_-]{0,300}\.[0-9a-f]{64}", fullmatch=True))
def test_anything_else_is_refused(text):
    with pytest.raises(TokenRefused):
        tokens.read(SECRET, text)


def test_the_vectors_of_the_format_document_hold():
    for vector in json.loads(VECTORS.read_text(encoding="utf-8"))["tokens"]:
        secret = bytes.fromhex(vector["secret"])
        issued = tokens.issue(secret, vector["person"], vector["org"], issue_uid=vector["issue"])
        assert issued == vector["token"]
        assert tokens.read(secret, issued).issue == vector["issue"]
