"""Where every surface ends: authenticate a token, call an operation."""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from cachetools import Cache, TTLCache
from pydantic import BaseModel

from bot.agents import presence
from bot.dispatch.metrics import Calls
from bot.errors import Refused
from bot.events.waiters import Spot, Watching
from bot.identity.actors import Actor
from bot.identity.keyring import KEY_ID, Broken, Keys
from bot.kernel import freshness
from bot.kernel.event_stream import News
from bot.kernel.operation import Answer, Context, Operation, Shared
from bot.kernel.waitable import EventFilter, Waitable
from bot.messages import notices
from bot.messages.notices import Handed
from bot.operations import OPERATIONS
from store.agents import agents
from store.engine import idempotency, remote_changes, sequences
from store.engine.transaction import Row, Store, Tx, Work
from store.tasks import leases, tasks

# How long a revoked token may still work in this process.
TOKEN_CACHE_S = 5
# How often one that waits looks by itself: for what time brings.
LOOK_AGAIN_S = 5.0
# An agent's activity is written, and its leases renewed, at most this often.
TOUCH_EVERY_S = 30


@dataclass(frozen=True)
class Asked:
    """One call, its arguments parsed. With the same `key` it is the same call."""

    operation: Operation
    actor: Actor
    arguments: BaseModel
    key: str
    shared: Shared
    later: list[Work[None]] = field(default_factory=list)

    @property
    def given(self) -> dict[str, Any]:
        """The arguments of the function; `wait_s` and `key` are the kernel's."""
        names = type(self.arguments).model_fields
        kernels = {"wait_s"} if self.operation.waitable else set()
        kernels |= {"key"} if self.operation.reaches_github else set()
        return {name: getattr(self.arguments, name) for name in names if name not in kernels}

    @property
    def who(self) -> tuple[int, str]:
        return self.actor.installation_id, self.actor.name

    @property
    def request_key(self) -> str:
        return _digest("request key", self.actor.name, self.key)

    def changed(self, **arguments: Any) -> "Asked":
        """Another call, of the same operation with some arguments changed."""
        changed = self.arguments.model_copy(update=arguments)
        return replace(self, arguments=changed, key=secrets.token_hex(16))

    @property
    def digest(self) -> str:
        given = self.arguments.model_dump(mode="json")
        return _digest(self.operation.name, self.actor.name, given)


@dataclass(frozen=True)
class Hub:
    """`touched`: the agents whose last call was written down a moment ago."""

    store: Store
    shared: Shared
    calls: Calls = field(default_factory=lambda: Calls(OPERATIONS))
    touched: Cache[tuple[int, str], None] = field(
        default_factory=lambda: TTLCache(10_000, TOUCH_EVERY_S)
    )
    # How often each called since that was written down, and what it was told by the last answer.
    called: Cache[tuple[int, str], int] = field(default_factory=lambda: TTLCache(10_000, 3600))
    handed: Cache[tuple[int, str], Handed] = field(default_factory=lambda: TTLCache(10_000, 3600))
    look_again_s: float = LOOK_AGAIN_S
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    watching: Watching = field(init=False)
    _known: TTLCache[str, Actor] = field(default_factory=lambda: TTLCache(10_000, TOKEN_CACHE_S))

    def __post_init__(self) -> None:
        object.__setattr__(self, "watching", Watching(self.store))

    @property
    def keys(self) -> Keys:
        return self.shared.keys

    def stop(self) -> None:
        """Those who wait for something get what there is."""
        self.stopping.set()
        self.watching.wake_all()

    def operations(self, actor: Actor) -> list[Operation]:
        """Those that the actor's role may call, in the registry's order."""
        return [each for each in OPERATIONS.values() if actor.may(each.role)]

    async def authenticate(self, token: str) -> Actor:
        """Who presents this token. Raise Refused `unauthenticated`."""
        if actor := self._known.get(token):
            return actor
        actor = await self.store.read(lambda tx: _authenticated(tx, self.keys, token))
        self._known[token] = actor
        return actor

    async def revoked(self, tokens: Collection[str]) -> set[str]:
        """Those of some tokens, once authenticated, that hold no more."""
        by_id = {_key_id(token): token for token in tokens}
        live = await self.store.read(lambda tx: remote_changes.live_keys(tx, sorted(by_id)))
        return {token for key_id, token in by_id.items() if key_id not in live}

    async def call(
        self, actor: Actor, name: str, given: Any, request_key: str | None = None
    ) -> dict[str, Any]:
        """Run an operation: its result as JSON values. Raise Refused.

        With the same `request_key` the same call is done once, and answered alike.
        """
        with self.calls.counted(name):
            return await self._called(actor, name, given, request_key)

    async def _called(
        self, actor: Actor, name: str, given: Any, request_key: str | None
    ) -> dict[str, Any]:
        which = OPERATIONS.get(name)
        if which is None:
            raise Refused(
                "unknown_operation",
                f"There is no operation {name!r}.",
                operations=[each.name for each in self.operations(actor)],
            )
        if not actor.may(which.role):
            raise Refused(
                "forbidden",
                f"{name} needs the role {which.role}; {actor.name} has {actor.role}. "
                "Ask a person who administers the installation for a token with that role.",
            )
        arguments = which.parse(given)
        key = (which.reaches_github and getattr(arguments, "key", None)) or request_key
        asked = Asked(which, actor, arguments, key or secrets.token_hex(16), self.shared)
        await self._begin(asked)
        if which.waitable and (wait_s := getattr(arguments, "wait_s", 0)):
            answer = await self._wait(asked, which.waitable, wait_s)
        else:
            answer = await self.execute(asked)
        self._hand(asked, answer)
        return answer.model_dump(mode="json")

    async def _begin(self, asked: Asked) -> None:
        """The agent is there, and has what it was told by the answer before."""
        if asked.actor.is_person:
            return
        self.called[asked.who] = self.called.get(asked.who, 0) + 1
        before = self.handed.get(asked.who)
        if before is not None and not before.again(asked.digest):
            await self.store.write(lambda tx: notices.told(tx, asked.actor, before.once))
            self.handed.pop(asked.who, None)

    def _hand(self, asked: Asked, answer: Answer) -> None:
        """Remember what it is told."""
        if not answer.notices:
            return
        if now := notices.handed(answer.notices, asked.digest, self.handed.get(asked.who)):
            self.handed[asked.who] = now

    async def _wait(self, asked: Asked, waitable: Waitable[Any], wait_s: float) -> Answer:
        """The final answer, or the newest one at the end of the wait."""
        time = asyncio.get_running_loop().time
        end = time() + wait_s
        async with self.watching.spot(asked.actor.installation_id) as spot:
            answer = await self.execute(asked)
            while not waitable.is_final(answer):
                left = end - time()
                if left <= 0 or self.stopping.is_set():
                    return await self._fresh(asked, answer)
                wanted = waitable.wanted_events(answer, asked.actor)
                look = await self._next_look(asked, spot, wanted, left)
                found = await waitable.look_again(look, answer)
                if found is None:
                    # The agent is alive, although its call wrote nothing.
                    await self._touch(asked.actor)
                answer = answer if found is None else found
        return answer

    async def _next_look(
        self, asked: Asked, spot: Spot, wanted: EventFilter | None, left: float
    ) -> "WaitLook":
        try:
            news = await spot.wait(wanted, min(left, self.look_again_s))
        except TimeoutError:
            return WaitLook(self, asked, None, timed_out=True)
        return WaitLook(self, asked, news, timed_out=False)

    async def _fresh(self, asked: Asked, answer: Answer) -> Answer:
        """An answer of when the wait began, with how things are at its end."""
        return await self.store.read(lambda tx: with_freshness(tx, asked.actor, answer))

    async def execute(self, asked: Asked) -> Answer:
        await self._touch(asked.actor)
        try:
            if asked.operation.reads_only:
                return await self.store.read(lambda tx: run(tx, asked))
            return await self.store.write(lambda tx: mutate(tx, asked))
        finally:
            await self._write_down(asked.later)

    async def _write_down(self, later: list[Work[None]]) -> None:
        """What was found, whether it was answered or refused."""
        for work in later:
            await self.store.write(work)
        later.clear()

    async def _touch(self, actor: Actor) -> None:
        """Any call shows that the agent is alive, and renews its leases; written now and then."""
        who = (actor.installation_id, actor.name)
        if actor.is_person or who in self.touched:
            return

        async def work(tx: Tx) -> None:
            now = await tx.now()
            await leases.renew(tx, *who, now)
            await agents.touch(tx, *who, now, calls)

        calls = self.called.pop(who, 0)
        await self.store.write(work)
        self.touched[who] = None


@dataclass(frozen=True)
class WaitLook:
    """The `Look` of one call."""

    hub: Hub
    asked: Asked
    news: News | None
    timed_out: bool

    @property
    def actor(self) -> Actor:
        return self.asked.actor

    @property
    def arguments(self) -> BaseModel:
        return self.asked.arguments

    async def run(self, **changed: Any) -> Answer:
        return await self.hub.execute(self.asked.changed(**changed))

    async def check(self, question: Work[bool]) -> bool:
        return await self.hub.store.read(question)

    async def add_notices(self, answer: Answer) -> Answer:
        assert self.news is not None
        now = self.news.now
        found = await self.hub.store.read(lambda tx: notices.of(tx, self.actor, now))
        return answer.model_copy(update={"notices": found})


async def mutate(tx: Tx, asked: Asked) -> Answer:
    """Run an operation that writes, once for its request key. A quiet one leaves no trace."""
    if asked.operation.quiet:
        await presence.check_presence(tx, asked.actor, asked.operation.presence)
        return await run(tx, asked)
    now, key, i = await tx.now(), asked.request_key, asked.actor.installation_id
    if before := await idempotency.begin(tx, i, key, now):
        if before["digest"] != asked.digest:
            raise Refused(
                "key_reused",
                "This idempotency key was used for another call; use a new key for a new call.",
            )
        return await _again(tx, asked, before["answer"])
    await presence.check_presence(tx, asked.actor, asked.operation.presence)
    answer = await run(tx, asked)
    kept: Row = {
        "digest": asked.digest,
        "answer": answer.model_dump(mode="json", exclude=dict(answer.sealed)),
    }
    await idempotency.keep(tx, i, key, kept)
    sequences.append(tx, "audit", i, _audit(asked, now))
    tx.rings.add(f"installation {i}")
    return answer


async def _again(tx: Tx, asked: Asked, kept: Row) -> Answer:
    """The answer that was given before, unless its task is not to be seen any more."""
    task = kept.get("task")
    here = asked.actor.installation_id
    if task is not None and await tasks.visible(tx, here, task["id"]) is None:
        raise Refused("unknown_task", f"{task['task']} is not within your reach any more.")
    answer = asked.operation.result.model_validate(kept)
    return await with_freshness(tx, asked.actor, await answer.as_it_is(tx, here))


async def run(tx: Tx, asked: Asked) -> Answer:
    now, actor = await tx.now(), asked.actor
    context = Context(tx, actor, now, asked.shared, asked.later)
    answer = await asked.operation.run(context, **asked.given)
    return await with_freshness(tx, actor, answer)


async def with_freshness(tx: Tx, actor: Actor, answer: Answer) -> Answer:
    """With how fresh the mirror is, and what the agent should know."""
    now = await tx.now()
    fresh = await freshness.of(tx, actor.installation_id, now, actor.repositories)
    return answer.model_copy(
        update={**fresh.told(now), "notices": await notices.of(tx, actor, now)}
    )


def _audit(asked: Asked, now: int) -> Row:
    """Without what is sealed where it is kept: such a field has no `repr`."""
    fields = type(asked.arguments).model_fields
    shown = {name for name, each in fields.items() if each.repr}
    dumped = asked.arguments.model_dump(mode="json", include=shown)
    given = {k: v for k, v in dumped.items() if v is not None}
    named = (given.get(each) for each in ("task", "repository", "agent_id", "context_id"))
    subject = next((each for each in named if each), "")
    kept = {k: v if len(str(v)) <= 500 else f"{len(str(v))} characters" for k, v in given.items()}
    return {
        "at": now,
        "actor": asked.actor.name,
        "operation": asked.operation.name,
        "subject": str(subject)[:120],
        "data": json.dumps(kept),
    }


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


UNKNOWN_KEY = (
    "This token is not known here. Present one as `Authorization: Bearer …`; "
    "`hubbub token create` makes one."
)


def _key_id(token: str) -> str:
    _, _, rest = token.partition("hubbub_")
    return rest.partition("_")[0]


async def _authenticated(tx: Tx, keys: Keys, token: str) -> Actor:
    key_id = _key_id(token)
    row = await agents.find_key(tx, key_id) if key_id else None
    if row is None or not _made_of(keys, key_id, token, row["hash"]):
        raise Refused("unauthenticated", UNKNOWN_KEY)
    return Actor(row["installation_id"], row["agent_id"], row["role"])


def _made_of(keys: Keys, key_id: str, token: str, digest: str) -> bool:
    """Whether the token is ours, by the secret that its first letters name."""
    try:
        secret = keys.under(key_id[:KEY_ID])
    except Broken:
        return False
    return hmac.compare_digest(digest, secret.sign("agent keys", token))


async def create_key(tx: Tx, keys: Keys, installation_id: int, agent_id: str, role: str) -> str:
    """A new key for the agent. Only its hash is kept: this is the one time it is seen."""
    key_id = f"{keys.id}{secrets.token_hex(6)}"
    token = f"hubbub_{key_id}_{secrets.token_urlsafe(32)}"
    await agents.add_key(
        tx,
        {
            "id": key_id,
            "installation_id": installation_id,
            "agent_id": agent_id,
            "role": role,
            "hash": keys.sign("agent keys", token),
            "created_at": await tx.now(),
        },
    )
    return token
