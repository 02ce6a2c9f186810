"""Messages: to whom they go, in which order they come, when they die, what they wake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from bot.background.retention import DAY, RetentionTimes
from bot.background.retention import step as forget
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.messages import delivery
from store.engine import ids
from store.engine.database import open_store
from store.engine.transaction import Store, Tx, Work
from store.messages import mailbox, messages
from store.messages.dead_letters import WINDOW
from tests.support.engines import ON_SQLITE
from tests.support.office import Office, bodies, leaves, send
from tests.support.patience import LONG_S, SOON_S
from tests.support.server_in_process import Surface
from tests.support.story import Agent, Clock, Workspace

T = TypeVar("T")
WEEK_S = 7 * 24 * 3600


async def crowd(office: Office, n: int) -> list[str]:
    """So many agents, without a call of each."""
    names = [f"crowd-{each:04d}" for each in range(n)]
    row = {"i": office.installation_id}
    statement = (
        "INSERT INTO agents (installation_id, id, name, system_name, role, capabilities, "
        "registered_at, last_active_at) VALUES (:i, :a, 'x', '', 'tester', '[\"go:2\"]', 0, 0)"
    )
    await office.store.write(lambda tx: tx.many(statement, [row | {"a": each} for each in names]))
    return names


# --- To whom --------------------------------------------------------------------------------------


@ON_SQLITE
async def test_a_message_reaches_a_role_a_capability_or_everybody_but_its_sender(
    office: Office,
) -> None:
    ada = await office.agent("ada", "developer", "python:3")
    await office.agent("bob", "developer", "python:2")
    await office.agent("cyd", "tester", "python:4", "rust")
    await office.agent("dan", "observer")
    expected = {
        "role:developer": ["bob"],
        "capability:python": ["bob", "cyd"],
        "capability:python:3": ["cyd"],
        "capability:rust": ["cyd"],
        "everybody": ["bob", "cyd", "dan"],
        "ada": ["ada"],
        "dan": ["dan"],
    }
    found = {to: (await ada.call("send_message", to=to, body="x"))["recipients"] for to in expected}
    assert found == expected


async def test_a_message_to_a_group_reaches_agents_that_register_while_it_is_valid(
    office: Office,
) -> None:
    ada = await office.agent("ada", "developer", "python:3")
    await office.agent("bob", "developer", "python:3")
    for to in ("everybody", "role:developer", "capability:python:3", "bob"):
        await send(ada, to, f"to {to}")
    await send(ada, "everybody", "too old", ttl_s=60)
    withdrawn = await send(ada, "everybody", "withdrawn")
    await ada.call("delete_message", message_id=withdrawn)
    await office.time_passes(61)
    cyd = await office.agent("cyd", "developer", "python:4")
    dan = await office.agent("dan", "observer", "python:2")
    found = (await cyd.call("get_messages"))["messages"]
    assert [each["body"] for each in found] == [
        "to everybody",
        "to role:developer",
        "to capability:python:3",
    ]
    assert await bodies(dan) == ["to everybody"]
    await cyd.call("mark_message_read", message_id=[each["id"] for each in found])
    await leaves(office, "cyd")
    await send(ada, "everybody", "meanwhile")
    cyd = await office.agent("cyd", "developer", "python:4")
    assert await bodies(cyd) == ["meanwhile"]
    assert await bodies(await office.agent("ada")) == []


@ON_SQLITE
async def test_an_agent_that_registers_gets_the_newest_20_messages_to_everybody(
    office: Office,
) -> None:
    ada, _ = await office.agent("ada"), await office.agent("bob")
    for n in range(21):
        await send(ada, "everybody", f"{n}")
    cyd = await office.agent("cyd")
    assert await bodies(cyd) == [f"{n}" for n in range(1, 21)]


async def test_who_has_left_gets_nothing_and_sends_nothing(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    await office.agent("cyd")
    await leaves(office, "bob")
    told = await ada.call("send_message", to="everybody", body="x")
    assert told["recipients"] == ["cyd"]
    refused = await ada.refusal("send_message", to="bob", body="x")
    assert (refused.code, "has left" in refused.message) == ("unknown_agent", True)
    assert (await bob.refusal("send_message", to="ada", body="x")).code == "not_registered"


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("nobody", "unknown_agent"),
        ("role:tech-lead", "unknown_agent"),
        ("capability:cobol", "unknown_agent"),
        ("role:king", "invalid_arguments"),
        ("@octocat", "unknown_message"),
        ("", "invalid_arguments"),
    ],
)
@ON_SQLITE
async def test_a_message_to_nobody_is_refused(office: Office, to: str, code: str) -> None:
    ada = await office.agent("ada")
    await office.agent("bob")
    assert (await ada.refusal("send_message", to=to, body="x")).code == code
    assert await office.rows("SELECT id FROM messages WHERE installation_id = :i") == []


@pytest.mark.parametrize("wrong", ["python:high", "python:6", "python:٣", "Python", "python:3:3"])
@ON_SQLITE
async def test_what_is_no_capability_is_said_when_somebody_writes_to_it(
    office: Office, wrong: str
) -> None:
    ada = await office.agent("ada")
    await office.agent("bob", "developer", "python:3")
    refused = await ada.refusal("send_message", to=f"capability:{wrong}", body="x")
    assert refused.code == "invalid_arguments"
    assert f"{wrong!r} is not a capability" in refused.message


@ON_SQLITE
async def test_an_unregistered_sender_is_told_to_register(office: Office) -> None:
    await office.agent("bob")
    stranger = Agent(office.dispatcher, Actor(office.installation_id, "stranger", "developer"))
    assert (await stranger.refusal("send_message", to="bob", body="x")).code == "not_registered"


@ON_SQLITE
async def test_an_observer_reads_messages_and_sends_none(office: Office) -> None:
    ada, eye = await office.agent("ada"), await office.agent("eye", "observer")
    await send(ada, "eye", "look")
    assert await bodies(eye) == ["look"]
    assert (await eye.refusal("send_message", to="ada", body="x")).code == "forbidden"


@ON_SQLITE
async def test_a_person_may_send_and_is_named_as_the_sender(office: Office) -> None:
    bob = await office.agent("bob")
    octocat = Agent(office.dispatcher, Actor(office.installation_id, "@octocat", "tester"))
    await octocat.call("send_message", to="bob", body="Well done")
    (message,) = (await bob.call("get_messages"))["messages"]
    assert (message["sender"], message["body"]) == ("@octocat", "Well done")
    await bob.call("mark_message_read", message_id=message["id"])
    (event,) = await office.events("message.read")
    assert event["audience"] == "@octocat"


async def test_two_thousand_agents_are_told_at_once_by_one_event(office: Office) -> None:
    ada = await office.agent("ada")
    names = await crowd(office, 2000)
    told = await ada.call("send_message", to="capability:go", body="x")
    assert (told["count"], told["recipients"]) == (2000, names[:50])
    receipts = await office.rows("SELECT agent_id FROM receipts WHERE installation_id = :i")
    assert sorted(row["agent_id"] for row in receipts) == names
    (event,) = await office.events("message.sent")
    assert (event["audience"], event["data"]["sender"]) == (None, "ada")
    last = Agent(office.dispatcher, Actor(office.installation_id, names[-1], "tester"))
    assert await bodies(last) == ["x"]


# --- Bounds ---------------------------------------------------------------------------------------


async def test_a_body_may_have_twenty_thousand_characters(office: Office) -> None:
    ada = await office.agent("ada")
    await send(ada, "ada", "é" * 20_000)
    refused = await ada.refusal("send_message", to="ada", body="é" * 20_001)
    assert refused.code == "invalid_arguments"
    assert (await ada.refusal("send_message", to="ada", body="")).code == "invalid_arguments"
    assert await bodies(ada) == ["é" * 20_000]


@ON_SQLITE
async def test_a_message_lives_from_a_minute_to_thirty_days(office: Office) -> None:
    ada = await office.agent("ada")
    for ttl_s in (60, 30 * 24 * 3600):
        await send(ada, "ada", ttl_s=ttl_s)
    for ttl_s in (59, 30 * 24 * 3600 + 1):
        refused = await ada.refusal("send_message", to="ada", body="x", ttl_s=ttl_s)
        assert refused.code == "invalid_arguments"


@ON_SQLITE
async def test_who_sends_more_than_sixty_in_a_minute_is_told_when_to_go_on(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    for _ in range(60):
        await send(ada, "ada")
    office.clock.forward(20)
    refused = await ada.refusal("send_message", to="ada", body="x")
    assert (refused.code, refused.status) == ("rate_limited", 429)
    used = {"quota": "messages_a_minute", "of": "agent", "most": 60, "used": 60}
    assert refused.details == {"retry_after_s": 40, **used}
    await send(bob, "ada")
    office.clock.forward(40)
    await send(ada, "ada")


async def test_nobody_sends_more_than_six_hundred_in_an_hour(office: Office) -> None:
    ada = await office.agent("ada")
    statement = (
        "INSERT INTO messages (installation_id, id, seq, thread_id, sender, recipient, priority, "
        "body, sent_at) VALUES (:i, :m, 0, '', 'ada', 'ada', 0, '', :at)"
    )
    first = office.clock()
    row = {"i": office.installation_id}
    rows = [row | {"m": f"m_{n}", "at": first + n * 5_000_000} for n in range(600)]
    await office.store.write(lambda tx: tx.many(statement, rows))
    office.clock.forward(3000)
    refused = await ada.refusal("send_message", to="ada", body="x")
    used = {"quota": "messages_an_hour", "of": "agent", "most": 600, "used": 600}
    assert (refused.code, refused.details) == ("rate_limited", {"retry_after_s": 600, **used})
    office.clock.forward(600)
    await send(ada, "ada")


async def test_a_sender_s_calls_at_once_do_not_pass_the_bound(office: Office) -> None:
    ada = await office.agent("ada")
    for _ in range(55):
        await send(ada, "ada")

    async def outcome() -> str:
        try:
            await send(ada, "ada")
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is compared below
            return getattr(exc, "code", repr(exc))
        return "sent"

    found = await asyncio.gather(*(outcome() for _ in range(20)))
    assert sorted(found) == ["rate_limited"] * 15 + ["sent"] * 5


async def fill(office: Office, agent_id: str, n: int) -> None:
    """So many unread messages."""
    row = {"i": office.installation_id, "a": agent_id}
    statement = (
        "INSERT INTO receipts (installation_id, agent_id, message_id, state, priority, seq, "
        "expires_at) VALUES (:i, :a, :m, 'pending', 0, 0, NULL)"
    )
    rows = [row | {"m": f"m_{each}"} for each in range(n)]
    await office.store.write(lambda tx: tx.many(statement, rows))


async def test_an_inbox_holds_a_thousand_unread_messages_and_no_more(office: Office) -> None:
    ada = await office.agent("ada")
    await office.agent("bob")
    await office.agent("cyd")
    await fill(office, "bob", 999)
    await send(ada, "bob")
    refused = await ada.refusal("send_message", to="bob", body="x")
    assert (refused.code, refused.details) == ("inbox_full", {"full": ["bob"]})
    told = await ada.call("send_message", to="everybody", body="x")
    assert (told["recipients"], told["count"], told["full"]) == (["cyd"], 1, ["bob"])


async def test_an_answer_hands_out_no_more_than_an_agent_can_take_in(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    for n in range(7):
        await send(ada, "bob", str(n) * 20_000)
    assert [each[0] for each in await bodies(bob, limit=100)] == ["0", "1", "2", "3", "4"]
    assert [each[0] for each in await bodies(bob, limit=100)] == ["5", "6"]


# --- In which order, and how often ----------------------------------------------------------------


async def test_the_inbox_is_by_priority_then_age(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    for priority, body in (
        ("low", "a"),
        ("medium", "b"),
        ("high", "c"),
        ("medium", "d"),
        ("high", "e"),
        ("low", "f"),
    ):
        await send(ada, "bob", body, priority=priority)
    assert await bodies(bob, limit=4) == ["c", "e", "b", "d"]
    assert await bodies(bob) == ["a", "f"]
    assert await bodies(bob) == []


async def test_a_message_comes_again_after_a_minute_until_it_is_read(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    message = await send(ada, "bob", "once more")
    assert await bodies(bob) == ["once more"]
    office.clock.forward(59)
    assert await bodies(bob) == []
    office.clock.forward(1)
    (again,) = (await bob.call("get_messages"))["messages"]
    assert (again["id"], again["attempts"]) == (message, 2)
    assert (await bob.call("mark_message_read", message_id=message))["unread"] == 0
    office.clock.forward(3600)
    assert await bodies(bob) == []


@ON_SQLITE
async def test_peeking_takes_nothing(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    await send(ada, "bob", "later")
    await send(ada, "bob", "first", priority="high")
    for _ in range(2):
        assert await bodies(bob, state="peek") == ["first", "later"]
    assert await bodies(bob, limit=1) == ["first"]
    assert await bodies(bob, state="peek") == ["first", "later"]
    assert await bodies(bob) == ["later"]


async def test_marking_is_for_many_and_for_as_often_as_one_likes(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    ids = [await send(ada, "bob", str(n)) for n in range(3)]
    for _ in range(2):
        marked = await bob.call("mark_message_read", message_id=ids[:2])
        assert (marked["marked"], marked["unread"]) == (ids[:2], 1)
    assert await bodies(bob) == ["2"]
    read = await office.events("message.read")
    assert [(row["subject"], row["actor"], row["audience"]) for row in read] == [
        (each, "bob", "ada") for each in ids[:2]
    ]


async def test_marking_with_one_unknown_message_marks_none(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    mine, others = await send(ada, "bob"), await send(ada, "ada")
    refused = await bob.refusal("mark_message_read", message_id=[mine, others])
    assert (refused.code, refused.details) == ("unknown_message", {"unknown": [others]})
    assert len(await bodies(bob)) == 1
    for wrong in ([], ["m"] * 101):
        refused = await bob.refusal("mark_message_read", message_id=wrong)
        assert refused.code == "invalid_arguments"


async def test_readers_of_one_inbox_at_once_do_not_get_the_same(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    ids = [await send(ada, "bob", str(n)) for n in range(40)]
    handed: list[str] = []
    while len(handed) < len(ids):
        answers = await asyncio.gather(*(bob.call("get_messages", limit=3) for _ in range(8)))
        new = [each["id"] for answer in answers for each in answer["messages"]]
        assert new
        handed += new
    assert sorted(handed) == sorted(ids)


async def test_what_is_marked_read_while_it_is_handed_out_never_comes_again(
    office: Office,
) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    ids = [await send(ada, "bob", str(n)) for n in range(30)]
    for some in (ids[:15], ids[15:]):
        marks = [bob.call("mark_message_read", message_id=each) for each in some]
        gets = [bob.call("get_messages", limit=6) for _ in range(5)]
        all_of_them = bob.call("mark_message_read", message_id=some)
        await asyncio.gather(*marks[:7], *gets, *marks[7:], all_of_them)
        office.clock.forward(61)
        seen = {each["id"] for each in (await bob.call("get_messages", limit=100))["messages"]}
        assert seen == set(ids[15:]) - set(some)
        office.clock.forward(61)
    assert len(await office.events("message.read")) == 30


async def test_a_message_whose_sender_still_holds_its_lock_is_waited_for_on_mysql(
    migrated_mysql_url: str, clock: Clock, installation_id: int
) -> None:
    """MySQL shows what a transaction committed a moment before it ends its locks."""
    store = await open_store(migrated_mysql_url, clock)
    office = Office(store, clock, installation_id)
    ada, bob = await office.agent("ada"), await office.agent("bob")
    await send(ada, "bob", "read me")
    q = (
        "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE db = DATABASE() "
        "AND info LIKE '%FROM receipts%FOR UPDATE'"
    )

    async def hold(tx: Tx) -> asyncio.Task[list[str]]:
        await tx.all("SELECT * FROM receipts WHERE installation_id = :i FOR UPDATE", i=here)
        reading = asyncio.create_task(bodies(bob))
        while not reading.done() and not (await tx.one(q) or {"n": 0})["n"]:
            pass
        return reading

    here = installation_id
    async with asyncio.timeout(SOON_S):
        assert await (await store.write(hold)) == ["read me"]
    await store.close()


class SendingBetween:
    """A store in which a message is sent between a look for messages and what follows it."""

    def __init__(self, store: Store, send: Callable[[], Awaitable[Any]]) -> None:
        self._store = store
        self._send: Callable[[], Awaitable[Any]] | None = send

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read(self, work: Work[T]) -> T:
        found = await self._store.read(work)
        if found is False and self._send is not None:  # a look that found no message
            send, self._send = self._send, None
            await send()
        return found


async def test_a_message_that_comes_right_after_a_look_is_handed_out(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    between = SendingBetween(office.store, lambda: send(ada, "bob", "in time"))
    own = Dispatcher(cast("Store", between), office.dispatcher.shared, look_every_s=0.01)
    async with asyncio.timeout(SOON_S):
        assert await bodies(Agent(own, bob.actor), wait_s=LONG_S) == ["in time"]


async def test_who_waits_is_handed_a_message_as_soon_as_it_is_sent(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    waiting = asyncio.create_task(bob.call("get_messages", wait_s=LONG_S))
    await asyncio.sleep(0)
    await send(ada, "bob", "wake up")
    async with asyncio.timeout(SOON_S):
        assert [each["body"] for each in (await waiting)["messages"]] == ["wake up"]


async def test_lists_are_not_waited_for(office: Office) -> None:
    ada = await office.agent("ada")
    async with asyncio.timeout(SOON_S):
        for state in ("peek", "dead", "sent"):
            assert await bodies(ada, state=state, wait_s=50) == []


# --- Dead letters ---------------------------------------------------------------------------------


async def test_a_message_that_nobody_reads_in_time_is_a_dead_letter_to_both(
    office: Office,
) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    message = await send(ada, "bob", "soon over", ttl_s=60)
    await send(ada, "bob", "lasts")
    await office.time_passes(61)
    assert await bodies(bob) == ["lasts"]
    for who in (ada, bob):
        (dead,) = (await who.call("get_messages", state="dead"))["messages"]
        assert (dead["id"], dead["body"]) == (message, "soon over")
        assert dead["receipts"] == [
            {"agent": "bob", "state": "dead", "why": "expired", "read_at": None}
        ]
    (event,) = await office.events("message.dead")
    assert (event["subject"], event["audience"]) == (message, "ada")
    assert event["data"] == {
        "message": message,
        "thread": message,
        "sender": "ada",
        "priority": "medium",
        "task": None,
        "why": "expired",
        "recipients": ["bob"],
        "count": 1,
    }


@ON_SQLITE
async def test_what_is_over_is_not_handed_out_though_no_reaper_came_yet(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    await send(ada, "bob", ttl_s=60)
    office.clock.forward(61)
    answer = await bob.call("get_messages")
    assert (answer["messages"], answer["unread"]) == ([], 0)


async def test_a_message_that_was_handed_out_five_times_in_vain_is_undelivered(
    office: Office,
) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    message = await send(ada, "bob", "hear me")
    for n in range(1, 6):
        (given,) = (await bob.call("get_messages"))["messages"]
        assert given["attempts"] == n
        await office.time_passes(59)
        assert await office.events("message.dead") == []
        await office.time_passes(1)
    assert await bodies(bob) == []
    (dead,) = (await ada.call("get_messages", state="dead"))["messages"]
    assert (dead["id"], dead["receipts"][0]["why"]) == (message, "undelivered")
    (event,) = await office.events("message.dead")
    assert event["data"]["why"] == "undelivered"


async def test_a_message_does_not_die_in_its_reader_s_hands(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    message = await send(ada, "bob", ttl_s=60)
    office.clock.forward(50)
    assert len(await bodies(bob)) == 1
    await office.time_passes(59)
    assert (await bob.call("get_messages", state="peek"))["unread"] == 1
    await bob.call("mark_message_read", message_id=message)
    await office.time_passes(3600)
    assert await bodies(ada, state="dead") == []


async def test_what_a_late_reader_marks_is_no_dead_letter_any_more(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    message = await send(ada, "bob", ttl_s=60)
    await office.time_passes(61)
    await bob.call("mark_message_read", message_id=message)
    assert await bodies(ada, state="dead") == []
    again = await ada.call("resend_message", message_id=message)
    assert again["count"] == 0
    assert await bodies(bob) == []


async def test_a_dead_letter_is_sent_again_to_those_who_did_not_read_it(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    cyd = await office.agent("cyd")
    message = await send(ada, "everybody", "twice", ttl_s=60, priority="high")
    await cyd.call("mark_message_read", message_id=message)
    assert await bodies(bob) == ["twice"]
    await office.time_passes(61)
    again = await ada.call("resend_message", message_id=message)
    assert (again["message_id"], again["recipients"]) == (message, ["bob"])
    assert await bodies(cyd) == []
    (given,) = (await bob.call("get_messages"))["messages"]
    assert (given["id"], given["attempts"], given["priority"]) == (message, 1, "high")
    told = [row["audience"] for row in await office.events("message.sent")]
    assert told == ["bob", "cyd", "bob"]
    await office.time_passes(WEEK_S - 1)
    assert await bodies(bob, state="dead") == []
    await office.time_passes(1)
    assert await bodies(bob, state="dead") == ["twice"]


async def test_a_dead_letter_is_sent_again_by_its_sender_its_reader_or_a_tech_lead(
    office: Office,
) -> None:
    ada, bob, cyd = [await office.agent(name) for name in ("ada", "bob", "cyd")]
    eve, lead = await office.agent("eve"), await office.agent("lead", "tech-lead")
    first = await send(ada, "bob", ttl_s=60)
    both = await send(cyd, "everybody", ttl_s=60)
    await office.time_passes(61)
    assert (await eve.refusal("resend_message", message_id=first)).code == "unknown_message"
    assert (await bob.call("resend_message", message_id=both))["recipients"] == ["bob"]
    assert (await lead.call("resend_message", message_id=first))["recipients"] == ["bob"]
    assert (await cyd.call("resend_message", message_id=both))["recipients"] == [
        "ada",
        "eve",
        "lead",
    ]
    assert (await ada.refusal("resend_message", message_id="m_0")).code == "unknown_message"


async def test_what_is_sent_again_to_one_lives_no_shorter_for_others(office: Office) -> None:
    ada, bob = await office.agent("ada", "developer"), await office.agent("bob", "tester", "go")
    cyd = await office.agent("cyd", "tester", "go")
    message = await send(ada, "capability:go", ttl_s=30 * 24 * 3600)
    for _ in range(mailbox.MOST_ATTEMPTS):
        assert await bodies(bob) == ["x"]
        await office.time_passes(61)
    assert (await ada.call("resend_message", message_id=message))["recipients"] == ["bob"]
    (row,) = await office.rows(
        "SELECT sent_at, expires_at FROM messages WHERE installation_id = :i"
    )
    assert row["expires_at"] - row["sent_at"] == 30 * 24 * 3600 * 1_000_000
    await office.time_passes(29 * 24 * 3600)
    assert (await bodies(bob), await bodies(cyd)) == ([], ["x"])


async def test_nothing_is_sent_again_to_who_left_or_is_full(office: Office) -> None:
    ada = await office.agent("ada")
    for name in ("bob", "cyd", "dan"):
        await office.agent(name)
    message = await send(ada, "everybody", ttl_s=60)
    await office.time_passes(61)
    await leaves(office, "bob")
    await fill(office, "cyd", 1000)
    again = await ada.call("resend_message", message_id=message)
    assert (again["recipients"], again["full"]) == (["dan"], ["cyd"])
    refused = await ada.refusal("resend_message", message_id=message)
    assert refused.code == "inbox_full"


async def test_a_tech_lead_sees_every_dead_letter_and_others_their_own(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    eve, lead = await office.agent("eve"), await office.agent("lead", "tech-lead")
    await send(ada, "bob", "one", ttl_s=60)
    await send(bob, "ada", "two", ttl_s=60)
    await send(bob, "eve", "three", ttl_s=60)
    await office.time_passes(61)
    assert await bodies(lead, state="dead") == ["three", "two", "one"]
    assert await bodies(ada, state="dead") == ["two", "one"]
    assert await bodies(eve, state="dead") == ["three"]


async def test_a_page_of_one_s_dead_letters_looks_at_a_thousand_messages(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    await send(ada, "bob", "older", ttl_s=60)
    await send(bob, "ada", "to ada", ttl_s=60)
    await office.time_passes(61)
    row = {"i": office.installation_id, "who": "ada"}
    statement = (
        "INSERT INTO messages (installation_id, id, seq, thread_id, sender, recipient, priority, "
        "body, sent_at) VALUES (:i, :m, 0, 'x', :who, 'bob', 0, 'read', :at)"
    )
    at = [office.clock() for _ in range(WINDOW)]
    read = [row | {"m": ids.new("m", each), "at": each} for each in at]
    await office.store.write(lambda tx: tx.many(statement, read[2:]))
    assert await pages(ada, state="dead") == [["to ada", "older"]]
    await office.store.write(lambda tx: tx.many(statement, read[:2]))
    office.clock.forward(3600)
    await send(ada, "bob", "newer", ttl_s=60)
    await office.time_passes(61)
    assert await pages(ada, state="dead") == [["newer"], ["to ada", "older"]]
    assert await pages(ada, state="dead", limit=1) == [["newer"], ["to ada"], ["older"]]


@ON_SQLITE
async def test_a_reader_of_a_dead_letter_does_not_see_who_else_got_it(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    await office.agent("cyd")
    await send(ada, "everybody", ttl_s=60)
    await office.time_passes(61)
    seen = {}
    for who in (ada, bob):
        (dead,) = (await who.call("get_messages", state="dead"))["messages"]
        seen[who.actor.name] = [each["agent"] for each in dead["receipts"]]
    assert seen == {"ada": ["bob", "cyd"], "bob": ["bob"]}


async def test_the_reaper_works_in_small_batches(office: Office) -> None:
    ada = await office.agent("ada")
    await crowd(office, 25)
    await send(ada, "everybody", ttl_s=60)
    office.clock.forward(61)

    async def dead() -> int:
        q = "SELECT agent_id FROM receipts WHERE installation_id = :i AND state = 'dead'"
        return len(await office.rows(q))

    def some(tx: Tx) -> Any:
        return delivery.expire(tx, office.installation_id, 10)

    counts = []
    while await office.store.write(some):
        counts.append(await dead())
    assert max(counts) == 25
    named = [row["data"]["count"] for row in await office.events("message.dead")]
    assert sum(named) == 25
    assert max(named) <= 10


# --- Threads, and what was sent -------------------------------------------------------------------


async def test_a_reply_continues_the_thread_and_those_who_took_part_read_all_of_it(
    office: Office,
) -> None:
    ada, bob, eve = [await office.agent(name) for name in ("ada", "bob", "eve")]
    first = await send(ada, "bob", "one")
    answer = await bob.call("send_message", to="ada", body="two", reply_to=first)
    assert answer["thread_id"] == first
    third = await ada.call("send_message", to="bob", body="three", reply_to=answer["message_id"])
    assert third["thread_id"] == first
    for who in (ada, bob):
        assert await bodies(who, thread_id=first) == ["one", "two", "three"]
    assert await bodies(bob) == ["one", "three"]
    assert (await eve.refusal("get_messages", thread_id=first)).code == "unknown_message"
    refused = await eve.refusal("send_message", to="ada", body="x", reply_to=first)
    assert refused.code == "unknown_message"


async def pages(agent: Agent, **asked: Any) -> list[list[str]]:
    found, cursor = [], None
    while True:
        page = await agent.call("get_messages", cursor=cursor, **asked)
        found.append([each["body"] for each in page["messages"]])
        if (cursor := page["next_cursor"]) is None:
            return found


async def test_lists_are_paged_from_the_newest_on(office: Office) -> None:
    ada = await office.agent("ada")
    first = await send(ada, "ada", "0", ttl_s=60)
    for n in range(1, 5):
        await send(ada, "ada", str(n), reply_to=first, ttl_s=60)
    thread = await pages(ada, thread_id=first, limit=2)
    assert thread == [["3", "4"], ["1", "2"], ["0"]]
    assert await pages(ada, state="sent", limit=2) == [["4", "3"], ["2", "1"], ["0"]]
    await office.time_passes(61)
    assert await pages(ada, state="dead", limit=2) == [["4", "3"], ["2", "1"], ["0"]]


async def test_a_sender_sees_what_became_of_what_it_sent(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    cyd = await office.agent("cyd")
    await office.agent("dan")
    message = await send(ada, "everybody", "all")
    await bob.call("mark_message_read", message_id=message)
    await cyd.call("get_messages")
    became = {"bob": "read", "cyd": "pending", "dan": "pending"}
    (shown,) = (await ada.call("get_messages", state="sent"))["messages"]
    assert {each["agent"]: each["state"] for each in shown["receipts"]} == became
    await cyd.call("list_agents")  # now it is sure that the answer before arrived
    (shown,) = (await ada.call("get_messages", thread_id=message))["messages"]
    assert {each["agent"]: each["state"] for each in shown["receipts"]} == {
        **became,
        "cyd": "delivered",
    }
    (shown,) = (await bob.call("get_messages", thread_id=message))["messages"]
    assert shown["receipts"] == []
    assert await bodies(bob, state="sent") == []


# --- Taken back -----------------------------------------------------------------------------------


async def test_a_message_taken_back_is_gone_for_all_who_did_not_read_it(office: Office) -> None:
    ada, bob, cyd = [await office.agent(name) for name in ("ada", "bob", "cyd")]
    message = await send(ada, "everybody", "a secret")
    await send(ada, "everybody", "no secret", reply_to=message)
    await bob.call("mark_message_read", message_id=message)
    for _ in range(2):
        deleted = await ada.call("delete_message", message_id=message)
        assert deleted["read_by"] == ["bob"]
    assert await bodies(cyd) == ["no secret"]
    for who in (ada, bob, cyd):
        thread = (await who.call("get_messages", thread_id=message))["messages"]
        assert [(each["body"], each["deleted"]) for each in thread] == [
            ("", True),
            ("no secret", False),
        ]
    await office.time_passes(WEEK_S + 1)
    assert await bodies(cyd, state="dead") == ["no secret"]
    refused = await ada.refusal("resend_message", message_id=message)
    assert refused.code == "unknown_message"
    await cyd.call("mark_message_read", message_id=message)


async def test_a_reader_deletes_a_message_for_itself_alone(office: Office) -> None:
    ada, bob, cyd, eve = [await office.agent(name) for name in ("ada", "bob", "cyd", "eve")]
    message = await send(ada, "role:developer", "hello")
    for _ in range(2):
        await bob.call("delete_message", message_id=message)
    assert await bodies(bob) == []
    assert await bodies(cyd) == ["hello"]
    mine = await send(ada, "ada", "mine")
    assert (await eve.refusal("delete_message", message_id=mine)).code == "unknown_message"
    assert await bodies(ada) == ["mine"]


# --- What others build upon -----------------------------------------------------------------------


async def test_events_tell_whom_they_concern_and_never_the_text(office: Office) -> None:
    ada = await office.agent("ada")
    await office.agent("bob")
    message = await send(ada, "bob", "the text", priority="high")
    (event,) = await office.events("message.sent")
    assert (event["subject"], event["actor"], event["audience"]) == (message, "ada", "bob")
    assert event["data"] == {
        "message": message,
        "thread": message,
        "sender": "ada",
        "priority": "high",
        "task": None,
    }


@ON_SQLITE
async def test_those_of_low_priority_or_delivered_get_no_notice(
    office: Office,
) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    ids = [await send(ada, "bob", str(n), priority="high") for n in range(3)]
    await send(ada, "bob", "calm", priority="low")
    here = (office.installation_id, "bob")

    async def unannounced() -> list[str]:
        rows = await office.store.read(lambda tx: mailbox.messages_to_announce(tx, *here, 5))
        return [row["id"] for row in rows]

    assert await unannounced() == ids
    await office.store.write(lambda tx: mailbox.mark_notified(tx, *here, ids[:1]))
    assert await unannounced() == ids[1:]
    await bob.call("get_messages", limit=2)
    assert await unannounced() == ids[2:]


@ON_SQLITE
async def test_who_writes_to_a_person_is_sent_to_comments(office: Office) -> None:
    ada = await office.agent("ada", "tester")
    for to in ("octocat", "@octocat"):
        refused = await ada.refusal("send_message", to=to, body="Look")
        assert "call github_comment_issue" in refused.message


@ON_SQLITE
async def test_secrets_in_messages_are_masked_before_anybody_reads_them(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    token = "gho_aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3eF5"
    sent = await ada.call("send_message", to="bob", body=f"Use {token} and @octocat, /claim it")
    assert sent["cleaned"] == ["a GitHub token in body"]
    assert await bodies(bob) == ["Use [secret removed] and @octocat, /claim it"]
    assert "cleaned" not in await ada.call("send_message", to="bob", body="ghp_xxxxxxxx")


async def test_a_message_about_a_task_is_shown_on_its_card_without_another_comment(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await ada.call("claim_task", task=workspace.name(issue))
    await workspace.settle()
    before = len(issue.comments)
    given = {"to": "bob", "task": workspace.name(issue), "visibility": "issue"}
    message = await send(ada, body="The engine stalls", **given)
    await workspace.settle()
    workspace.clock.forward(120)
    await workspace.settle()
    assert len(issue.comments) == before
    assert "The engine stalls" in issue.comments[0].body
    (shown,) = (await bob.call("get_messages"))["messages"]
    assert shown["task"] == workspace.name(issue)
    (task,) = await workspace.rows("SELECT id FROM tasks WHERE installation_id = :i")
    here = (workspace.installation.id, task["id"])
    rows = await workspace.store.read(lambda tx: messages.for_next_holder(tx, *here, 5))
    assert [row["body"] for row in rows] == ["The engine stalls"]
    await ada.call("delete_message", message_id=message)
    workspace.clock.forward(120)
    await workspace.settle()
    assert "The engine stalls" not in issue.comments[0].body
    assert await workspace.store.read(lambda tx: messages.for_next_holder(tx, *here, 5)) == []


@ON_SQLITE
async def test_only_what_is_about_a_task_can_be_shown_on_an_issue(office: Office) -> None:
    ada = await office.agent("ada")
    refused = await ada.refusal("send_message", to="ada", body="x", visibility="issue")
    assert (refused.code, "`task`" in refused.message) == ("invalid_arguments", True)
    refused = await ada.refusal("send_message", to="ada", body="x", task="acme/none#1")
    assert refused.code == "unknown_repository"


async def test_a_message_does_not_name_a_task_that_its_reader_may_not_see(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await send(ada, "bob", task=workspace.name(issue))
    workspace.github.remove_repositories(workspace.installation, ["acme/rocket"])
    await workspace.settle()
    (shown,) = (await bob.call("get_messages"))["messages"]
    assert shown["task"] is None


# --- What is kept ---------------------------------------------------------------------------------


@pytest.fixture
async def own_office(own_url: str, clock: Clock, installation_id: int) -> AsyncIterator[Office]:
    """With a database of its own: retention looks at all installations."""
    store = await open_store(own_url, clock)
    yield Office(store, clock, installation_id)
    await store.close()


async def test_messages_go_with_their_receipts_when_they_are_history(own_office: Office) -> None:
    office = own_office
    await office.run(
        "INSERT INTO installations (installation_id, account, account_id, account_type, "
        "repository_selection, permissions, version) "
        "VALUES (:i, 'acme', 1, 'Organization', 'all', '{}', '')"
    )
    ada = await office.agent("ada")
    await crowd(office, 300)
    await send(ada, "everybody", "old", ttl_s=60)
    office.clock.forward(80 * 24 * 3600)
    await send(ada, "ada", "young", ttl_s=60)
    keeping = RetentionTimes(deliveries=DAY, history=90 * DAY, grace=DAY)

    async def days_pass(days: int) -> tuple[list[str], int]:
        await office.time_passes(days * 24 * 3600)
        while await forget(office.store, office.dispatcher.shared.keys, keeping, {}):
            pass
        kept = await office.rows("SELECT body FROM messages WHERE installation_id = :i")
        receipts = await office.rows("SELECT state FROM receipts WHERE installation_id = :i")
        return sorted(row["body"] for row in kept), len(receipts)

    assert await days_pass(9) == (["old", "young"], 301)
    assert await days_pass(2) == (["young"], 1)


# --- Over the wire --------------------------------------------------------------------------------


async def test_over_rest_and_mcp_a_message_goes_from_one_to_the_other(surface: Surface) -> None:
    tokens = {name: await surface.token(name) for name in ("ada", "bob")}
    for name, token in tokens.items():
        await surface.call(token, "register_agent", agent_id=name, name=name)
    told = await surface.call(tokens["ada"], "send_message", to="bob", body="over the wire 🦊")
    assert told.status == 200, told.data
    headers = {"Authorization": f"Bearer {tokens['bob']}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(f"{surface.url}/mcp", http_client=http)) as client,
    ):
        got = (await client.call_tool("get_messages", {})).structured_content
        assert got is not None
        assert [each["body"] for each in got["messages"]] == ["over the wire 🦊"]
        marked = await client.call_tool(
            "mark_message_read", {"message_id": [told.data["message_id"]]}
        )
        assert not marked.is_error
    refused = await surface.call(tokens["ada"], "send_message", to="zoe", body="x")
    assert (refused.status, refused.code) == (404, "unknown_agent")


async def test_calls_at_once_of_one_agent_share_what_is_unread(office: Office) -> None:
    ada, bob = await office.agent("ada"), await office.agent("bob")
    for n in range(50):
        await send(ada, "bob", body=str(n))
    pages = await asyncio.gather(*(bodies(bob, limit=10) for _ in range(5)))
    assert sorted(int(each) for page in pages for each in page) == list(range(50))


@ON_SQLITE
async def test_a_paused_agent_writes_on_no_card(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    lead = await workspace.agent("lead", "tech-lead")
    await lead.call("manage_agent", agent_id="scout", action="pause")
    given = {"to": "lead", "body": "x", "task": workspace.name(issue)}
    refused = await agent.refusal("send_message", **given, visibility="issue")
    assert refused.code == "agent_paused"
    await agent.call("send_message", **given)
