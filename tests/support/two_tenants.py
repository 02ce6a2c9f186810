"""Two installations whose rows are canaries, and guards that refuse every foreign change."""

import sqlite3

from bot.identity.keyring import Keys
from store.engine.database import open_store, sqlite_path
from store.engine.transaction import Tx
from store.tables import TABLES
from tests.support import canary_installation, canary_repository
from tests.support.canaries import Side
from tests.support.story import Clock

A, B = 4_100_000_001, 4_200_000_002
HOME = Side("amberx", 61161, A)
# A repository of the same installation that the token does not reach, and one of another.
VAULT = Side("cobalt", 72272, A, only_holder="cat")
ABROAD = Side("indigo", 83383, B, is_ours=False)
# What does not exist.
ABSENT = Side("walnut", 94494, A)

# After the events of all sides.
LAST_EVENT = 99_000_000
BOUND = frozenset({HOME.repository_id})

BOOKKEEPING = {"writes": "AND NEW.author != 'hubbub[bot]'"}
# Columns that say to what a row belongs.
PLACES = (
    "id",
    "issue_id",
    "source_id",
    "guid",
    "installation_id",
    "repository_id",
    "task_id",
    "context_id",
    "message_id",
    "thread_id",
    "lease_id",
    "subject",
)


async def build(url: str, clock: Clock, keys: Keys) -> None:
    store = await open_store(url, clock)

    async def fill(tx: Tx) -> None:
        await canary_installation.inhabit(tx, HOME)
        await canary_installation.inhabit(tx, ABROAD)
        for side in (HOME, VAULT, ABROAD):
            await canary_repository.fill(tx, side, keys)
        await canary_installation.relate(tx, HOME, VAULT)
        for installation_id in (A, B):
            await canary_installation.set_head(tx, installation_id, LAST_EVENT)
        await canary_installation.fill_the_rest(tx, ABROAD)

    await store.write(fill)
    await store.close()


def guard(url: str, side: Side) -> None:
    """Let every change of the side's rows fail. Only on SQLite."""
    path = str(sqlite_path(url))
    if side is ABROAD:
        _guard(path, f"OLD.installation_id = {B}", f"NEW.installation_id = {B}")
        return
    has = " OR ".join(f"instr({{row}}, '{each}') > 0" for each in side.canaries)
    _guard(path, f"({has})", f"({has})")


def _guard(path: str, foreign: str, is_new_foreign: str) -> None:
    """Let every change of a foreign row fail."""
    connection = sqlite3.connect(path)
    for table in TABLES.values():
        if "installation_id" not in table.names:
            continue
        words = table.name in ("audit", "pending_reads")  # whose subject is what a call passed
        places = [n for n in table.names if n in PLACES and not (words and n == "subject")]
        old, new = (
            " || '|' || ".join(f"coalesce({row}.{name}, '')" for name in places)
            for row in ("OLD", "NEW")
        )
        for what, row, condition in (
            ("UPDATE", old, foreign),
            ("DELETE", old, foreign),
            # Hubbub itself refreshes what it shows of a parent there.
            ("INSERT", new, f"{is_new_foreign} {BOOKKEEPING.get(table.name, '')}"),
        ):
            connection.execute(
                f"CREATE TRIGGER guard_{what}_{table.name} AFTER {what} ON {table.name} "
                f"WHEN {condition.format(row=row)} "
                f"BEGIN SELECT RAISE(ABORT, '{what} of a foreign row of {table.name}'); END"
            )
    connection.commit()
    connection.close()
