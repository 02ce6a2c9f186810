"""Whatever three agents do with their messages, the inboxes are as a few lines of Python say.

Hypothesis tells the story: sending, reading, marking, deleting, sending again, while time passes
and the reaper comes when it likes. HUBBUB_EXAMPLES sets how many stories there are.
"""

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from bot.messages import delivery
from store.engine.transaction import Store
from tests.support.engines import ON_MYSQL, ON_SQLITE
from tests.support.sampling import examples
from tests.support.story import Agent, Clock

WEEK_S = 7 * 24 * 3600
EXAMPLES = examples(8)
AGENTS = ("ada", "bob", "cyd")
PRIORITIES = ("low", "medium", "high")
TO = (*AGENTS, "everybody", "role:tester")
TTLS_S = (60, 80, 200, WEEK_S, WEEK_S)
VISIBLE_AGAIN_S = 60
MOST_ATTEMPTS = 5
MINUTE_S, HOUR_S = 60, 3600
State: TypeAlias = Literal["unread", "read", "dead", "deleted"]


# --- What ought to be: seconds, and plain lists ---------------------------------------------------


@dataclass
class Receipt:
    dies_at: float
    state: State = "unread"
    visible_at: float = 0
    attempts: int = 0


@dataclass
class Message:
    id: str
    sender: str
    priority: int
    receipts: dict[str, Receipt]
    taken_back: bool = False


@dataclass
class Model:
    """`dead`: of which message the sender was told that somebody's receipt died."""

    now: float = 0
    messages: list[Message] = field(default_factory=list)
    sent_at: dict[str, list[float]] = field(default_factory=lambda: {each: [] for each in AGENTS})
    dead: list[tuple[str, str]] = field(default_factory=list)

    def live(self, receipt: Receipt) -> bool:
        return receipt.state == "unread" and receipt.dies_at > self.now

    def unread(self, agent: str) -> list[Message]:
        """In the inbox's order; those in the agent's hands too."""
        mine = [m for m in self.messages if agent in m.receipts and self.live(m.receipts[agent])]
        return sorted(mine, key=lambda m: -m.priority)

    def may_send(self, agent: str) -> bool:
        return all(
            sum(at > self.now - seconds for at in self.sent_at[agent]) < most
            for seconds, most in ((MINUTE_S, 60), (HOUR_S, 600))
        )

    def send(self, message_id: str, sender: str, to: str, priority: int, ttl_s: int) -> list[str]:
        others = [each for each in AGENTS if each != sender]
        readers = {"everybody": others, "role:tester": others}.get(to, [to])
        receipts = {each: Receipt(self.now + ttl_s) for each in readers}
        self.messages.append(Message(message_id, sender, priority, receipts))
        self.sent_at[sender].append(self.now)
        return readers

    def get(self, agent: str, limit: int) -> list[tuple[str, int]]:
        """What is handed out, and how often it was."""
        found = [m for m in self.unread(agent) if m.receipts[agent].visible_at <= self.now][:limit]
        for message in found:
            receipt = message.receipts[agent]
            receipt.attempts += 1
            receipt.visible_at = self.now + VISIBLE_AGAIN_S
            if receipt.attempts == MOST_ATTEMPTS or receipt.dies_at < receipt.visible_at:
                receipt.dies_at = receipt.visible_at
        return [(message.id, message.receipts[agent].attempts) for message in found]

    def mark(self, agent: str, message: Message) -> bool:
        """Whether the agent has it."""
        receipt = message.receipts.get(agent)
        if receipt and receipt.state in ("unread", "dead"):
            receipt.state = "read"
        return receipt is not None

    def delete(self, agent: str, message: Message) -> bool:
        if message.sender == agent:
            message.taken_back = True
            for receipt in message.receipts.values():
                if receipt.state != "read":
                    receipt.state = "deleted"
        elif agent in message.receipts:
            message.receipts[agent].state = "deleted"
        else:
            return False
        return True

    def reap(self) -> None:
        for message in self.messages:
            for agent, receipt in message.receipts.items():
                if receipt.state == "unread" and not self.live(receipt):
                    receipt.state = "dead"
                    self.dead.append((message.id, agent))

    def resend(self, agent: str, message: Message) -> list[str] | None:
        """To whom; None where it is refused."""
        concerned = agent == message.sender or agent in message.receipts
        if message.taken_back or not concerned:
            return None
        again = [
            each
            for each, receipt in sorted(message.receipts.items())
            if receipt.state == "dead" and agent in (message.sender, each)
        ]
        for each in again:
            message.receipts[each] = Receipt(self.now + WEEK_S)
        return again

    def dead_letters(self, agent: str) -> list[str]:
        return [
            m.id
            for m in self.messages[::-1]
            if any(
                receipt.state == "dead" and agent in (m.sender, reader)
                for reader, receipt in m.receipts.items()
            )
        ]


# --- What is --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """`which` and `other` choose among what is there."""

    deed: str
    who: str
    which: int = 0
    other: int = 0
    ttl_s: int = WEEK_S


@dataclass
class Story:
    dispatcher: Dispatcher
    clock: Clock
    agents: dict[str, Agent]
    model: Model

    async def expire(self) -> None:
        here = self.agents["ada"].actor.installation_id
        while await self.dispatcher.store.write(lambda tx: delivery.expire(tx, here, 7)):
            pass


Deed = Callable[[Story, Step], Awaitable[None]]


async def send(s: Story, step: Step) -> None:
    to, priority = TO[step.which % len(TO)], step.other % 3
    given = {"to": to, "priority": PRIORITIES[priority], "ttl_s": step.ttl_s, "body": "x"}
    if not s.model.may_send(step.who):
        assert (await s.agents[step.who].refusal("send_message", **given)).code == "rate_limited"
        return
    answer = await s.agents[step.who].call("send_message", **given)
    expected = s.model.send(answer["message_id"], step.who, to, priority, step.ttl_s)
    assert answer["recipients"] == expected


async def send_many(s: Story, step: Step) -> None:
    for n in range(35):
        await send(s, Step("send", step.who, step.which + n, step.other + n, step.ttl_s))


async def get(s: Story, step: Step) -> None:
    limit = (2, 5, 100)[step.which % 3]
    answer = await s.agents[step.who].call("get_messages", limit=limit)
    found = [(each["id"], each["attempts"]) for each in answer["messages"]]
    assert found == s.model.get(step.who, limit)
    assert answer["unread"] == len(s.model.unread(step.who))


def of(s: Story, step: Step) -> Message | None:
    """Recent ones more often."""
    return s.model.messages[-1 - step.which % len(s.model.messages)] if s.model.messages else None


async def mark(s: Story, step: Step) -> None:
    if (message := of(s, step)) is None:
        return
    had = s.model.mark(step.who, message)
    given = {"message_id": [message.id] if step.other % 2 else message.id}
    if had:
        answer = await s.agents[step.who].call("mark_message_read", **given)
        assert answer["unread"] == len(s.model.unread(step.who))
    else:
        refused = await s.agents[step.who].refusal("mark_message_read", **given)
        assert refused.code == "unknown_message"


async def delete(s: Story, step: Step) -> None:
    if (message := of(s, step)) is None:
        return
    if s.model.delete(step.who, message):
        await s.agents[step.who].call("delete_message", message_id=message.id)
    else:
        refused = await s.agents[step.who].refusal("delete_message", message_id=message.id)
        assert refused.code == "unknown_message"


async def resend(s: Story, step: Step) -> None:
    await reap(s, step)
    dead = s.model.dead_letters(step.who)
    everything = [m.id for m in s.model.messages]
    if not everything:
        return
    chosen = (dead or everything)[step.which % len(dead or everything)]
    message = next(m for m in s.model.messages if m.id == chosen)
    expected = s.model.resend(step.who, message)
    if expected is None:
        refused = await s.agents[step.who].refusal("resend_message", message_id=chosen)
        assert refused.code == "unknown_message"
    else:
        answer = await s.agents[step.who].call("resend_message", message_id=chosen)
        assert answer["recipients"] == expected


async def reap(s: Story, _: Step) -> None:
    await s.expire()
    s.model.reap()


async def pass_time(s: Story, step: Step) -> None:
    await forward(s, (1, 30, 45, 45, 45, 61, 61, 250, HOUR_S, WEEK_S)[step.which])


async def forward(s: Story, seconds: int) -> None:
    s.clock.forward(seconds)
    s.model.now += seconds


async def heed_nothing(s: Story, step: Step) -> None:
    """One reads and reads, and marks nothing."""
    for _ in range(1 + step.other):
        await get(s, step)
        await forward(s, VISIBLE_AGAIN_S)


async def read_late(s: Story, step: Step) -> None:
    """One has it in hand when its time is over, and marks it when it is dead."""
    await send(s, Step("send", step.who, step.which, step.other, MINUTE_S))
    for seconds in (45, 45, VISIBLE_AGAIN_S):
        await forward(s, seconds)
        for name in AGENTS:
            await get(s, Step("get", name, 2))
    await resend(s, step)
    await mark(s, Step("mark", AGENTS[step.other % 3]))
    await resend(s, step)
    await get(s, step)


async def look(s: Story, step: Step) -> None:
    """Neither list nor peek changes anything."""
    await reap(s, step)
    for name, agent in s.agents.items():
        dead = await agent.call("get_messages", state="dead", limit=100)
        assert [each["id"] for each in dead["messages"]] == s.model.dead_letters(name)[:100]
        there = await agent.call("get_messages", state="peek", limit=100)
        assert [each["id"] for each in there["messages"]] == [
            m.id for m in s.model.unread(name)[:100]
        ]


DEEDS: dict[str, Deed] = {
    each.__name__: each
    for each in (
        send,
        send_many,
        get,
        mark,
        delete,
        resend,
        reap,
        pass_time,
        heed_nothing,
        read_late,
        look,
    )
}
# What makes a story is told more often.
TOLD = ("send", "send", "send", "get", "get", "mark", "pass_time", "resend", *DEEDS)
# Lists without a least size are short.
STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(TOLD),
        st.sampled_from(AGENTS),
        st.integers(0, 9),
        st.integers(0, 5),
        st.sampled_from(TTLS_S),
    ),
    min_size=10,
    max_size=30,
)


async def begin(store: Store, clock: Clock) -> Story:
    dispatcher = Dispatcher(store, Shared(Keys(secrets.token_hex(32))))
    installation_id = secrets.randbelow(2**52)
    story = Story(dispatcher, clock, {}, Model())
    for name in AGENTS:
        story.agents[name] = Agent(dispatcher, Actor(installation_id, name, "tester"))
        await story.agents[name].call("register_agent", agent_id=name, name=name)
    return story


async def nothing_is_lost(s: Story) -> None:
    """All that is unread is handed out in the end, and each death was told to the sender."""
    await look(s, Step("look", "ada"))
    await forward(s, VISIBLE_AGAIN_S)
    for name in AGENTS:
        while s.model.unread(name):
            before = len(s.model.unread(name))
            await get(s, Step("get", name, 2))
            for message in s.model.unread(name)[:100]:
                await mark(s, Step("mark", name, s.model.messages[::-1].index(message)))
            assert len(s.model.unread(name)) < before
    await reap(s, Step("reap", "ada"))
    here = s.agents["ada"].actor.installation_id
    q = (
        "SELECT subject, audience, data FROM events "
        "WHERE installation_id = :i AND kind = 'message.dead'"
    )
    told = await s.dispatcher.store.read(lambda tx: tx.all(q, i=here))
    sender = {m.id: m.sender for m in s.model.messages}
    assert all(sender[row["subject"]] == row["audience"] for row in told)
    found = sorted((row["subject"], each) for row in told for each in _names(row["data"]))
    assert found == sorted(s.model.dead)


def _names(data: str) -> list[str]:
    found: list[str] = json.loads(data)["recipients"]
    return found


STORIES = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


@pytest.mark.timeout(max(180, 10 * EXAMPLES))
@ON_SQLITE
@STORIES
@given(steps=STEPS)
async def test_inboxes_are_as_the_model_says_whatever_agents_do(
    store: Store, clock: Clock, steps: list[Step]
) -> None:
    await play(store, clock, steps)


@pytest.mark.timeout(max(180, 10 * EXAMPLES))
@ON_MYSQL
@settings(STORIES, max_examples=examples(2))
@given(steps=STEPS)
async def test_inboxes_are_as_the_model_says_whatever_agents_do_on_mysql(
    store: Store, clock: Clock, steps: list[Step]
) -> None:
    await play(store, clock, steps)


async def play(store: Store, clock: Clock, steps: list[Step]) -> None:
    s = await begin(store, clock)
    for step in steps:
        await DEEDS[step.deed](s, step)
    await nothing_is_lost(s)
