"""The drivers for MySQL. One is imported when an address names it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from store.engine.mysql_connection import Connection
from store.engine.transaction import StoreError


@dataclass(frozen=True)
class Driver:
    connection: Callable[..., Connection]
    # How values become text and back, by their types.
    conversions: dict[Any, Any]


def _aiomysql() -> Driver:
    from store.engine import mysql_aiomysql  # noqa: PLC0415 - only where it is used

    return Driver(mysql_aiomysql.Connection, mysql_aiomysql.CONVERSIONS)


def _asyncmy() -> Driver:
    try:
        from store.engine import mysql_asyncmy  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as exc:
        raise StoreError(
            "HUBBUB_DATABASE_URL names the driver asyncmy, which is not installed: install it with "
            "`pip install asyncmy`, or begin the address with mysql:// to use aiomysql."
        ) from exc
    return Driver(mysql_asyncmy.Connection, mysql_asyncmy.CONVERSIONS)


DRIVERS: dict[str, Callable[[], Driver]] = {"aiomysql": _aiomysql, "asyncmy": _asyncmy}


def driver(name: str) -> Driver:
    """Raise StoreError if it is not installed."""
    return DRIVERS[name]()
