"""What Hubbub sets for each connection. MySQL and MariaDB name some of it differently."""

from dataclasses import dataclass
from typing import Any

from pymysql.constants import CLIENT, FIELD_TYPE

from store.engine.mysql_address import Address
from store.engine.mysql_connection import Connection, answer
from store.engine.mysql_drivers import Driver
from store.engine.sql import Dialect

STRICT = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
# As on SQLite. Vitess refuses these two, and no statement of ours needs them.
SQL_MODE = f"{STRICT},PIPES_AS_CONCAT,ANSI_QUOTES"
# The server's own limit, in seconds.
STATEMENT_S = 15
# The server closes a connection that is idle for longer. The pool closes its own before.
WAIT_TIMEOUT = ", wait_timeout = 600"
# A server with --skip-character-set-client-handshake ignores what the driver asks for. It would
# keep texts in another character set. In GBK a backslash may be half of a letter. Then an escaped
# quote ends the text, and what follows is read as SQL.
CHARACTERS = "character_set_client = utf8mb4, character_set_results = utf8mb4"
# With safe updates the server refuses an UPDATE or DELETE that uses no key.
UNSAFE_UPDATES = ", sql_safe_updates = 0"


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


# SUM() of integers is DECIMAL.
NUMBERS = {FIELD_TYPE.NEWDECIMAL: _number, FIELD_TYPE.DECIMAL: _number}


@dataclass(frozen=True)
class Flavour:
    """What MySQL and MariaDB name differently. `more`: additional session settings.

    `together`: whether several statements may go in one packet, and LAST_INSERT_ID(n) keeps a
    number from one to the next.
    """

    dialect: Dialect
    collation: str
    isolation: str
    more: str = ""
    together: bool = True
    is_vitess: bool = False


def flavour(version: str, *, galera: bool = False) -> Flavour:
    # A binary collation without padding: 'a' <> 'a ', as on SQLite.
    if "MariaDB" in version:
        # The server ends a statement that we no longer wait for, and a transaction whose client
        # is gone without a word and whose locks everybody else waits for.
        more = f", max_statement_time = {STATEMENT_S}, idle_transaction_timeout = {STATEMENT_S}"
        more += WAIT_TIMEOUT + UNSAFE_UPDATES
        # A node of Galera would answer without what was committed on another a moment ago.
        more += ", wsrep_sync_wait = 1" if galera else ""
        return Flavour("mariadb", "utf8mb4_nopad_bin", "tx_isolation", more)
    # TiDB does not resolve the row alias of an upsert (pingcap/tidb issue 70814), and Vitess
    # before 20 refuses it (vitessio/vitess pull request 15790).
    if "TiDB" in version or "Vitess" in version:
        return Flavour(
            "mariadb",
            "utf8mb4_0900_bin",
            "transaction_isolation",
            together=False,
            is_vitess="Vitess" in version,
        )
    more = f", max_execution_time = {STATEMENT_S * 1000}{WAIT_TIMEOUT}{UNSAFE_UPDATES}"
    return Flavour("mysql", "utf8mb4_0900_bin", "transaction_isolation", more)


def settings(server: Flavour) -> str:
    """The statement that a connection runs first.

    Vitess sets each of these again on every connection behind it, so it gets only what it needs.
    """
    if server.is_vitess:
        return f"SET {server.isolation} = 'READ-COMMITTED', sql_mode = '{STRICT}'"
    return (
        f"SET {server.isolation} = 'READ-COMMITTED', time_zone = '+00:00', "
        f"{CHARACTERS}, collation_connection = {server.collation}, sql_mode = '{SQL_MODE}', "
        f"innodb_lock_wait_timeout = 5{server.more}"
    )


def migration_settings(version: str) -> str:
    """The same for a migration, whose statements may take long.

    Tables that do not name their engine, such as Alembic's, must have transactions too.
    """
    server = flavour(version)
    if server.is_vitess:
        return f"SET sql_mode = '{STRICT}'"
    more = f"{UNSAFE_UPDATES}, default_storage_engine = InnoDB"
    return f"SET sql_mode = '{SQL_MODE}'{more if server.more else ''}"


def options(where: Address, driver: Driver) -> dict[str, Any]:
    return {
        "host": where.host,
        "port": where.port,
        "user": where.user,
        "password": where.password,
        "db": where.database,
        "charset": "utf8mb4",
        "autocommit": True,
        "ssl": where.ssl,
        "conv": driver.conversions | NUMBERS,
        # An UPDATE to the same value counts as a row, as on SQLite.
        "client_flag": CLIENT.FOUND_ROWS,
    }


async def server_flavour(connection: Connection, connect_s: float, statement_s: float) -> Flavour:
    """Connect, and ask the server what it is."""
    try:
        await connection.open(connect_s)
        version = await _first(connection, "SELECT VERSION()", statement_s)
        wsrep = await _first(connection, "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'", statement_s)
        return flavour(str(version[0]), galera=bool(wsrep) and wsrep[1] == "ON")
    finally:
        connection.close()


async def _first(connection: Connection, statement: str, statement_s: float) -> Any:
    found = await answer(connection.run(statement), statement_s)
    return found.rows[0] if found.rows else ()
