"""Both engines, and the one clock that a test steps."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.mysql import address, flavour
from store.engine.transaction import Store
from tests.support.server_in_process import Surface, serving
from tests.support.story import Clock, Town
from tests.support.story import town as open_town

DATA = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """GitHub's own descriptions and recorded payloads."""
    if not DATA.is_dir():
        reason = f"needs the recorded payloads in {DATA}"
        if os.environ.get("HUBBUB_REQUIRE_DATA"):
            pytest.fail(reason)
        pytest.skip(reason)
    return DATA


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

    def execute(self, sql: str) -> tuple[tuple[Any, ...], ...]:
        where = address(f"{self.server}/mysql")
        connection = pymysql.connect(
            host=where.host, port=where.port, user=where.user, password=where.password
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()
        finally:
            connection.close()

    def create(self, options: str | None = None) -> str:
        name = f"hubbub_test_{secrets.token_hex(6)}"
        self.made.append(name)
        ours = f"CHARACTER SET utf8mb4 COLLATE {self.flavour.collation}"
        self.execute(f"CREATE DATABASE {name} {ours if options is None else options}")
        return f"{self.server}/{name}"

    def drop(self) -> None:
        for name in self.made:
            self.execute(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture(scope="session")
def mariadb(mysql_server: str) -> Iterator[MariaDB]:
    made = MariaDB(mysql_server)
    yield made
    made.drop()


@pytest.fixture(scope="session")
def migrated_mysql_url(mariadb: MariaDB) -> str:
    """One migrated database for the tests of this worker: each uses installations of its own."""
    url = mariadb.create()
    upgrade(url)
    return url


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


@pytest.fixture(params=["sqlite", "mysql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database. On MySQL other tests use it too."""
    if request.param == "sqlite":
        source: Path = request.getfixturevalue("migrated_sqlite_file")
        path = tmp_path / "hubbub.db"
        path.write_bytes(source.read_bytes())
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("migrated_mysql_url")
    return url


@pytest.fixture
async def store(store_url: str, clock: Clock) -> AsyncIterator[Store]:
    opened = await open_store(store_url, clock)
    yield opened
    await opened.close()


@pytest.fixture
def installation_id() -> int:
    """Never used before, so that no test needs an empty database."""
    return secrets.randbelow(2**52)


@pytest.fixture
async def town(store: Store, clock: Clock) -> AsyncIterator[Town]:
    """On both engines. Exchanges with GitHub are checked where its description is at hand."""
    described = DATA / "github-openapi.json.gz"
    async with open_town(store, clock, described if described.exists() else None) as made:
        yield made


@pytest.fixture
async def surface(store: Store, installation_id: int) -> AsyncIterator[Surface]:
    """Hubbub's server in this process, on both engines."""
    async with serving(store, installation_id) as made:
        yield made
