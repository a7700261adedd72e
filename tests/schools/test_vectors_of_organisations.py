"""The vectors of docs/formats/organisations.md hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from eduhub.db import Database
from eduhub.schools import group_names, organisations
from eduhub.schools.models import Organisation

FILE = Path(__file__).parents[2] / "docs" / "formats" / "vectors" / "organisations.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", VECTORS["class_names"], ids=lambda vector: vector["en"])
def test_a_class_is_called_as_the_vector_says(vector: dict[str, Any]) -> None:
    facts = (vector["stage"], vector["intake_year"], vector["class_number"], vector["current_school_year"])
    for language in ("en", "zh", "bo"):
        assert group_names.cohort(*facts, language) == vector[language]


@pytest.mark.parametrize("vector", VECTORS["paths"], ids=lambda vector: vector["what"])
def test_a_path_is_the_one_the_vector_says(database: Database, vector: dict[str, Any]) -> None:
    with database.write() as session:
        for uid, parent_uid in vector["parents"].items():
            session.add(Organisation(uid=uid, org_uid=uid, kind="region", parent_uid=parent_uid, names={"en": "Nagqu"}))
        session.flush()
        assert organisations.path(session, vector["of"]) == vector["path"]


def test_every_kind_hangs_below_what_the_vector_says() -> None:
    known = {kind: sorted(above or "nothing" for above in allowed) for kind, allowed in organisations.KINDS.items()}
    assert known == VECTORS["below"]
