"""A pytest plugin, `-p only_database`: keep the tests that have a database.

The rest would only be the same again on another engine.
"""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect every test that asks for no database, directly or through another fixture."""
    kept = [item for item in items if "_databases" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
