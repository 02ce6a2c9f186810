"""Nobody sees or changes anything of another installation, or of a repository out of reach.

The calls follow from the argument models of the registry: for each operation each argument that
could name something, with each foreign value. Each call is compared with the same call about what
does not exist: the answer must be the same, and so must the statements, which stand for its time.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeVar

import pytest
from cachetools import TTLCache

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.identity.permissions import is_for_people
from bot.kernel import pagination
from bot.kernel.operation import Shared
from bot.operations import OPERATIONS
from store.engine.database import open_store
from store.tables.agents import Role
from tests.support import call_matrix
from tests.support.call_matrix import Called
from tests.support.canaries import ME, Side
from tests.support.recording_store import RecordingStore
from tests.support.sampling import sample
from tests.support.story import Clock
from tests.support.two_tenants import (
    ABROAD,
    ABSENT,
    BOUND,
    HOME,
    VAULT,
    A,
    build,
    guard,
)

T = TypeVar("T")


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
MADE_ID = re.compile(
    r"\b(?:[a-z]{1,2}_[0-9a-hjkmnp-tv-z]{20}|hubbub_\w+_[\w-]+|actions-plain-[0-9a-z]{6})\b"
)
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
        passed = {
            each for each in call_matrix.strings(given) if any(word in each for word in foreign)
        }
        for each in sorted(passed, key=len, reverse=True):
            text = text.replace(json.dumps(each, ensure_ascii=False)[1:-1], "")
        return text


@asynccontextmanager
async def open_world(url: str, side: Side) -> AsyncIterator[World]:
    clock, keys = Clock(), Keys("k" * 40)
    await build(url, clock, keys)
    if url.startswith("sqlite"):
        guard(url, side)
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


async def call_everything(world: World, actor: Actor, side: Side, one_in: int = 1) -> Found:
    """Call each operation that the actor may call with everything that names the foreign side.

    `one_in`: of how many of these calls it makes one.
    """
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
        for called, absent in sample(zip(*places, strict=True), one_in, len(found.calls)):
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


# A developer calls what a tech-lead calls, so some of it shows that the role makes no difference.
@pytest.mark.parametrize(
    ("role", "one_in", "least"),
    [("tech-lead", 1, 1400), ("developer", 4, 300), ("observer", 2, 250)],
)
async def test_an_agent_bound_to_a_repository_sees_and_changes_nothing_of_another(
    sqlite_url: str, role: Role, one_in: int, least: int
) -> None:
    async with open_world(sqlite_url, VAULT) as world:
        found = await call_everything(world, Actor(A, ME, role, BOUND), VAULT, one_in)
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


async def test_a_sample_of_the_calls_on_mysql_sees_nothing_of_another_repository(
    migrated_mysql_url: str,
) -> None:
    """Some places with one value. MySQL has no guards: the statements are the same on SQLite."""
    actor, found = Actor(A, ME, "tech-lead", BOUND), Found()
    async with open_world(migrated_mysql_url, VAULT) as world:
        pairs = (call_matrix.sample(HOME, each) for each in (VAULT, ABSENT))
        for called, absent in sample(zip(*pairs, strict=True), 3, 0):
            found.calls[called.operation] += 2
            outcome = await world.call(actor, called)
            found.note(called, _shown(called, outcome, (VAULT,)))
            if called.place[-1] != "cursor":
                found.note(called, _told_apart(outcome, await world.call(actor, absent), VAULT))
    assert found.leaks == [], str(found)
    assert found.calls.total() > 200


# An open gate that others worked for, an agent with a token, and a server of tools that answers:
# the rows here have none of them.
NEED_MORE = {"approve_task", "move_agent", "call_tool"}


async def test_an_agent_sees_and_changes_nothing_of_another_installation(sqlite_url: str) -> None:
    async with open_world(sqlite_url, ABROAD) as world:
        found = await call_everything(world, Actor(A, ME, "tech-lead"), ABROAD)
    assert found.leaks == [], str(found)
    assert found.calls.keys() == OPERATIONS.keys()
    for_people = {each for each in OPERATIONS if is_for_people(each)}
    assert OPERATIONS.keys() - found.done == for_people | NEED_MORE
    assert found.calls.total() >= 1400
