"""A pytest plugin, `-p only_database`: keep the tests that have a database.

The rest would only be the same again on another engine. So would what a browser shows: of the
tests with a browser one stays, which walks the whole way. And what is marked `any_engine`: a test
that has a database because a machine has one, and looks at what is settled without it.
"""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect every test that asks for no database, directly or through another fixture."""
    kept = [item for item in items if "_databases" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("any_engine")]
    in_browser = [item for item in kept if item.get_closest_marker("browser")]
    whole_way = [item for item in in_browser if "flows" in item.path.parts][:1]
    kept = [item for item in kept if item not in in_browser or item in whole_way]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
