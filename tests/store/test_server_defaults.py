"""What the administrator of a MariaDB set for all sessions changes nothing in Hubbub's.

On a server of its own, because such a setting holds for everybody who connects.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.schema_version import check
from store.engine.transaction import Tx
from tests.conftest import MariaDB
from tests.support import throwaway_mariadb

# No client may choose. In GBK the last byte of this letter and a backslash are one letter.
CHARACTERS = ("--skip-character-set-client-handshake", "--character-set-server=gbk")
HALF = "日', (SELECT 1)) -- 😀"


@pytest.fixture
def own_server() -> Iterator[MariaDB]:
    if not throwaway_mariadb.is_installed():
        pytest.skip("needs mariadbd on this machine")
    with (
        throwaway_mariadb.temporary_folder() as folder,
        throwaway_mariadb.server(folder, *CHARACTERS) as url,
    ):
        yield MariaDB(url.rstrip("/"))


async def test_the_defaults_of_a_server_do_not_matter_on_mysql(own_server: MariaDB) -> None:
    own_server.execute(
        "SET GLOBAL sql_safe_updates = 1",
        "SET GLOBAL sql_mode = 'ORACLE'",
        "SET GLOBAL default_storage_engine = 'MyISAM'",
        "SET GLOBAL innodb_default_row_format = 'compact'",
    )
    url = own_server.create()
    upgrade(url)
    assert check(url) is None
    engines = "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema LIKE"
    assert own_server.execute(f"{engines} 'hubbub%'") == (("InnoDB",),)

    async def work(tx: Tx) -> int:
        return await tx.run("UPDATE agents SET name = name || '!'")

    async def echo(tx: Tx) -> Any:
        return await tx.one("SELECT :text AS text, CHAR_LENGTH(:text) AS size", text=HALF)

    for scheme in ("mysql", "mysql+asyncmy"):
        store = await open_store(url.replace("mysql", scheme, 1))
        assert await store.write(work) == 0
        assert await store.read(echo) == {"text": HALF, "size": len(HALF)}
        await store.close()
