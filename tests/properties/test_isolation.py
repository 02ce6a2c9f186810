"""Nobody sees or changes anything of another installation, or of a repository out of reach.

The calls follow from the argument models of the registry: for each operation each argument that
could name something, with each foreign value. Each call is compared with the same call about what
does not exist: the answer must be the same, and so must the statements, which stand for its time.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeVar

import pytest
from cachetools import TTLCache

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel import pagination
from bot.kernel.operation import Shared
from bot.operations import OPERATIONS
from store.engine import sequences
from store.engine.database import open_store, sqlite_path
from store.engine.transaction import Store, Tx, Work
from store.tables import TABLES
from store.tables.agents import Role
from tests.support import call_matrix, canaries
from tests.support.call_matrix import Called
from tests.support.canaries import ME, Side
from tests.support.story import Clock

T = TypeVar("T")
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


class Rolled(Exception):
    """Ends a transaction, so that the next call finds the same rows."""


class RecordingTx:
    """A transaction that notes its statements."""

    def __init__(self, tx: Tx, statements: list[str]) -> None:
        self._tx = tx
        self._statements = statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._tx, name, value)

    async def all(self, sql: str, **params: Any) -> list[Any]:
        self._statements.append(sql)
        return await self._tx.all(sql, **params)

    async def one(self, sql: str, **params: Any) -> Any | None:
        self._statements.append(sql)
        return await self._tx.one(sql, **params)

    async def run(self, sql: str, **params: Any) -> int:
        self._statements.append(sql)
        return await self._tx.run(sql, **params)

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._statements.append(sql)
        await self._tx.many(sql, rows)


class RecordingStore:
    """A store that notes all statements and rolls every transaction back."""

    def __init__(self, store: Store) -> None:
        self.inner = store
        self.dialect = store.dialect
        self.bell = store.bell
        self.statements: list[str] = []

    async def close(self) -> None:
        await self.inner.close()

    async def read(self, work: Work[T]) -> T:
        return await self.inner.read(lambda tx: work(RecordingTx(tx, self.statements)))

    async def write(self, work: Work[T]) -> T:
        answers: list[T] = []

        async def rolled_back(tx: Tx) -> None:
            recording = RecordingTx(tx, self.statements)
            answers.append(await work(recording))
            await sequences.number(recording)
            raise Rolled

        with suppress(Rolled):
            await self.inner.write(rolled_back)
        return answers[-1]


def _guard(path: str, foreign: str, is_new_foreign: str) -> None:
    """Let every change of a foreign row fail, whoever makes it."""
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


@dataclass
class World:
    store: RecordingStore
    shared: Shared
    clock: Clock
    began: int

    async def call(self, actor: Actor, called: Called) -> "Outcome":
        """The outcome of a call of an agent that calls for the first time, at a fixed time."""
        self.clock.at = self.began
        self.store.statements.clear()
        dispatcher = Dispatcher(self.store, self.shared, touched=TTLCache(1, 0))
        try:
            found: Any = await dispatcher.call(actor, called.operation, dict(called.arguments))
        except Refused as exc:
            found = {"error": exc.code, "message": exc.message, "details": exc.details}
            found["notices"] = exc.notices
        except sqlite3.IntegrityError as exc:
            return Outcome(str(exc), [], changed=True)
        text = MADE_ID.sub("ID", json.dumps(found, default=str, ensure_ascii=False))
        return Outcome(text, list(self.store.statements), answered="error" not in found)


# Ids and secrets that a call makes.
MADE_ID = re.compile(r"\b(?:[a-z]_[0-9a-hjkmnp-tv-z]{20}|hubbub_\w+_[\w-]+)\b")
CURSOR = re.compile(r'"((?:next_|events_)?cursor)": "([\w-]+)"')


@dataclass(frozen=True)
class Outcome:
    text: str
    statements: list[str]
    answered: bool = False
    # It changed a foreign row; the text says which.
    changed: bool = False

    def readable(self) -> str:
        """The text with its cursors decoded."""
        return CURSOR.sub(lambda m: f'"{m[1]}": "{pagination.decode(m[2])}"', self.text)

    def without(self, given: Any) -> str:
        """The text without what the caller passed itself."""
        text = self.readable()
        foreign = {*VAULT.canaries, *ABROAD.canaries}
        passed = {each for each in _strings(given) if any(word in each for word in foreign)}
        for each in sorted(passed, key=len, reverse=True):
            text = text.replace(json.dumps(each, ensure_ascii=False)[1:-1], "")
        return text


def _strings(given: Any) -> Iterator[str]:
    if isinstance(given, Mapping):
        for key, value in given.items():
            yield key
            yield from _strings(value)
    elif isinstance(given, list):
        for each in given:
            yield from _strings(each)
    elif isinstance(given, str):
        yield given
        with suppress(Refused):
            yield pagination.decode(given)
        if "github.com/" in given:
            given = re.sub(r".*github\.com/(.*)/issues/", r"\1#", given)
        # Errors name the parts: the task of a topic, the repository of a task.
        for each in (given, given.partition(":")[2]):
            yield from filter(None, (each, each.rpartition("#")[0]))
    elif isinstance(given, int) and not isinstance(given, bool):
        yield str(given)


async def build(url: str, clock: Clock, keys: Keys) -> None:
    store = await open_store(url, clock)

    async def fill(tx: Tx) -> None:
        await canaries.inhabit(tx, HOME)
        await canaries.inhabit(tx, ABROAD)
        for side in (HOME, VAULT, ABROAD):
            await canaries.fill(tx, side, keys)
        await canaries.relate(tx, HOME, VAULT)
        for installation_id in (A, B):
            await canaries.set_head(tx, installation_id, LAST_EVENT)
        await canaries.fill_the_rest(tx, ABROAD)

    await store.write(fill)
    await store.close()


@asynccontextmanager
async def open_world(url: str, side: Side) -> AsyncIterator[World]:
    clock, keys = Clock(), Keys("k" * 40)
    await build(url, clock, keys)
    path = str(sqlite_path(url))
    if side is ABROAD:
        _guard(path, f"OLD.installation_id = {B}", f"NEW.installation_id = {B}")
    else:
        has = " OR ".join(f"instr({{row}}, '{each}') > 0" for each in VAULT.canaries)
        has = f"({has})"
        _guard(path, has, has)
    clock.forward(5)
    store = RecordingStore(await open_store(url, clock))
    yield World(store, Shared(keys), clock, clock.at)
    await store.close()


@dataclass
class Found:
    """How many calls were made, by operation, and what was wrong with some."""

    calls: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    # The operations of which a call did something within reach.
    done: set[str] = field(default_factory=set)

    def note(self, called: Called, wrong: str | None) -> None:
        if wrong:
            self.leaks.append(f"{called}\n    {wrong}")

    def __str__(self) -> str:
        first = "\n".join(self.leaks[:MOST_SHOWN])
        return f"{len(self.leaks)} of {self.calls.total()} calls leak:\n{first}"


async def call_everything(world: World, actor: Actor, side: Side) -> Found:
    """Call each operation that the actor may call with everything that names the foreign side."""
    found = Found()
    for operation in OPERATIONS.values():
        if not actor.may(operation.role):
            continue
        for called in call_matrix.plain(operation, HOME):
            found.calls[operation.name] += 1
            outcome = await world.call(actor, called)
            found.note(called, _shown(called, outcome, FOREIGN_TO[side.word]))
            found.done |= {operation.name} if outcome.answered else set()
        places = (call_matrix.foreign(operation, HOME, each) for each in (side, ABSENT))
        for called, absent in zip(*places, strict=True):
            operation.parse(dict(called.arguments))  # else the call would show nothing
            found.calls[operation.name] += 2
            outcome = await world.call(actor, called)
            found.note(called, _shown(called, outcome, (side,)))
            if called.place[-1] != "cursor":
                found.note(called, _told_apart(outcome, await world.call(actor, absent), side))
    return found


# What an actor must not see who must not see this side.
FOREIGN_TO = {VAULT.word: (VAULT, ABROAD), ABROAD.word: (ABROAD,)}
MOST_SHOWN = 20


def _shown(called: Called, found: Outcome, sides: Sequence[Side]) -> str | None:
    """A canary in the answer that the caller has not passed itself, or a change there."""
    if found.changed:
        return found.text
    text = found.without(called.arguments)
    for canary in (each for side in sides for each in side.canaries):
        if (at := text.find(canary)) >= 0:
            return f"shows {canary}: …{text[max(0, at - 200) : at + 100]}…"
    return None


def _told_apart(found: Outcome, absent: Outcome, side: Side) -> str | None:
    """How the outcome differs from that for what does not exist."""
    one, other = side.neutral(found.readable()), ABSENT.neutral(absent.readable())
    for at, (a, b) in enumerate(zip_longest(one, other)):
        if a != b:
            some = slice(max(0, at - 100), at + 200)
            return f"…{one[some]}… and not …{other[some]}…"
    for sql, instead in zip_longest(found.statements, absent.statements):
        if sql != instead:
            return f"{found.text[:200]} takes the statement {sql} and not {instead}"
    return None


def test_every_argument_is_known_by_what_it_can_name() -> None:
    assert call_matrix.unclassified() == []


@pytest.mark.parametrize(
    ("role", "least"), [("tech-lead", 1400), ("developer", 1200), ("observer", 500)]
)
async def test_an_agent_bound_to_a_repository_sees_and_changes_nothing_of_another(
    sqlite_url: str, role: Role, least: int
) -> None:
    async with open_world(sqlite_url, VAULT) as world:
        found = await call_everything(world, Actor(A, ME, role, BOUND), VAULT)
    assert found.leaks == [], str(found)
    assert found.calls.total() >= least


@pytest.mark.parametrize("role", ["tech-lead", "developer"])
async def test_an_agent_with_work_only_out_of_reach_sees_nothing_of_it(
    sqlite_url: str, role: Role
) -> None:
    actor, found = Actor(A, "cat", role, BOUND), Found()
    async with open_world(sqlite_url, VAULT) as world:
        for operation in OPERATIONS.values():
            for called in call_matrix.plain(operation, HOME) if actor.may(operation.role) else ():
                own = Called(called.operation, (), _without_task(called.arguments))
                for each in (called, own):
                    outcome = await world.call(actor, each)
                    found.note(each, _shown(each, outcome, (VAULT, ABROAD)))
    assert found.leaks == [], str(found)


def _without_task(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in arguments.items() if name not in ("task", "fence")}


async def test_an_agent_sees_and_changes_nothing_of_another_installation(sqlite_url: str) -> None:
    async with open_world(sqlite_url, ABROAD) as world:
        found = await call_everything(world, Actor(A, ME, "tech-lead"), ABROAD)
    assert found.leaks == [], str(found)
    assert found.calls.keys() == OPERATIONS.keys()
    assert OPERATIONS.keys() - found.done == set()
    assert found.calls.total() >= 1400
