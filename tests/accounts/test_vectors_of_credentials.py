"""The vectors of docs/formats/credentials.md hold."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from eduhub.accounts import cards, people

FILE = Path(__file__).parents[2] / "docs" / "formats" / "vectors" / "credentials.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", VECTORS["card_codes"], ids=lambda vector: vector["code"])
def test_a_card_code_is_its_number_in_base32_and_its_verifier_a_hash(vector: dict[str, Any]) -> None:
    assert cards.write(int(vector["number_hex"], 16)) == vector["code"]
    assert cards.make_verifier(vector["code"]) == vector["verifier"]
    assert hashlib.sha256(vector["code"].encode("ascii")).hexdigest() == vector["verifier"]


@pytest.mark.parametrize("vector", VECTORS["typed"], ids=lambda vector: vector["typed"])
def test_a_typed_code_is_read_as_the_vector_says(vector: dict[str, Any]) -> None:
    assert cards.read(vector["typed"]) == vector["code"]


@pytest.mark.parametrize("vector", VECTORS["sign_in_names"], ids=lambda vector: ascii(vector["typed"]))
def test_a_sign_in_name_is_compared_in_one_form(vector: dict[str, Any]) -> None:
    assert people.tidy_sign_in_name(vector["typed"]) == vector["compared_as"]
