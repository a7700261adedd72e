"""What every test may ask for: settings, databases of either engine, a whole installation.

- `settings`, `database`, `installation`: one machine, in a folder of its own.
- `make_settings(...)`, `second_database(...)`, `make_installation(...)`: as many more as a test needs.
- `empty_database()`: a database without tables.
- `module_settings`: a hub that all tests of one file share.
- `world`, `house`: who is there; `settings`, `database` and `installation` are of that machine then.

The engine is SQLite, or PostgreSQL with `--database postgresql`. Every machine is a copy of one
that was made once in this process (tests/databases.py). No test reaches another machine.

What is the same for every test is worked out once in a process (tests/once.py); so passwords cost little to
hash, and `passwords_as_shipped` has them cost what people's do.
"""

import gc
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

from eduhub import clock
from eduhub.accounts import passwords
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.delivery import keys
from eduhub.installation import Installation, open_installation
from tests import chromium as browser_of_tests
from tests import once, pictures, postgresql_cluster
from tests.databases import Databases, Model, close_for_copying
from tests.web.world import World, settle

# Where the server of this run listens; set by the first process, inherited by xdist's workers.
CLUSTER_VARIABLE = "EDUHUB_TEST_POSTGRESQL"

# An example that takes long says something about this machine, not about the code.
hypothesis_settings.register_profile("eduhub", deadline=None)
hypothesis_settings.load_profile("eduhub")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite", help="the engine to test on")
    parser.addoption("--pictures", action="store_true", help="keep pictures of the pages below .build/, to be looked at")


def pytest_configure(config: pytest.Config) -> None:
    pictures.want(config.getoption("--pictures"))
    if config.getoption("--database") != "postgresql" or CLUSTER_VARIABLE in os.environ:
        return
    reason = postgresql_cluster.missing()
    if reason is None:
        cluster = postgresql_cluster.Cluster()
        os.environ[CLUSTER_VARIABLE] = cluster.address
        config.add_cleanup(cluster.stop)
        config.add_cleanup(lambda: os.environ.pop(CLUSTER_VARIABLE))
    elif os.environ.get("CI") == "true":
        raise pytest.UsageError(f"{reason}. In CI nothing may be left out.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest tests first, so that no test process waits for another's long last one.

    What two writers do at once is for PostgreSQL: on SQLite the second waits from its begin, and there is nothing to see.
    """
    others = "two_writers" if config.getoption("--database") == "sqlite" else "one_writer"
    apart = [item for item in items if item.get_closest_marker(others)]
    config.hook.pytest_deselected(items=apart)
    items[:] = [item for item in items if item not in apart]
    long_ones = ("flows", "browser", "web", "ops")
    items.sort(key=lambda item: next((at for at, name in enumerate(long_ones) if name in item.path.parts), len(long_ones)))


def pytest_collection_finish() -> None:
    """What was imported stays: looking through it again for what is no longer needed takes a tenth of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(7000)  # the usual 700 objects are what one page needs


def pytest_report_header(config: pytest.Config) -> str:
    engine = config.getoption("--database")
    if engine == "sqlite":
        return "database: sqlite (the same tests run on PostgreSQL with --database postgresql)"
    missing = None if CLUSTER_VARIABLE in os.environ else postgresql_cluster.missing()
    return f"database: postgresql{f' - every test that needs a database is left out: {missing}' if missing else ''}"


@pytest.fixture(scope="session", autouse=True)
def _stay_on_this_machine() -> Iterator[None]:
    """Connections and datagrams to other machines fail the test that makes them."""
    patch = pytest.MonkeyPatch()
    for name, place in (("connect", 0), ("connect_ex", 0), ("sendto", -1)):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name), place))
    yield
    patch.undo()


def _guarded(real: Callable[..., Any], place: int) -> Callable[..., Any]:
    def guarded(self: socket.socket, *arguments: Any) -> Any:
        address = arguments[place]
        if self.family != socket.AF_UNIX and not _is_this_machine(self.family, str(address[0])):
            raise AssertionError(f"a test may not reach another machine: {address}")
        return real(self, *arguments)

    return guarded


def _is_this_machine(family: int, host: str) -> bool:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))  # only an address of this machine can be bound
        except OSError:
            return False
    return True


@pytest.fixture(scope="session", autouse=True)
def _once() -> Iterator[None]:
    """What is the same for every test is worked out once (tests/once.py)."""
    with once.in_this_process():
        yield


@pytest.fixture
def passwords_as_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed at the costs that people's are."""
    for name, value in once.PASSWORDS_AS_SHIPPED.items():
        monkeypatch.setattr(passwords, name, value)


@pytest.fixture(autouse=True)
def _clock_runs_again() -> Iterator[None]:
    """A test that froze the wall clock leaves it running."""
    yield
    clock.freeze(None)


@pytest.fixture(scope="session")
def _databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    cluster = None
    if request.config.getoption("--database") == "postgresql":
        cluster = os.environ.get(CLUSTER_VARIABLE)
        if cluster is None:
            pytest.skip(str(postgresql_cluster.missing()))
    databases = Databases(tmp_path_factory.mktemp("template"), cluster, f"{worker}_{os.getpid()}")
    yield databases
    databases.drop_all()


@pytest.fixture
def make_settings(_databases: Databases, tmp_path: Path) -> Iterator[Callable[..., Settings]]:
    """`make_settings(role="node", ...)`: the settings of one more machine, with its own folder and tables.

    `empty_database=True` leaves the tables out; `like`: a copy of that machine; `data_dir` may be given.
    """
    made: list[str] = []

    def make(*, empty_database: bool = False, like: Model | None = None, **values: Any) -> Settings:
        data_dir = values.pop("data_dir", None) or tmp_path / f"machine{len(made) + 1}"
        data_dir.mkdir(parents=True, exist_ok=True)
        made.append(_databases.address(data_dir, empty=empty_database, like=like))
        return _settings_of_tests(data_dir, database=made[-1], **values)

    yield make
    _databases.drop(made)


def _settings_of_tests(data_dir: Path, **values: Any) -> Settings:
    plain: dict[str, Any] = {
        "secure_cookies": False, "encode_threads": 1, "web_processes": 1, "web_threads": 8, "job_lease_s": 2,
        "log_format": "text", "default_language": "en",
    }  # fmt: skip
    return Settings(data_dir=data_dir, **(plain | values))


@pytest.fixture(scope="module")
def module_settings(_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a hub that all tests of a file share, because none of them changes it."""
    data_dir = tmp_path_factory.mktemp("shared")
    address = _databases.address(data_dir)
    yield _settings_of_tests(data_dir, database=address)
    _databases.drop([address])


@pytest.fixture(scope="session")
def make_model(_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Model, Any]]:
    """`make_model(fill)`: a hub with what `fill(installation)` writes there, and what that returned; made at the first call."""
    made: dict[Callable[[Installation], Any], tuple[Model, Any]] = {}

    def make(fill: Callable[[Installation], Any]) -> tuple[Model, Any]:
        if fill not in made:
            data_dir = tmp_path_factory.mktemp("model")
            settings = _settings_of_tests(data_dir, database=_databases.address(data_dir))
            installation = open_installation(settings)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(clock, "_frozen_ms", None)  # every test has the same, also one that has stopped the clock
                found = fill(installation)
            close_for_copying(installation.database)
            made[fill] = (Model.of(data_dir, settings.database), found)
        return made[fill]

    return make


def _hub_of_the_world(installation: Installation) -> World:
    with installation.database.write() as session:
        keys.make_hub_keys(session, installation.keys)
    return settle(installation)


@pytest.fixture
def begins_with(request: pytest.FixtureRequest) -> Callable[[Installation], Any] | None:
    """What writes that with which the hub of `settings` begins; None: nobody is there yet."""
    return _hub_of_the_world if "world" in request.fixturenames else None


@pytest.fixture
def settings(
    make_settings: Callable[..., Settings], make_model: Callable[..., tuple[Model, Any]],
    begins_with: Callable[[Installation], Any] | None,
) -> Settings:  # fmt: skip
    """The settings of a hub that was just set up; of the one with its people, where a test asks for `world` or `house`."""
    return make_settings(like=make_model(begins_with)[0] if begins_with else None)


@pytest.fixture
def world(make_model: Callable[..., tuple[Model, World]], installation: Installation) -> World:
    """Two schools with their people, on a hub that has its keys."""
    return replace(make_model(_hub_of_the_world)[1])


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The database of `settings`, with every table and no row."""
    opened = Database(settings.database_url)
    yield opened
    opened.close()


@pytest.fixture
def second_database(make_settings: Callable[..., Settings]) -> Iterator[Callable[[], Database]]:
    """`second_database()`: the database of one more machine, each time it is called."""
    opened: list[Database] = []

    def make() -> Database:
        opened.append(Database(make_settings().database_url))
        return opened[-1]

    yield make
    for made in opened:
        made.close()


@pytest.fixture
def empty_database(make_settings: Callable[..., Settings]) -> Iterator[Database]:
    """A database without tables."""
    opened = Database(make_settings(empty_database=True).database_url)
    yield opened
    opened.close()


@pytest.fixture
def make_installation(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Installation]]:
    """`make_installation(role="node", ...)`: one more whole machine."""
    opened: list[Installation] = []

    def make(**values: Any) -> Installation:
        opened.append(open_installation(make_settings(**values)))
        return opened[-1]

    yield make
    for installation in opened:
        installation.database.close()


@pytest.fixture
def installation(settings: Settings) -> Iterator[Installation]:
    """The machine of `settings`; its database is the one that `database` opens too."""
    opened = open_installation(settings)
    yield opened
    opened.database.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium (a Playwright `Browser`); left out, with the reason, where it is not installed."""
    reason = browser_of_tests.missing()
    if reason is not None:
        pytest.skip(reason)
    with browser_of_tests.started() as browser:
        yield browser
