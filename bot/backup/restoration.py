"""Restores a backup into an empty database of either engine.

Until the end the database belongs to no secret, so no server can use what is half there. The
progress is recorded with the rows, so that a restore that was killed continues.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.backup import epoch
from bot.backup.content import Begin, Manifest, Rows
from bot.backup.fit import NOT_FILLED
from bot.backup.frames import BadBackup
from bot.backup.verification import UnusableBackup, reading, verify_backup
from bot.identity import keyring
from bot.identity.keyring import BEING_RESTORED, BOUND, Keys
from bot.settings import Settings, WrongSettings
from bot.times import SECOND, minute, span
from store.backup import target
from store.backup.contents import LEFT_OUT_FACTS
from store.backup.target import Progress
from store.engine import key_values, schema_version
from store.engine.database import open_store, sqlite_path
from store.engine.transaction import Store, Tx, Work
from store.tables import TABLES

Say = Callable[[str], None]
Clock = Callable[[], int]
Opened = Callable[[], AbstractAsyncContextManager[Store]]
# Rows between two lines about the progress.
SAY_EVERY = 100_000


@dataclass(frozen=True)
class Restored:
    """What a restore did. `done`: what changed for the new epoch."""

    manifest: Manifest
    done: Counter[str]
    load_s: float
    took_s: float


async def restore_backup(
    loaded: Settings,
    path: Path,
    passphrase: bytes | None,
    *,
    replaces: bool,
    say: Say,
    record: Work[None],
    clock: Clock | None = None,
) -> Restored:
    """Raise WrongSettings, and StoreError if the database cannot be used.

    `record`: what else the last transaction does. `clock`: microseconds UTC, for tests.
    """
    began = time.monotonic()
    say(f"Checking {path}")
    manifest = await asyncio.to_thread(verify_backup, path, passphrase)
    keys = _keys_of(loaded, manifest)
    _check_revision(manifest)
    opened = partial(_open, loaded.database_url, clock)
    await _prepare(loaded.database_url, opened, manifest, replaces=replaces, say=say)
    async with opened() as store:
        await store.write(partial(_begin, manifest=manifest))
        await _load(store, path, passphrase, manifest, say)
    loaded_at = time.monotonic()
    await asyncio.to_thread(_migrate, loaded.database_url)
    async with opened() as store:
        say("Beginning a new epoch: fences, cursors and versions from before are not valid now")
        done = await _begin_epoch(store, keys, manifest, loaded, say)
        await store.write(partial(_finish, manifest=manifest, record=record))
    return Restored(manifest, done, loaded_at - began, time.monotonic() - began)


# --- Whether it may be restored here -------------------------------------------------------------


def _keys_of(loaded: Settings, manifest: Manifest) -> Keys:
    """The keys of the secret that the backup belongs to."""
    remedy = (
        f"The backup belongs to the main secret with the key id {manifest.key_id}. Set "
        "HUBBUB_SECRET_KEY to it, or put the .key file of the old SQLite file beside the new one. "
        "A backup never contains the secret."
    )
    path = sqlite_path(loaded.database_url)
    if loaded.secret_key is None and path is not None and not Path(f"{path}.key").exists():
        raise WrongSettings(f"There is no main secret here. {remedy}")
    keys = keyring.load(loaded, make=False)
    if manifest.key_id not in {each.id for each in keys.all_keys}:
        raise WrongSettings(f"The main secret here has the key id {keys.id}. {remedy}")
    return keys


def _check_revision(manifest: Manifest) -> None:
    known = schema_version.newest()
    if not schema_version.is_known(manifest.revision):
        raise UnusableBackup(
            f"The backup has the schema {manifest.revision}, and this version of Hubbub knows no "
            f"such schema: its newest is {known}. Install the version that made it, or a newer one."
        )


async def _prepare(
    url: str, opened: Opened, manifest: Manifest, *, replaces: bool, say: Say
) -> None:
    """Give the database the schema of the backup, if this restore may fill in rows."""
    if not await asyncio.to_thread(schema_version.is_empty, url):
        revision = await asyncio.to_thread(schema_version.revision, url) or ""
        if await _continues(revision, opened, manifest) and not replaces:
            return
        if not await _is_half_emptied(opened):
            # The names of the tables are those of the newest schema.
            await asyncio.to_thread(_migrate, url)
            is_filled = await _check_empty(opened, replaces=replaces)
            if not is_filled and manifest.revision == schema_version.newest():
                return
        say("Emptying the database")
        await _empty(url, opened)
    await asyncio.to_thread(_migrate, url, manifest.revision)


async def _empty(url: str, opened: Opened) -> None:
    """Record it first: a table after the other goes, and no server may use the rest."""
    async with opened() as store:
        await store.write(_begin_emptying)
    await asyncio.to_thread(_drop, url)


async def _begin_emptying(tx: Tx) -> None:
    await target.record_progress(tx, {"backup": "", "table": target.EMPTYING, "rows": 0})
    await key_values.put(tx, BOUND, BEING_RESTORED)


async def _continues(revision: str, opened: Opened, manifest: Manifest) -> bool:
    """Whether a restore of this backup was interrupted here."""
    if revision > schema_version.newest():
        raise WrongSettings(
            f"The database has the schema {revision}, which is newer than this version of Hubbub. "
            "Set HUBBUB_DATABASE_URL to an empty database."
        )
    async with opened() as store:
        reached = await store.read(target.progress)
    return reached is not None and reached["backup"] == manifest.identity


async def _is_half_emptied(opened: Opened) -> bool:
    """Whether a restore was interrupted while it deleted what the database had."""
    async with opened() as store:
        reached = await store.read(target.progress)
    return reached is not None and reached["table"] == target.EMPTYING


async def _check_empty(opened: Opened, *, replaces: bool) -> bool:
    """Whether the database has rows, which may be replaced. Raise WrongSettings if they may not."""
    async with opened() as store:
        await store.read(check_unused)
        is_filled = await store.read(target.is_filled)
        if is_filled and not replaces:
            raise WrongSettings(_why_not_empty(await store.read(target.progress)))
    return is_filled


def _why_not_empty(reached: Progress | None) -> str:
    what = "holds a restore of another backup that was interrupted" if reached else "is not empty"
    return (
        f"The database {what}. Set HUBBUB_DATABASE_URL to an empty one, or pass --replace to "
        "delete everything that this one has."
    )


async def check_unused(tx: Tx) -> None:
    """Raise WrongSettings while a server uses the database."""
    until = await target.used_until(tx)
    if until is not None:
        rest = span(until - await tx.now())
        raise WrongSettings(
            "A server uses this database. Stop every `hubbub serve` on it and try again. If it "
            f"was killed, its lease ends in {rest}."
        )


# --- Loading -------------------------------------------------------------------------------------


@asynccontextmanager
async def _open(url: str, clock: Clock | None) -> AsyncIterator[Store]:
    store = await open_store(url, clock)
    try:
        yield store
    finally:
        await store.close()


def _migrate(url: str, to: str = "head") -> None:
    from store.engine import migrate  # noqa: PLC0415 - loads SQLAlchemy and Alembic

    migrate.upgrade(url, to)


def _drop(url: str) -> None:
    """The facts last: they say that a restore was interrupted."""
    from store.engine import migrate  # noqa: PLC0415

    others = [name for name in TABLES if name != "facts"]
    migrate.drop(url, [*others, "search_words", "alembic_version", "facts"])


async def _begin(tx: Tx, manifest: Manifest) -> None:
    """Let no server start from now on, and record which backup is restored."""
    await check_unused(tx)
    reached = await target.progress(tx)
    if reached is None or reached["backup"] != manifest.identity:
        await target.forget_facts(tx)
        await target.record_progress(tx, {"backup": manifest.identity, "table": "", "rows": 0})
    await key_values.put(tx, BOUND, BEING_RESTORED)


async def _load(
    store: Store, path: Path, passphrase: bytes | None, manifest: Manifest, say: Say
) -> None:
    """Insert the rows, from where an interrupted restore got to."""
    reached = await store.read(target.progress)
    assert reached is not None
    if reached["table"] == target.LOADED:
        return
    place = _Place(manifest.identity, reached, say)
    with reading(path, passphrase) as reader:
        for part in reader.parts():
            if isinstance(part, Begin):
                place.begin(part, await store.read(partial(target.columns_of, table=part.table)))
            elif rows := place.rest_of(part):
                await store.write(place.insertion(rows))
    # From here on the schema may be newer than the backup.
    loaded: Progress = {"backup": manifest.identity, "table": target.LOADED, "rows": 0}
    await store.write(partial(target.record_progress, reached=loaded))


class _Place:
    """Where the load is: the table, and how many of its rows are there."""

    def __init__(self, identity: str, reached: Progress, say: Say) -> None:
        self._identity = identity
        # Rows before this place are there already.
        self._reached = reached if reached["table"] else None
        self._say = say
        self._total = 0
        self._table = Begin("", (), ())
        self._seen = 0

    def begin(self, table: Begin, columns: set[str]) -> None:
        """Raise BadBackup unless the database has the table, with these columns."""
        if table.table in NOT_FILLED or not set(table.columns) <= columns:
            raise BadBackup(f"its table {table.table} is not one of its schema")
        if self._reached is not None and self._table.table == self._reached["table"]:
            self._reached = None
        self._table, self._seen = table, 0

    def rest_of(self, part: Rows) -> Rows | None:
        """Those of the rows that are not there yet."""
        before = self._seen
        self._seen += len(part.rows)
        self._count(len(part.rows))
        reached = self._reached
        if reached is None:
            return part
        if reached["table"] != self._table.table:
            return None
        skipped = max(0, reached["rows"] - before)
        if skipped >= len(part.rows):
            return None
        self._reached = None
        return Rows(part.rows[skipped:])

    def _count(self, more: int) -> None:
        before, self._total = self._total, self._total + more
        if before // SAY_EVERY != self._total // SAY_EVERY:
            self._say(f"{self._total} rows")

    def insertion(self, part: Rows) -> Work[None]:
        table, columns = self._table.table, self._table.columns
        rows = part.rows
        if table == "facts":
            name = columns.index("name")
            rows = [row for row in rows if row[name] not in LEFT_OUT_FACTS]
        reached: Progress = {"backup": self._identity, "table": table, "rows": self._seen}
        return partial(target.insert_rows, table=table, columns=columns, rows=rows, reached=reached)


# --- The end -------------------------------------------------------------------------------------


async def _begin_epoch(
    store: Store, keys: Keys, manifest: Manifest, loaded: Settings, say: Say
) -> Counter[str]:
    why = f"the server was restored from a backup of {minute(manifest.created_at)}"
    missing = max(0, await store.read(lambda tx: tx.now()) - manifest.created_at)
    wait = int(4 * loaded.github_timeout_s * SECOND) + 5 * SECOND
    return await epoch.begin_epoch(store, keys, why, missing=missing, wait=wait, say=say)


async def _finish(tx: Tx, manifest: Manifest, record: Work[None]) -> None:
    """Let servers start. Nothing of the restore was visible before."""
    await check_unused(tx)
    await record(tx)
    await key_values.put(tx, BOUND, manifest.key_id)
    await target.end_progress(tx)
