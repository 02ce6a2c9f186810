"""Opens the database that HUBBUB_DATABASE_URL names."""

import time
from collections.abc import Callable

from store.engine.mysql import MySQL
from store.engine.mysql_address import names_mysql
from store.engine.sqlite import SQLite
from store.engine.transaction import BeforeCommit, Store, StoreError, no_effects


def system_clock() -> int:
    return time.time_ns() // 1000


def sqlite_path(url: str) -> str | None:
    """The file of a `sqlite:///` URL, or None for another engine's."""
    return url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else None


async def open_store(
    url: str,
    clock: Callable[[], int] | None = None,
    source: Callable[[], str] | None = None,
    before_commit: BeforeCommit = no_effects,
) -> Store:
    """Open the store, whose schema `store.engine.migrate` makes.

    `clock`: microseconds UTC, for tests. `source`: reads the URL of a MySQL again when the server
    refuses the user, because passwords are replaced. `before_commit`: runs at the end of each
    transaction in which tasks ended or began again.
    """
    if path := sqlite_path(url):
        return SQLite(path, clock or system_clock, before_commit)
    if names_mysql(url):
        return await MySQL.open(url, clock, source=source, before_commit=before_commit)
    raise StoreError(
        f"HUBBUB_DATABASE_URL is {url.split('://', maxsplit=1)[0]}://…, but must be "
        "sqlite:///path/to/file.db or mysql://user:password@host:3306/name."
    )
