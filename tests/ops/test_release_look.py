"""`eduhub release look`: the launcher's question finds each thing that does not work, and nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select

from eduhub.app import create_app
from eduhub.config import Settings
from eduhub.delivery.models import PartRow
from eduhub.installation import Installation
from eduhub.jobs.running import Worker
from eduhub.ops import release_look
from tests.in_a_thread import served
from tests.ops.commanding import eduhub
from tests.sync.conftest import box, hub, make_box  # noqa: F401 - fixtures
from tests.sync.world import Hub

Looked = tuple[Installation, Flask]


@pytest.fixture
def village(hub: Hub, box: Installation) -> Iterator[Looked]:  # noqa: F811
    """A box with a lesson and a worker, whose pages are served."""
    school = hub.school("Shuanghu", children=1)
    hub.lesson(hub.course(school.org, groups=(school,)))
    hub.join(box, school)
    hub.sync(box)
    app = create_app(installation=box)
    with Worker(box.settings.data_dir / "run"), served(app) as port:
        yield at_port(box, port), app


def at_port(here: Installation, port: int) -> Installation:
    return replace(here, settings=replace(here.settings, bind="127.0.0.1", port=port))


def look(here: Installation) -> str | None:
    return release_look.problem(here, timeout_s=30.0)


def test_what_works_is_found_to_work(village: Looked) -> None:
    assert look(village[0]) is None


def test_a_box_that_has_not_joined_yet_works_too(make_box: Callable[[], Installation]) -> None:  # noqa: F811
    spare = make_box()
    with Worker(spare.settings.data_dir / "run"), served(create_app(installation=spare)) as port:
        assert look(at_port(spare, port)) is None


def test_where_nothing_serves_health_is_what_does_not_work(village: Looked) -> None:
    assert look(at_port(village[0], 1)) == "health"


def test_without_a_worker_it_is_health_and_a_page_that_fails_is_named(village: Looked) -> None:
    here, app = village
    names = [rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == "/sign-in" and "GET" in (rule.methods or ())]
    kept = {name: app.view_functions[name] for name in names}
    assert kept

    def fails(**_values: object) -> str:
        raise RuntimeError("of the new version")

    app.view_functions.update(dict.fromkeys(kept, fails))
    assert look(here) == "page"
    app.view_functions.update(kept)
    assert look(here) is None
    for lock in (here.settings.data_dir / "run").iterdir():
        lock.unlink()
    assert look(here) == "health"


def test_a_part_that_cannot_be_read_is_named_and_one_that_is_not_here_is_not_asked_for(village: Looked) -> None:
    here, _app = village
    with here.database.read() as session:
        found = release_look._some_part(here)
        parts = session.scalars(select(PartRow).where(PartRow.held)).all()
    assert found is not None
    for part in parts:
        (here.packages_dir / part.package_id / part.sha256).unlink(missing_ok=True)
    assert look(here) == "part"
    for part in parts:
        here.blobs.path(part.sha256).unlink(missing_ok=True)
    assert look(here) is None


@pytest.mark.processes
@pytest.mark.parametrize("works", [True, False])
def test_the_exit_code_tells_the_launcher(village: Looked, works: bool) -> None:
    settings: Settings = village[0].settings if works else at_port(village[0], 1).settings
    done = eduhub(settings, "release", "look")
    assert (done.returncode, done.stderr) == ((0, "") if works else (1, "health does not work\n"))
