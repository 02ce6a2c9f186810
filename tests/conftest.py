"""Both engines, and the one clock that a test steps."""

import gc
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
import structlog
from hypothesis import HealthCheck, settings

from bot.workflows import effects
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.mysql_address import address
from store.engine.mysql_session import flavour
from store.engine.transaction import Store
from tests.support.server_in_process import Surface, serving
from tests.support.story import Clock, Workspace, open_workspace
from tests.support.throwaway_mariadb import AUTHORITY

DATA = Path(__file__).parents[1].parent / "shared" / "data"


# The default draws each traceback with its variables in colours, which takes a third of a second.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Rooms of tests that start processes or play long stories.
LONGEST = {"processes", "properties"}

# The schemes of an address on MySQL, each for a driver. `mysql` is that of the test server.
DRIVERS = ["mysql", "mysql+asyncmy"]

NEEDS_DATA = f"needs GitHub's descriptions and recorded payloads in {DATA}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in a line what a clone without GitHub's data did not show."""
    skipped = [each for each in terminalreporter.stats.get("skipped", ()) if _needed_data(each)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests were skipped: each {NEEDS_DATA}")
    if not DATA.is_dir():
        terminalreporter.write_line(
            "What the simulated GitHub gets and sends was not compared with GitHub's description."
        )


def _needed_data(report: pytest.TestReport) -> bool:
    return isinstance(report.longrepr, tuple) and NEEDS_DATA in report.longrepr[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest, so that no worker waits for one at the end."""
    items.sort(key=lambda each: each.path.parent.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Keep the collector away from what pytest holds: it would walk through it again and again."""
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@pytest.fixture(scope="session")
def data() -> Path:
    """GitHub's own descriptions and recorded payloads."""
    if not DATA.is_dir():
        if os.environ.get("HUBBUB_REQUIRE_DATA"):
            pytest.fail(NEEDS_DATA)
        pytest.skip(NEEDS_DATA)
    return DATA


@pytest.fixture(scope="session")
def openapi(request: pytest.FixtureRequest) -> Path | None:
    """GitHub's description of its REST API, if it is here or must be."""
    if DATA.is_dir() or os.environ.get("HUBBUB_REQUIRE_DATA"):
        found: Path = request.getfixturevalue("data")
        return found / "github-openapi.json.gz"
    return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def mysql_server() -> str:
    url = os.environ.get("HUBBUB_TEST_MYSQL_URL")
    if url is None:
        pytest.fail("HUBBUB_TEST_MYSQL_URL is not set: run `make test`, which starts a MariaDB")
    return url.rstrip("/")


class MariaDB:
    """Databases of our own on the test server, which may be a MySQL too."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.made: list[str] = []
        self.flavour = flavour(self.execute("SELECT VERSION()")[0][0])

    def execute(self, *statements: str) -> tuple[tuple[Any, ...], ...]:
        """Run them, and give what the last one found."""
        where = address(f"{self.server}/mysql")
        connection = pymysql.connect(
            host=where.host, port=where.port, user=where.user, password=where.password
        )
        try:
            with connection.cursor() as cursor:
                for each in statements:
                    cursor.execute(each)
                return cursor.fetchall()
        finally:
            connection.close()

    def create(self, options: str | None = None) -> str:
        name = f"hubbub_test_{secrets.token_hex(6)}"
        self.made.append(name)
        ours = f"CHARACTER SET utf8mb4 COLLATE {self.flavour.collation}"
        self.execute(f"CREATE DATABASE {name} {ours if options is None else options}")
        return f"{self.server}/{name}"

    def copy(self, url: str) -> str:
        """Make a database with the schema of another, and none of its rows."""
        made = self.create()
        old, new = address(url).database, address(made).database
        named = "SELECT table_name FROM information_schema.tables WHERE table_schema ="
        tables = [name for (name,) in self.execute(f"{named} '{old}'")]
        self.execute(
            *(f"CREATE TABLE {new}.{each} LIKE {old}.{each}" for each in tables),
            f"INSERT INTO {new}.alembic_version SELECT * FROM {old}.alembic_version",
            "COMMIT",
        )
        return made

    def drop(self) -> None:
        # A server that was started for these tests goes with all its databases, which is quicker.
        if self.made and AUTHORITY not in os.environ:
            self.execute(*(f"DROP DATABASE IF EXISTS {name}" for name in self.made))


@pytest.fixture(scope="session")
def mariadb(mysql_server: str) -> Iterator[MariaDB]:
    made = MariaDB(mysql_server)
    yield made
    made.drop()


@pytest.fixture(scope="session")
def migrated_mysql(mariadb: MariaDB) -> str:
    """One migrated database for the tests of this worker: each uses installations of its own."""
    url = mariadb.create()
    upgrade(url)
    return url


@pytest.fixture
def migrated_mysql_url(migrated_mysql: str, request: pytest.FixtureRequest) -> str:
    """The address of it, whose scheme may be given: it names the driver."""
    return with_scheme(migrated_mysql, getattr(request, "param", None))


def with_scheme(url: str, scheme: str | None) -> str:
    return url if scheme is None else f"{scheme}://{url.partition('://')[2]}"


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "migrated.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "mysql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    made: MariaDB = request.getfixturevalue("mariadb")
    return made.create()


@pytest.fixture
def sqlite_url(migrated_sqlite_file: Path, tmp_path: Path) -> str:
    """A migrated database, for tests in which the engine plays no part."""
    return sqlite_copy(migrated_sqlite_file, tmp_path / "only.db")


def sqlite_copy(migrated: Path, path: Path) -> str:
    """The address of a copy, which is made faster than migrations run."""
    path.write_bytes(migrated.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "mysql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database. On MySQL other tests use it too."""
    if request.param == "sqlite":
        return sqlite_copy(request.getfixturevalue("migrated_sqlite_file"), tmp_path / "hubbub.db")
    url: str = request.getfixturevalue("migrated_mysql")
    return url


@pytest.fixture(params=["sqlite", "mysql"])
def own_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database that no other test uses."""
    if request.param == "sqlite":
        return sqlite_copy(request.getfixturevalue("migrated_sqlite_file"), tmp_path / "own.db")
    made: MariaDB = request.getfixturevalue("mariadb")
    return made.copy(request.getfixturevalue("migrated_mysql"))


@pytest.fixture
async def store(store_url: str, clock: Clock) -> AsyncIterator[Store]:
    opened = await open_store(store_url, clock, before_commit=effects.follow)
    yield opened
    await opened.close()


@pytest.fixture
def installation_id() -> int:
    """Never used before, so that no test needs an empty database."""
    return secrets.randbelow(2**52)


@pytest.fixture
async def workspace(store: Store, clock: Clock, openapi: Path | None) -> AsyncIterator[Workspace]:
    """On both engines. Exchanges with GitHub are checked where its description is at hand."""
    async with open_workspace(store, clock, openapi) as made:
        yield made


@pytest.fixture
async def surface(store: Store, installation_id: int) -> AsyncIterator[Surface]:
    """Hubbub's server in this process, on both engines."""
    async with serving(store, installation_id) as made:
        yield made


@pytest.fixture
async def sqlite_surface(sqlite_url: str) -> AsyncIterator[Surface]:
    """Hubbub's server in this process, with the real time, where the engine plays no part."""
    opened = await open_store(sqlite_url)
    async with serving(opened, 1) as made:
        yield made
    await opened.close()
