"""Change of the secret: encrypts everything again, and binds the database to the new secret.

Each batch is a transaction. If the process is killed, the next one continues where it was.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from itertools import accumulate

from bot.agents import checkpoints
from bot.cli import local_origin
from bot.cli.output import say, warn
from bot.cli.session import open_session
from bot.contexts import encryption
from bot.files import chunks
from bot.identity.keyring import BOUND, KEY_ID, Broken, Keys
from bot.notifications import targets
from bot.plugins import uses, values
from bot.protocols import addresses
from bot.settings import Settings, WrongSettings
from bot.tool_servers import credentials
from bot.trackers import connection
from store.audit.records import NO_INSTALLATION
from store.engine import key_values
from store.engine.transaction import Row, Store, Tx, Work
from store.identity import sealed_rows
from store.identity.sealed_rows import Sealed

BATCH = 20
# Bytes of one batch. Other writers wait for it, and a single row may have a megabyte.
MOST_BYTES = 2_000_000


@dataclass(frozen=True)
class Kind:
    """`about` is what a row's content was sealed with."""

    where: Sealed
    purpose: str
    about: Callable[[Row], str]


def _version(row: Row) -> str:
    return encryption.associated_data(row["installation_id"], row["context_id"], row["version"])


def _checkpoint(row: Row) -> str:
    return checkpoints.sealed_for(row["installation_id"], row["agent_id"], row["task_id"])


def _chunk(row: Row) -> str:
    return chunks.sealed_for(row["installation_id"], row["blob_id"], row["part"])


def _target(row: Row) -> str:
    return targets.sealed_for(row["installation_id"], row["id"])


def _mount(row: Row) -> str:
    return credentials.sealed_for(row["installation_id"], row["id"])


def _plugin(row: Row) -> str:
    return uses.sealed_for(row["installation_id"], row["plugin"])


def _value(row: Row) -> str:
    return values.sealed_for(row["installation_id"], row["plugin"], row["name"])


def _endpoint(row: Row) -> str:
    return addresses.sealed_for(row["installation_id"], row["agent_id"])


def _tracker(row: Row) -> str:
    return connection.sealed_for(row["installation_id"], row["id"])


# Every table that has something sealed.
KINDS = (
    Kind(
        Sealed("context_versions", ("installation_id", "context_id", "version")),
        encryption.PURPOSE,
        _version,
    ),
    Kind(
        Sealed("checkpoints", ("installation_id", "agent_id", "task_id"), prefix=KEY_ID),
        checkpoints.PURPOSE,
        _checkpoint,
    ),
    Kind(
        Sealed("blob_chunks", ("installation_id", "blob_id", "part")),
        chunks.PURPOSE,
        _chunk,
    ),
    Kind(
        Sealed("notification_targets", ("installation_id", "id"), prefix=KEY_ID),
        targets.PURPOSE,
        _target,
    ),
    Kind(
        Sealed("mounts", ("installation_id", "id"), prefix=KEY_ID),
        credentials.PURPOSE,
        _mount,
    ),
    Kind(
        Sealed("plugin_installations", ("installation_id", "plugin"), prefix=KEY_ID),
        uses.PURPOSE,
        _plugin,
    ),
    Kind(
        Sealed("plugin_values", ("installation_id", "plugin", "name"), prefix=KEY_ID),
        values.PURPOSE,
        _value,
    ),
    Kind(
        Sealed("agent_endpoints", ("installation_id", "agent_id"), prefix=KEY_ID),
        addresses.PURPOSE,
        _endpoint,
    ),
    Kind(
        Sealed("trackers", ("installation_id", "id"), prefix=KEY_ID),
        connection.PURPOSE,
        _tracker,
    ),
)


@dataclass(frozen=True)
class Batch:
    """`resealed` rows of a table, and those that cannot be opened and stay as they are."""

    table: str
    resealed: int
    broken: int


@dataclass(frozen=True)
class Left:
    """Rows under unknown secrets, by table and key id; and tokens of former secrets, by key id."""

    unknown: dict[str, dict[str, int]]
    tokens: dict[str, int]


async def reseal(store: Store, keys: Keys, batch: int = BATCH) -> AsyncGenerator[Batch]:
    """Seal everything under the secret in use, and tell of each batch when it is committed."""
    for kind in KINDS:
        for former in keys.former:
            skip = 0
            while done := await store.write(_step(kind, keys, former, skip, batch)):
                skip += done.broken
                yield done


def _step(kind: Kind, keys: Keys, former: Keys, skip: int, batch: int) -> Work[Batch | None]:
    async def work(tx: Tx) -> Batch | None:
        rows = _batch(await sealed_rows.lock_batch(tx, kind.where, former.id, skip, batch))
        broken = [await _reseal_row(tx, kind, keys, former, row) for row in rows].count(False)
        return Batch(kind.where.table, len(rows) - broken, broken) if rows else None

    return work


def _batch(rows: list[Row]) -> list[Row]:
    """The first rows, as many as fit into a batch, at least one."""
    ends = accumulate(len(row["sealed"]) for row in rows)
    return [
        row
        for n, (row, end) in enumerate(zip(rows, ends, strict=True))
        if not n or end <= MOST_BYTES
    ]


async def _reseal_row(tx: Tx, kind: Kind, keys: Keys, former: Keys, row: Row) -> bool:
    about = kind.about(row)
    try:
        content = former.open(kind.purpose, about, row["sealed"][kind.where.prefix :])
    except Broken:
        return False
    new = keys.seal(kind.purpose, about, content)
    await sealed_rows.replace(tx, kind.where, row, new, keys.id)
    return True


async def bind(store: Store, keys: Keys) -> Left:
    """Bind the database to the new secret. Return what still depends on other secrets."""

    async def work(tx: Tx) -> Left:
        await key_values.put(tx, BOUND, keys.id)
        former = [each.id for each in keys.former]
        await local_origin.record(tx, NO_INSTALLATION, "secret rotate", keys.id, former=former)
        known = {each.id for each in keys.all_keys}
        unknown = {}
        for kind in KINDS:
            found = await sealed_rows.counts(tx, kind.where)
            unknown[kind.where.table] = {k: n for k, n in found.items() if k not in known}
        tokens = {each.id: await sealed_rows.tokens(tx, each.id) for each in keys.former}
        return Left(unknown, {k: n for k, n in tokens.items() if n})

    return await store.write(work)


async def rotate_secret(loaded: Settings) -> int:
    """Encrypt everything again. Return 1 if something cannot be decrypted."""
    async with open_session(loaded) as session:
        if not session.keys.former:
            raise WrongSettings(
                "No old secret is set. Set HUBBUB_SECRET_KEY to the new secret and "
                "HUBBUB_SECRET_KEY_OLD to the old one."
            )
        done, broken = Counter[str](), Counter[str]()
        async for batch in reseal(session.store, session.keys):
            done[batch.table] += batch.resealed
            broken[batch.table] += batch.broken
            say(f"{batch.table}: {done[batch.table]} encrypted again")
        left = await bind(session.store, session.keys)
        say(f"The database belongs to the secret with key id {session.keys.id}.")
    return _report(broken, left)


def _report(broken: Counter[str], left: Left) -> int:
    for key_id, n in left.tokens.items():
        say(
            f"Tokens made with the old secret {key_id}: {n}. They work while "
            "HUBBUB_SECRET_KEY_OLD has it. Their ids in `hubbub token list` begin with it."
        )
    wrong = [f"{n} of {table} cannot be decrypted" for table, n in broken.items() if n]
    for table, found in left.unknown.items():
        wrong += [
            f"{n} of {table} were encrypted with the unknown secret {k}" for k, n in found.items()
        ]
    for each in wrong:
        warn(f"{each}. They stay as they are.")
    return int(bool(wrong))
