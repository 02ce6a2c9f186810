"""Takes what is due for agents' endpoints, delivers it, and records how that ended.

One process at a time works for one endpoint, because a row says until when it is taken. Where a
process ends in the middle, another one goes on after that time.
"""

from dataclasses import dataclass
from functools import partial

import structlog

from bot.identity.actors import Actor
from bot.identity.keyring import Broken
from bot.protocols import wanted
from bot.protocols.addresses import Address, address_of
from bot.protocols.ends import give_back, mark_read
from bot.protocols.link import Delivery, Link
from bot.protocols.outcomes import (
    MOST_FAILURES,
    Delivered,
    Dropped,
    Failed,
    Later,
    Outcome,
    Rejected,
    next_attempt,
)
from bot.protocols.routing import ROUTES
from bot.times import SECOND
from store.agents import agents
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.protocols import endpoint_deliveries, endpoints
from store.protocols.endpoints import Key
from store.tables.agents import AgentRow
from store.tables.protocols import AgentEndpointRow, EndpointDeliveryRow
from store.tasks import tasks

log = structlog.get_logger()

# Longer than a step takes that does not call `keep`. After it another process goes on.
TAKEN_FOR = 90 * SECOND
# Until an agent that is paused is looked at again.
PAUSED_FOR = 60 * SECOND
UNKNOWN = "its process ended before it recorded the last attempt"


@dataclass(frozen=True)
class Attempt:
    row: EndpointDeliveryRow
    endpoint: AgentEndpointRow
    actor: Actor
    now: int


async def deliver_next(link: Link, key: Key) -> bool:
    """Deliver what is due next for an endpoint. False if nothing is."""
    found = await link.store.write(partial(_begin, key=key))
    if not isinstance(found, Attempt):
        return found
    outcome = await attempt(link, found)
    link.after_send()
    await link.store.write(partial(_record, found=found, outcome=outcome))
    return True


async def attempt(link: Link, found: Attempt) -> Outcome:
    """One step of a delivery. Bugs of a module are failures of this delivery alone."""
    try:
        address = address_of(link.keys, found.endpoint)
    except Broken as exc:
        return Rejected(f"the stored address cannot be decrypted: {exc}")
    delivery = _delivery(link, found, address)
    try:
        return await ROUTES[found.endpoint["protocol"]].deliver(link, delivery)
    except Exception as exc:  # a bug: the other endpoints must go on
        log.exception("delivery failed", agent=found.row["agent_id"])
        return Failed(f"a bug in Hubbub: {type(exc).__name__}")


def _delivery(link: Link, found: Attempt, address: Address) -> Delivery:
    async def keep() -> bool:
        return await link.store.write(partial(_keep, found=found))

    return Delivery(found.row, found.endpoint, address, found.actor, found.now, keep)


async def _begin(tx: Tx, key: Key) -> Attempt | bool:
    """Take what is due next. True: something was due, and needs no attempt."""
    here, now = (tx, key["installation_id"], key["agent_id"]), await tx.now()
    endpoint = await endpoints.get(*here, lock=True)
    if endpoint is None or endpoint["state"] == "off" or endpoint["taken_until"] > now:
        return False
    row = await endpoint_deliveries.lock_next(*here)
    if row is None:
        await endpoints.let_go(*here)
        return False
    agent = await agents.get(*here)
    if not await _settle_early(tx, endpoint, row, agent):
        begun = await endpoint_deliveries.begin(tx, row)
        await endpoints.take(*here, now + TAKEN_FOR)
        return Attempt(begun, endpoint, await _actor(tx, endpoint, agent), now)
    await endpoints.let_go(*here)
    return True


async def _settle_early(
    tx: Tx, endpoint: AgentEndpointRow, row: EndpointDeliveryRow, agent: AgentRow | None
) -> bool:
    """Record what needs no attempt. False: it needs one."""
    died = row["state"] == "sending"
    record = partial(endpoint_deliveries.record, tx, row, failures=row["failures"])
    takes = ROUTES[endpoint["protocol"]].takes
    if agent is None or agent["left_at"] is not None or row["kind"] not in takes:
        return await record("dropped", error="the agent has left" if row["kind"] in takes else None)
    if agent["paused_at"] is not None:
        return await record("waiting", not_before=await tx.now() + PAUSED_FOR)
    found = await wanted.look(tx, endpoint, row)
    if found != "yes":
        return await record("delivered" if found == "done" else "dropped")
    if not died:
        return False
    row["failures"] += 1
    if row["failures"] >= MOST_FAILURES:
        return await _give_up(tx, row, UNKNOWN)
    await record("sending", failures=row["failures"], error=UNKNOWN)
    return False


async def _actor(tx: Tx, endpoint: AgentEndpointRow, agent: AgentRow | None) -> Actor:
    """The agent as it acts through its endpoint, in the repositories that it may use."""
    i, names = endpoint["installation_id"], endpoint["options"].get("repositories")
    role = agent["role"] if agent else "observer"
    if not names:
        return Actor(i, endpoint["agent_id"], role)
    rows = [await stored_repositories.repository(tx, i, each) for each in names]
    reach = frozenset(row["id"] for row in rows if row)
    return Actor(i, endpoint["agent_id"], role, reach)


async def _keep(tx: Tx, found: Attempt) -> bool:
    """Keep the endpoint for this process. False if another one has the delivery."""
    row = found.row
    here = (tx, row["installation_id"])
    now = await endpoint_deliveries.get(*here, row["id"])
    if now is None or (now["state"], now["attempts"]) != ("sending", row["attempts"]):
        return False
    await endpoints.take(*here, row["agent_id"], await tx.now() + TAKEN_FOR)
    return True


async def _record(tx: Tx, found: Attempt, outcome: Outcome) -> None:
    """Record how a step ended, unless another process has taken the delivery."""
    row = found.row
    here = (tx, row["installation_id"])
    if row["kind"] == "task":
        # Before the endpoint, as in all that locks both.
        await tasks.lock(*here, row["subject"])
    if await _record_step(tx, row, outcome):
        await endpoints.let_go(*here, row["agent_id"])


async def _record_step(tx: Tx, row: EndpointDeliveryRow, outcome: Outcome) -> bool:
    """False if another process has it."""
    here, now = (tx, row["installation_id"], row["agent_id"]), await tx.now()
    record = partial(endpoint_deliveries.record, tx, row)
    if isinstance(outcome, Dropped):
        return await record("dropped", error=outcome.why or None)
    if isinstance(outcome, Delivered | Later):
        known = {"remote_id": outcome.remote_id, "data": outcome.data}
        later = isinstance(outcome, Later)
        at = now + int(outcome.after_s * SECOND) if isinstance(outcome, Later) else None
        done = await record("waiting" if later else "delivered", not_before=at, **known)
        if done:
            await endpoints.record_success(*here)
            await mark_read(tx, row, later=later)
        return done
    failures = row["failures"] + 1
    again = next_attempt(outcome, failures, now) if isinstance(outcome, Failed) else None
    log.warning("not delivered", agent=row["agent_id"], reason=outcome.why)
    if again is None:
        return await _give_up(tx, row, outcome.why, outcome.data)
    more = {"failures": failures, "data": outcome.data, "error": outcome.why}
    done = await record("waiting", not_before=again, **more)
    if done:
        await endpoints.record_failure(*here, outcome.why, gives_up=False)
    return done


async def _give_up(tx: Tx, row: EndpointDeliveryRow, why: str, data: object = None) -> bool:
    """Record that it failed for good, and give the task to others."""
    failures = row["failures"]
    if not await endpoint_deliveries.record(
        tx, row, "failed", failures=failures, error=why, data=data
    ):
        return False
    here = (tx, row["installation_id"], row["agent_id"])
    await endpoints.record_failure(*here, why, gives_up=True)
    if row["kind"] == "task":
        await give_back(tx, row, f"{row['agent_id']} could not be reached: {why}")
    return True
