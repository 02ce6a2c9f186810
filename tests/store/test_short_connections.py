"""Connections of a server that replaces passwords, ends old connections and long transactions."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot import settings
from bot.cli import listening
from store.engine import key_values
from store.engine.mysql import MySQL, Patience
from store.engine.mysql_address import address
from store.engine.transaction import StoreError, Tx
from tests.conftest import MariaDB


class Account:
    """A user of the server, whose password is replaced. `url`: as a file with it has it."""

    def __init__(self, mariadb: MariaDB, url: str) -> None:
        self.name = f"u{secrets.token_hex(5)}"
        self._mariadb = mariadb
        self._at = url
        self.url = ""
        mariadb.execute(f"CREATE USER {self.name}@'%' IDENTIFIED BY 'none'")
        mariadb.execute(f"GRANT ALL ON {address(url).database}.* TO {self.name}@'%'")
        self.replace_password()

    def replace_password(self) -> None:
        password = secrets.token_hex(8)
        self._mariadb.execute(f"ALTER USER {self.name}@'%' IDENTIFIED BY '{password}'")
        self.url = self._at.replace("root@", f"{self.name}:{password}@")

    def drop(self) -> None:
        self._mariadb.execute(f"DROP USER {self.name}@'%'")


@pytest.fixture
def account(mariadb: MariaDB, migrated_mysql_url: str) -> Iterator[Account]:
    made = Account(mariadb, migrated_mysql_url)
    yield made
    made.drop()


@pytest.fixture
async def store(account: Account) -> AsyncIterator[MySQL]:
    opened = await MySQL.open(account.url, None, source=lambda: account.url)
    yield opened
    await opened.close()


async def _connection(tx: Tx) -> int:
    row = await tx.one("SELECT CONNECTION_ID() AS id")
    return int(row["id"]) if row else 0


async def test_a_password_that_was_replaced_is_read_again_and_no_call_is_lost_on_mysql(
    store: MySQL, account: Account, installation_id: int
) -> None:
    await store.read(_connection)
    account.replace_password()
    store._pool.drop_idle()

    async def call(n: int) -> None:
        await store.write(lambda tx: key_values.put_of(tx, installation_id, f"n {n}", "kept"))

    await asyncio.gather(*(call(n) for n in range(20)))
    q = "SELECT COUNT(*) AS n FROM installation_facts WHERE installation_id = :i"
    assert await store.read(lambda tx: tx.one(q, i=installation_id)) == {"n": 20}


async def test_work_goes_on_while_the_pool_is_replaced_on_mysql(
    store: MySQL, account: Account, installation_id: int
) -> None:
    async def work(tx: Tx) -> int:
        await key_values.put_of(tx, installation_id, "name", "kept")
        account.replace_password()
        await store.renew()
        return await _connection(tx)

    before = await store.write(work)
    assert await store.read(_connection) != before
    assert await store.read(lambda tx: key_values.get_of(tx, installation_id, "name")) == "kept"


async def test_a_password_that_is_wrong_in_its_file_too_is_an_outage_that_ends_on_mysql(
    store: MySQL, account: Account
) -> None:
    right = account.url
    account.replace_password()
    now, account.url = account.url, right
    store._pool.drop_idle()
    with pytest.raises(StoreError, match="Access denied"):
        await store.read(_connection)
    account.url = now
    assert await store.read(_connection)


async def test_a_file_that_names_no_mysql_any_more_leaves_the_connections_as_they_are_on_mysql(
    store: MySQL, account: Account
) -> None:
    before = await store.read(_connection)
    account.url = "sqlite:///other.db"
    await listening._renew(store.renew)
    assert await store.read(_connection) == before


async def test_a_connection_is_not_used_longer_than_its_life_on_mysql(
    migrated_mysql_url: str,
) -> None:
    store = await MySQL.open(migrated_mysql_url, None, patience=Patience(life_s=0))
    found = {await store.read(_connection) for _ in range(3)}
    await store.close()
    assert len(found) == 3


async def test_a_transaction_that_takes_too_long_is_rolled_back_on_mysql(
    migrated_mysql_url: str, installation_id: int
) -> None:
    async def work(tx: Tx) -> None:
        await key_values.put_of(tx, installation_id, "name", "lost")
        await tx.one("SELECT SLEEP(9)")

    store = await MySQL.open(migrated_mysql_url, None, patience=Patience(transaction_s=0.2))
    with pytest.raises(StoreError, match=r"took longer than 0\.2 s and was rolled back"):
        await store.write(work)
    found = await store.read(lambda tx: key_values.get_of(tx, installation_id, "name"))
    await store.close()
    assert found is None


def test_the_address_is_read_again_only_where_it_stands_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings.database_url_reader() is None
    monkeypatch.setenv("HUBBUB_DATABASE_URL", "mysql://a:1@127.0.0.1/hubbub")
    assert settings.database_url_reader() is None
    monkeypatch.delenv("HUBBUB_DATABASE_URL")
    file = tmp_path / "url"
    monkeypatch.setenv("HUBBUB_DATABASE_URL_FILE", str(file))
    reader = settings.database_url_reader()
    for password in ("1", "2"):
        file.write_text(f"mysql://a:{password}@127.0.0.1/hubbub\n")
        assert reader is not None
        assert reader() == f"mysql://a:{password}@127.0.0.1/hubbub"
