"""Where every surface ends: authenticate a token, call an operation."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cachetools import TTLCache

from bot.actor import Actor
from bot.errors import Refused
from bot.keys import Keys
from bot.metrics import Calls
from bot.operation import Answer, Context, Operation
from bot.operations import OPERATIONS
from bot.times import stamp
from store import agents, deliveries, heads, leases, requests
from store.transaction import Row, Store, Tx

# How long a revoked token may still work in this process.
TOKEN_CACHE_S = 5
# How often one that waits looks for what other processes did.
LOOK_AGAIN_S = 1.0


@dataclass(frozen=True)
class Hub:
    store: Store
    keys: Keys
    calls: Calls = field(default_factory=Calls)
    _known: TTLCache[str, Actor] = field(default_factory=lambda: TTLCache(10_000, TOKEN_CACHE_S))
    _touched: TTLCache[tuple[int, str], None] = field(
        default_factory=lambda: TTLCache(10_000, agents.TOUCH_EVERY / 1_000_000)
    )

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
        key = request_key or secrets.token_hex(16)
        answer = await self._once(which, actor, arguments, given, key)
        if which.settled and (wait_s := getattr(arguments, "wait_s", 0)):
            answer = await self._waited(which, actor, arguments, given, answer, wait_s)
        return answer.model_dump(mode="json")

    async def _waited(
        self,
        which: Operation,
        actor: Actor,
        arguments: Any,
        given: Any,
        answer: Answer,
        wait_s: float,
    ) -> Answer:
        assert which.settled is not None
        bell, topic = self.store.bell, f"installation {actor.installation_id}"
        left = wait_s
        while left > 0 and not which.settled(answer):
            ticket = bell.ticket(topic)
            answer = await self._once(which, actor, arguments, given, secrets.token_hex(16))
            if which.settled(answer):
                break
            await bell.wait(topic, ticket, min(left, LOOK_AGAIN_S))
            left -= LOOK_AGAIN_S
        return answer

    async def _once(
        self, which: Operation, actor: Actor, arguments: Any, given: Any, key: str
    ) -> Answer:
        if not actor.is_person:
            await self._touch(actor)
        if which.reads_only:
            return await self.store.read(lambda tx: run(tx, which, actor, arguments))
        digest = _digest(which.name, actor, given)

        async def work(tx: Tx) -> Answer:
            return await mutate(tx, which, actor, arguments, key, digest)

        return await self.store.write(work)

    def forget_touches(self) -> None:
        """Let the next call of each agent be written down again."""
        self._touched.clear()

    async def _touch(self, actor: Actor) -> None:
        """Any call shows that the agent is alive, and renews its leases; written now and then."""
        who = (actor.installation_id, actor.name)
        if who in self._touched:
            return

        async def work(tx: Tx) -> None:
            now = await tx.now()
            await agents.touch(tx, *who, now)
            await leases.renew(tx, *who, now)

        await self.store.write(work)
        self._touched[who] = None


async def mutate(
    tx: Tx, which: Operation, actor: Actor, arguments: Any, key: str, digest: str
) -> Answer:
    """Run an operation that writes, once for its request key. A quiet one leaves no trace."""
    if which.quiet:
        return await run(tx, which, actor, arguments)
    key = _digest("request key", actor, key)
    if before := await requests.answered(tx, actor.installation_id, key):
        if before["digest"] != digest:
            raise Refused(
                "key_reused",
                "This idempotency key was used for another call; use a new key for a new call.",
            )
        return which.result.model_validate(before["answer"])
    answer = await run(tx, which, actor, arguments)
    now = await tx.now()
    kept: Row = {"digest": digest, "answer": answer.model_dump(mode="json")}
    await requests.keep(tx, actor.installation_id, key, now, kept)
    heads.append(tx, "audit", actor.installation_id, _audit(which, actor, arguments, now))
    tx.rings.add(f"installation {actor.installation_id}")
    return answer


async def run(tx: Tx, which: Operation, actor: Actor, arguments: Any) -> Answer:
    now = await tx.now()
    given = {
        name: getattr(arguments, name)
        for name in which.arguments.model_fields
        if not (which.settled and name == "wait_s")
    }
    answer = await which.run(Context(tx, actor, now), **given)
    behind = await deliveries.as_of(tx, actor.installation_id)
    at = min(behind, now) if behind else now
    return answer.model_copy(update={"as_of": stamp(at), "stale_s": (now - at) / 1_000_000})


def _audit(which: Operation, actor: Actor, arguments: Any, now: int) -> Row:
    given = {k: v for k, v in arguments.model_dump(mode="json").items() if v is not None}
    subject = given.get("task") or given.get("repository") or given.get("agent_id") or ""
    return {
        "at": now,
        "actor": actor.name,
        "operation": which.name,
        "subject": str(subject)[:120],
        "data": json.dumps(
            {k: v if len(str(v)) <= 500 else f"{len(str(v))} characters" for k, v in given.items()}
        ),
    }


def _digest(name: str, actor: Actor, given: Any) -> str:
    text = json.dumps([name, actor.name, given], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


UNKNOWN_KEY = (
    "This token is not known here. Present one as `Authorization: Bearer …`; "
    "`hubbub token create` makes one."
)


async def _authenticated(tx: Tx, keys: Keys, token: str) -> Actor:
    _, _, rest = token.partition("hubbub_")
    key_id, _, _ = rest.partition("_")
    row = await agents.find_key(tx, key_id) if key_id else None
    if row is None or not hmac.compare_digest(row["hash"], keys.sign("agent keys", token)):
        raise Refused("unauthenticated", UNKNOWN_KEY)
    return Actor(row["installation_id"], row["agent_id"], row["role"])


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
