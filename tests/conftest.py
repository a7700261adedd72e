"""What every test may ask for: settings, databases of either engine, a whole installation.

- `settings`, `database`, `installation`: one machine, in a folder of its own.
- `make_settings(...)`, `second_database(...)`, `make_installation(...)`: as many more as a test needs.
- `empty_database()`: a database without tables.

The engine is SQLite, or PostgreSQL with `--database postgresql`. Every database is a copy of
one template, which the migrations made once. No test reaches another machine.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, text

from eduhub import clock
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.installation import Installation, open_installation
from eduhub.ops import migrate
from tests import chromium as browser_of_tests
from tests import postgresql_cluster

# Where the server of this run listens; set by the first process, inherited by xdist's workers.
CLUSTER_VARIABLE = "EDUHUB_TEST_POSTGRESQL"

# An example that takes long says something about this machine, not about the code.
hypothesis_settings.register_profile("eduhub", deadline=None)
hypothesis_settings.load_profile("eduhub")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite", help="the engine to test on")


def pytest_configure(config: pytest.Config) -> None:
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, so that no test process waits for another's long last one."""
    long_ones = ("flows", "browser", "web", "ops")
    items.sort(key=lambda item: next((at for at, name in enumerate(long_ones) if name in item.path.parts), len(long_ones)))


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


@pytest.fixture(autouse=True)
def _clock_runs_again() -> Iterator[None]:
    """A test that froze the wall clock leaves it running."""
    yield
    clock.freeze(None)


class Databases:
    """Makes databases of the chosen engine and takes them away again."""

    def __init__(self, folder: Path, cluster: str | None, worker: str) -> None:
        self._folder, self._cluster, self._worker = folder, cluster, worker
        self._count = 0
        self._made: list[str] = []
        self._template: str | None = None

    def address(self, data_dir: Path, *, empty: bool = False) -> str:
        """What goes into the setting `database` for a new machine in `data_dir`."""
        template = None if empty else self._template_made()
        if self._cluster is not None:
            return self._make_postgresql(template)
        if template is not None:
            shutil.copyfile(template, data_dir / "eduhub.db")
        return ""

    def _template_made(self) -> str:
        if self._template is None:
            if self._cluster is not None:
                self._template = self._make_postgresql(None)
                database = Database(self._template)
            else:
                self._template = str(self._folder / "template.db")
                database = Database(f"sqlite:///{self._template}")
            migrate.upgrade(database)
            if database.is_sqlite:
                with database.engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            database.close()
        return self._template

    def _make_postgresql(self, template: str | None) -> str:
        assert self._cluster is not None
        self._count += 1
        name = f"eduhub_{self._worker}_{self._count}"
        from_template = f" TEMPLATE {_database_name(template)}" if template else ""
        self._administer(f"CREATE DATABASE {name}{from_template}")
        self._made.append(name)
        return self._cluster.replace("@/postgres?", f"@/{name}?")

    def drop(self, addresses: list[str]) -> None:
        """Take away databases that `address` made."""
        for address in addresses:
            if address:
                name = _database_name(address)
                self._administer(f"DROP DATABASE {name} WITH (FORCE)")
                self._made.remove(name)

    def drop_all(self) -> None:
        while self._made:
            self._administer(f"DROP DATABASE {self._made.pop()} WITH (FORCE)")

    def _administer(self, statement: str) -> None:
        assert self._cluster is not None
        engine = create_engine(self._cluster, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


def _database_name(address: str) -> str:
    return address.split("@/", 1)[1].split("?", 1)[0]


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

    `empty_database=True` leaves the tables out; `data_dir` may be given.
    """
    made: list[str] = []

    def make(*, empty_database: bool = False, **values: Any) -> Settings:
        data_dir = values.pop("data_dir", None) or tmp_path / f"machine{len(made) + 1}"
        data_dir.mkdir(parents=True, exist_ok=True)
        made.append(_databases.address(data_dir, empty=empty_database))
        plain: dict[str, Any] = {
            "database": made[-1], "secure_cookies": False, "encode_threads": 1, "web_processes": 1, "web_threads": 8,
            "job_lease_s": 2, "log_format": "text", "default_language": "en",
        }  # fmt: skip
        return Settings(data_dir=data_dir, **(plain | values))

    yield make
    _databases.drop(made)


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """The settings of a hub that was just set up."""
    return make_settings()


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
