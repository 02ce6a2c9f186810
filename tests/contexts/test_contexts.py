"""Contexts: who may read and write them, their versions, conflicts, what is broken."""

import asyncio
import hashlib
import io
import json
import secrets
from typing import Any

import pytest

from bot.contexts import access
from bot.contexts.contents import LARGEST
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from bot.operations.contexts.context_snapshots import MOST_RESTORED
from store.engine.transaction import Row, Store, Tx
from store.tables.agents import Role
from tests.support.engines import ON_SQLITE
from tests.support.mcp_clients import ERAS, connect
from tests.support.server_in_process import Answer, Surface
from tests.support.server_process import SECRET
from tests.support.story import Agent, Workspace


@pytest.fixture
def dispatcher(store: Store) -> Dispatcher:
    return Dispatcher(store, Shared(Keys(SECRET)))


async def agent(
    dispatcher: Dispatcher, installation_id: int, name: str, role: Role = "developer"
) -> Agent:
    made = Agent(dispatcher, Actor(installation_id, name, role))
    await made.call("register_agent", agent_id=name, name=name)
    return made


@pytest.fixture
async def ada(dispatcher: Dispatcher, installation_id: int) -> Agent:
    return await agent(dispatcher, installation_id, "ada")


@pytest.fixture
async def bob(dispatcher: Dispatcher, installation_id: int) -> Agent:
    return await agent(dispatcher, installation_id, "bob")


async def create(who: Agent, content: Any = "first", **more: Any) -> str:
    made = await who.call("create_context", name="plan", content=content, **more)
    return str(made["context"]["id"])


async def update(who: Agent, context_id: str, content: Any, expected: int) -> dict[str, Any]:
    return await who.call(
        "update_context", context_id=context_id, content=content, expected_version=expected
    )


async def share(who: Agent, context_id: str, to: str, access: str) -> dict[str, Any]:
    return await who.call("share_context", context_id=context_id, to=to, access=access)


async def content(who: Agent, context_id: str, **more: Any) -> Any:
    return (await who.call("get_context", context_id=context_id, **more))["content"]


async def code(who: Agent, operation: str, **arguments: Any) -> str:
    return (await who.refusal(operation, **arguments)).code


async def sees(who: Agent, context_id: str) -> bool:
    """By asking for it, by the list, and by what waiters are asked: all alike."""
    listed = await who.call("list_contexts")
    in_list = context_id in [each["id"] for each in listed["contexts"]]
    answered = await who.dispatcher.store.read(
        lambda tx: access.readable_ones(tx, who.actor, [context_id])
    )
    assert in_list == bool(answered)
    if not answered:
        assert await code(who, "get_context", context_id=context_id) == "unknown_context"
    else:
        await who.call("get_context", context_id=context_id)
    return in_list


async def rows(dispatcher: Dispatcher, sql: str, **params: Any) -> list[Row]:
    return await dispatcher.store.read(lambda tx: tx.all(sql, **params))


async def events(dispatcher: Dispatcher, context_id: str) -> list[tuple[str, str, dict[str, Any]]]:
    q = "SELECT kind, actor, data FROM events WHERE subject = :c ORDER BY seq"
    found = await rows(dispatcher, q, c=context_id)
    return [(row["kind"], row["actor"], json.loads(row["data"])) for row in found]


# --- Versions -------------------------------------------------------------------------------------


async def test_what_is_kept_is_read_and_each_version_stays(
    dispatcher: Dispatcher, ada: Agent
) -> None:
    one = await create(ada, {"b": [1, 2.5, None, True], "a": "é\x00🦑"}, note="begun")
    assert (await update(ada, one, [], 1))["context"]["version"] == 2
    assert await content(ada, one) == []
    assert await content(ada, one, version=1) == {"a": "é\x00🦑", "b": [1, 2.5, None, True]}
    told = await ada.call("get_context", context_id=one, history=True)
    assert told["content"] is None
    assert [(v["version"], v["author"], v["note"], v["size"]) for v in told["history"]] == [
        (2, "ada", "", 2),
        (1, "ada", "begun", 42),
    ]
    assert told["history"][0]["checksum"] == hashlib.sha256(b"[]").hexdigest()
    earlier = await ada.call("get_context", context_id=one, history=True, version=1)
    assert [v["version"] for v in earlier["history"]] == [1]
    assert await events(dispatcher, one) == [
        ("context.created", "ada", {"version": 1}),
        ("context.updated", "ada", {"version": 2}),
    ]


async def test_an_update_of_an_old_version_is_told_who_was_quicker(ada: Agent, bob: Agent) -> None:
    one = await create(ada)
    await share(ada, one, "bob", "write")
    await update(bob, one, "bob's", 1)
    refused = await ada.refusal(
        "update_context", context_id=one, content="ada's", expected_version=1
    )
    newest = (await ada.call("get_context", context_id=one))["version"]
    assert refused.code == "version_conflict"
    assert refused.details == {"version": 2, "author": "bob", "at": newest["at"]}
    assert await content(ada, one) == "bob's"
    refused = await ada.refusal("update_context", context_id=one, content="x", expected_version=9)
    assert (refused.code, refused.details["version"]) == ("version_conflict", 2)


async def test_of_many_who_update_at_once_one_wins(
    dispatcher: Dispatcher, installation_id: int
) -> None:
    agents = [await agent(dispatcher, installation_id, f"racer-{n}") for n in range(10)]
    one = await create(agents[0], 0)
    await share(agents[0], one, "role:developer", "write")

    async def race(n: int) -> str:
        try:
            await update(agents[n], one, n, 1)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is compared below
            return getattr(exc, "code", repr(exc))
        return str(n)

    outcomes = await asyncio.gather(*(race(n) for n in range(10)))
    assert sorted(outcomes)[1:] == ["version_conflict"] * 9
    (winner,) = (each for each in outcomes if each.isdecimal())
    read = await agents[0].call("get_context", context_id=one)
    assert (read["content"], read["version"]["version"]) == (int(winner), 2)
    assert read["version"]["author"] == f"racer-{winner}"


async def test_an_old_version_comes_back_as_a_new_one(dispatcher: Dispatcher, ada: Agent) -> None:
    one = await create(ada)
    await update(ada, one, "second", 1)
    restored = await ada.call("restore_context", context_id=one, version=1)
    assert [c["version"] for c in restored["contexts"]] == [3]
    assert [await content(ada, one, version=n) for n in (1, 2, 3)] == ["first", "second", "first"]
    again = await ada.call("restore_context", context_id=one, version=3)
    assert [c["version"] for c in again["contexts"]] == [3]
    assert (await events(dispatcher, one))[-1] == (
        "context.restored",
        "ada",
        {"version": 3, "restored": 1},
    )
    assert await code(ada, "restore_context", context_id=one, version=4) == "unknown_context"
    assert await code(ada, "restore_context", context_id=one) == "invalid_arguments"
    assert await code(ada, "restore_context") == "invalid_arguments"


async def test_a_text_stays_a_text_and_json_stays_json(ada: Agent) -> None:
    text, data = await create(ada, ""), await create(ada, None)
    for one, wrong in ((text, {"a": 1}), (data, "a")):
        given = {"context_id": one, "content": wrong, "expected_version": 1}
        assert await code(ada, "update_context", **given) == "invalid_arguments"
    assert await content(ada, text) == ""
    assert await content(ada, data) is None


# --- What may be kept -----------------------------------------------------------------------------


def nested_list(depth: int) -> Any:
    made: Any = 0
    for n in range(depth):
        made = [made] if n % 2 else {"in": made}
    return made


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (float("nan"), "not JSON"),
        ({"a": [float("-inf")]}, "not JSON"),
        ("\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        (nested_list(101), "more than 100 deep"),
        (nested_list(50_000), "more than 100 deep"),
        (10**4000, "a number has more than"),
        ([[]] * 1_000_001, "more than 1000000 bytes"),
    ],
    ids=["nan", "infinity", "surrogate", "in a key", "deep", "very deep", "long", "many"],
)
@ON_SQLITE
async def test_what_cannot_be_kept_is_refused_with_the_reason(
    ada: Agent, given: Any, said: str
) -> None:
    one = await create(ada, {})
    for operation, more in (
        ("create_context", {"name": "x"}),
        ("update_context", {"context_id": one, "expected_version": 1}),
    ):
        refused = await ada.refusal(operation, content=given, **more)
        assert refused.code == "invalid_arguments"
        assert said in refused.message
    assert await content(ada, one) == {}


async def test_a_hundred_levels_are_kept(ada: Agent) -> None:
    assert await content(ada, await create(ada, nested_list(100))) == nested_list(100)


@pytest.mark.parametrize("bad", ["\ud800", "x" * 201, ""])
@ON_SQLITE
async def test_a_name_that_cannot_be_kept_is_refused(ada: Agent, bad: str) -> None:
    assert await code(ada, "create_context", name=bad, content=1) == "invalid_arguments"


async def post(surface: Surface, token: str, operation: str, **arguments: Any) -> Answer:
    """As `surface.call`, but a body that is large is no one string to aiohttp."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = io.BytesIO(json.dumps(arguments).encode())
    return await surface.send("POST", f"/api/v1/{operation}", data=body, headers=headers)


async def test_a_megabyte_is_kept_and_a_byte_more_is_refused(surface: Surface) -> None:
    token = await surface.token()
    text = "é\n" * 333_333 + "x"
    assert len(text.encode()) == LARGEST
    made = await post(surface, token, "create_context", name="large", content=text)
    assert made.status == 200
    one = made.data["context"]["id"]
    read = await surface.call(token, "get_context", context_id=one)
    assert (read.data["content"] == text, read.data["version"]["size"]) == (True, 1_000_000)
    for operation, more in (
        ("create_context", {"name": "larger"}),
        ("update_context", {"context_id": one, "expected_version": 1}),
    ):
        refused = await post(surface, token, operation, content=text + "x", **more)
        assert (refused.status, refused.code) == (413, "too_large")
        assert refused.data["error"]["details"]["size"] == 1_000_001
    # What does not pack is no less.
    data = [secrets.token_hex(499_998)]
    made = await post(surface, token, "create_context", name="dense", content=data)
    assert made.status == 200
    read = await surface.call(token, "get_context", context_id=made.data["context"]["id"])
    assert (read.data["content"] == data, read.data["version"]["size"]) == (True, 1_000_000)
    assert len(await surface.rows("SELECT id FROM contexts WHERE installation_id = :i")) == 2


@pytest.mark.parametrize(
    "written", ["NaN", '"\\ud800"', "[" * 200 + "]" * 200, "1" * 4000, "1e999"]
)
@ON_SQLITE
async def test_over_http_too_what_cannot_be_kept_is_the_callers_fault(
    surface: Surface, written: str
) -> None:
    headers = {"Authorization": f"Bearer {await surface.token()}"}
    body = f'{{"name": "x", "content": {written}}}'
    answer = await surface.send("POST", "/api/v1/create_context", data=body, headers=headers)
    assert (answer.status, answer.code) == (422, "invalid_arguments")


@pytest.mark.parametrize("era", ERAS)
@ON_SQLITE
async def test_over_mcp_contents_are_kept_and_refused_alike(surface: Surface, era: str) -> None:
    large = "é\n" * 333_333 + "x"
    async with connect(surface, era) as client:

        async def call(tool: str, **arguments: Any) -> dict[str, Any]:
            called = await client.call_tool(tool, arguments)
            assert called.structured_content is not None
            return dict(called.structured_content)

        for given in (large, "", None, [1.5, {"é": ["\x00", True]}], nested_list(60), 2**200):
            made = await call("create_context", name="x", content=given)
            read = await call("get_context", context_id=made["context"]["id"])
            assert read.get("content") == given
        for given, said in ((large + "x", "too_large"), (nested_list(101), "invalid_arguments")):
            refused = await call("create_context", name="x", content=given)
            assert refused["error"]["code"] == said


# --- Who may --------------------------------------------------------------------------------------


@ON_SQLITE
async def test_what_nobody_shared_is_not_there_for_others(ada: Agent, bob: Agent) -> None:
    one = await create(ada)
    assert (await sees(ada, one), await sees(bob, one)) == (True, False)
    for operation, more in (
        ("update_context", {"content": "x", "expected_version": 1}),
        ("share_context", {"to": "bob", "access": "write"}),
        ("restore_context", {"version": 1}),
    ):
        refused = await bob.refusal(operation, context_id=one, **more)
        made_up = await bob.refusal(operation, context_id="c_0", **more)
        assert refused.code == made_up.code == "unknown_context"
        assert refused.message.replace(one, "c_0") == made_up.message
    assert await code(bob, "snapshot_contexts", name="x", context_ids=[one]) == "unknown_context"


@ON_SQLITE
async def test_a_reader_reads_a_writer_writes_and_neither_shares(
    dispatcher: Dispatcher, ada: Agent, bob: Agent
) -> None:
    one = await create(ada)
    shared = await share(ada, one, "bob", "read")
    assert shared["grants"] == [{"to": "bob", "access": "read"}]
    assert await content(bob, one) == "first"
    change = {"context_id": one, "content": "bob's", "expected_version": 1}
    assert await code(bob, "update_context", **change) == "forbidden"
    assert await code(bob, "restore_context", context_id=one, version=1) == "forbidden"
    await share(ada, one, "bob", "write")
    await bob.call("update_context", **change)
    assert await code(bob, "share_context", context_id=one, to="bob", access="read") == "forbidden"
    assert (await share(ada, one, "bob", "none"))["grants"] == []
    assert not await sees(bob, one)
    assert [event for event in await events(dispatcher, one) if event[0] == "context.shared"] == [
        ("context.shared", "ada", {"to": "bob", "access": access})
        for access in ("read", "write", "none")
    ]


@ON_SQLITE
async def test_a_role_reads_from_itself_upwards(
    dispatcher: Dispatcher, installation_id: int, ada: Agent, bob: Agent
) -> None:
    eve = await agent(dispatcher, installation_id, "eve", "tester")
    one = await create(ada)
    await share(ada, one, "role:developer", "read")
    assert (await sees(bob, one), await sees(eve, one)) == (True, False)
    await share(ada, one, "role:observer", "read")
    assert await sees(eve, one)


@ON_SQLITE
async def test_a_tech_lead_reads_changes_and_shares_what_is_others(
    dispatcher: Dispatcher, installation_id: int, ada: Agent, bob: Agent
) -> None:
    lead = await agent(dispatcher, installation_id, "lead", "tech-lead")
    one = await create(ada)
    assert await sees(lead, one)
    await update(lead, one, "lead's", 1)
    await share(lead, one, "bob", "read")
    assert await content(bob, one) == "lead's"


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("nobody", "unknown_agent"),
        ("ada", "invalid_arguments"),
        ("role:emperor", "invalid_arguments"),
        ("@octocat", "invalid_arguments"),
        ("task:t_0", "unknown_task"),
    ],
)
@ON_SQLITE
async def test_with_whom_nothing_can_be_shared_is_said(ada: Agent, to: str, said: str) -> None:
    one = await create(ada)
    assert await code(ada, "share_context", context_id=one, to=to, access="read") == said
    assert await code(ada, "share_context", context_id=one, to=to, access="all") == (
        "invalid_arguments"
    )


async def test_create_context_names_who_can_read_it_and_no_others_can(
    dispatcher: Dispatcher, installation_id: int, ada: Agent, bob: Agent
) -> None:
    lead = await agent(dispatcher, installation_id, "lead", "tech-lead")
    made = await ada.call("create_context", name="Plan", content="x")
    assert made["readable_by"] == ["ada", "role:tech-lead"]
    assert made["context"]["access"] == "share"
    one = made["context"]["id"]
    assert [await sees(each, one) for each in (ada, lead, bob)] == [True, True, False]


@ON_SQLITE
async def test_everybody_is_every_agent_as_it_is_for_messages(
    dispatcher: Dispatcher, installation_id: int, ada: Agent, bob: Agent
) -> None:
    eye = await agent(dispatcher, installation_id, "eye", "observer")
    one = await create(ada)
    shared = await share(ada, one, "everybody", "read")
    assert shared["readable_by"] == ["ada", "role:tech-lead", "everybody"]
    assert [await sees(each, one) for each in (bob, eye)] == [True, True]
    for operation, given in (
        ("share_context", {"context_id": one, "access": "read"}),
        ("send_message", {"body": "x"}),
    ):
        refused = await ada.refusal(operation, to="all", **given)
        assert "For all of them pass everybody" in refused.message
    await share(ada, one, "everybody", "none")
    assert not await sees(bob, one)


@ON_SQLITE
async def test_an_observer_reads_what_is_shared_and_creates_nothing(
    dispatcher: Dispatcher, installation_id: int, ada: Agent
) -> None:
    eye = await agent(dispatcher, installation_id, "eye", "observer")
    one = await create(ada)
    await share(ada, one, "eye", "write")
    assert await content(eye, one) == "first"
    change = {"context_id": one, "content": "x", "expected_version": 1}
    assert await code(eye, "update_context", **change) == "forbidden"
    assert await code(eye, "create_context", name="x", content="x") == "forbidden"


async def test_another_installation_sees_nothing(dispatcher: Dispatcher, ada: Agent) -> None:
    stranger = await agent(dispatcher, secrets.randbelow(2**52), "ada", "tech-lead")
    assert not await sees(stranger, await create(ada))


# --- With tasks -----------------------------------------------------------------------------------


async def test_who_holds_the_task_reads_and_who_gave_it_back_does_not(workspace: Workspace) -> None:
    issue = await workspace.task()
    ada, bob, eve = [await workspace.agent(name) for name in ("ada", "bob", "eve")]
    one = await create(ada)
    to = f"task:{workspace.name(issue)}"
    shared = await share(ada, one, to, "write")
    assert shared["grants"] == [{"to": to, "access": "write"}]
    assert to in shared["readable_by"]
    assert not await sees(bob, one)
    claimed = await bob.call("claim_task", task=workspace.name(issue))
    await update(bob, one, "bob's", 1)
    await bob.call("release_task", task=workspace.name(issue), fence=claimed["fence"])
    assert not await sees(bob, one)
    await eve.call("claim_task", task=workspace.name(issue), lease_s=60)
    assert (await sees(eve, one), await sees(bob, one)) == (True, False)
    workspace.clock.forward(61)
    assert not await sees(eve, one)
    await workspace.time_passes(1)
    await bob.call("claim_task", task=workspace.name(issue))
    assert (await sees(eve, one), await sees(bob, one)) == (False, True)


async def test_a_context_of_a_task_is_seen_only_where_its_repository_is(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    ada, lead = await workspace.agent("ada"), await workspace.agent("lead", "tech-lead")
    bound, free = await create(ada, task=workspace.name(issue)), await create(ada)
    there = frozenset({workspace.repository.id})
    for who, reach, seen in (
        (ada, there, [bound, free]),
        (ada, frozenset({1}), [free]),
        (lead, None, [bound, free]),
        (lead, there, [bound]),
        (lead, frozenset({1}), []),
    ):
        within = Agent(
            who.dispatcher, Actor(workspace.installation.id, who.actor.name, who.actor.role, reach)
        )
        assert [one for one in (bound, free) if await sees(within, one)] == seen
    listed = await ada.call("list_contexts", task=workspace.name(issue))
    assert [(c["id"], c["task"]) for c in listed["contexts"]] == [(bound, workspace.name(issue))]
    workspace.github.remove_repositories(workspace.installation, [workspace.repository.full_name])
    await workspace.settle()
    assert [await sees(ada, one) for one in (bound, free)] == [False, True]


async def test_a_person_sees_what_belongs_to_the_repositories_they_develop(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    ada = await workspace.agent("ada")
    bound, free = await create(ada, task=workspace.name(issue)), await create(ada)
    await share(ada, free, "role:observer", "read")
    here = frozenset({workspace.repository.id})
    cases: list[tuple[Role, list[str]]] = [
        ("tester", []),
        ("developer", [bound]),
        ("tech-lead", [bound]),
    ]
    for role, seen in cases:
        person = Agent(
            workspace.dispatcher, Actor(workspace.installation.id, "@octocat", role, here)
        )
        assert [one for one in (bound, free) if await sees(person, one)] == seen
    bob = await workspace.agent("bob")
    await share(person, bound, "bob", "read")
    assert await content(bob, bound) == "first"


# --- Lists and snapshots --------------------------------------------------------------------------


async def test_a_list_is_paged_and_filtered_and_has_no_content(
    dispatcher: Dispatcher, installation_id: int, ada: Agent, bob: Agent
) -> None:
    mine = [await create(ada) for _ in range(4)]
    other = (await bob.call("create_context", name="other", content="x"))["context"]["id"]
    await share(bob, other, "role:tester", "read")
    lead = await agent(dispatcher, installation_id, "lead", "tech-lead")
    for who in (ada, lead):
        seen: list[str] = []
        cursor = None
        while True:
            page = await who.call("list_contexts", limit=2, cursor=cursor)
            assert all("content" not in each for each in page["contexts"])
            seen += [each["id"] for each in page["contexts"]]
            if (cursor := page["next_cursor"]) is None:
                break
        assert seen == sorted([*mine, other])
        for given, found in (
            ({"owner": "bob"}, [other]),
            ({"owner": "ada", "prefix": "pl"}, mine),
            ({"prefix": "oth"}, [other]),
            ({"prefix": "%"}, []),
        ):
            listed = await who.call("list_contexts", **given)
            assert [each["id"] for each in listed["contexts"]] == found, given
    assert [c["id"] for c in (await bob.call("list_contexts"))["contexts"]] == [other]


async def test_a_snapshot_is_read_and_restored_as_a_whole(ada: Agent, bob: Agent) -> None:
    one, two = await create(ada, "one"), await create(ada, "two")
    taken = await ada.call("snapshot_contexts", name="before", context_ids=[two, one])
    snapshot = taken["snapshot"]
    assert snapshot["members"] == {one: 1, two: 1}
    await update(ada, one, "changed", 1)
    assert await content(ada, one, snapshot_id=snapshot["id"]) == "one"
    restored = await ada.call("restore_context", snapshot_id=snapshot["id"])
    assert {c["id"]: c["version"] for c in restored["contexts"]} == {one: 3, two: 1}
    assert await content(ada, one) == "one"
    listed = await ada.call("list_contexts", snapshots=True)
    assert listed["snapshots"] == [snapshot]
    assert (await bob.call("list_contexts", snapshots=True))["snapshots"] == []
    assert await code(bob, "restore_context", snapshot_id=snapshot["id"]) == "unknown_context"


async def test_one_context_of_a_snapshot_is_restored_alone(ada: Agent) -> None:
    one, two = await create(ada, "one"), await create(ada, "two")
    taken = await ada.call("snapshot_contexts", name="before", context_ids=[one])
    for each in (one, two):
        await update(ada, each, "changed", 1)
    given = {"snapshot_id": taken["snapshot"]["id"]}
    assert await code(ada, "restore_context", context_id=two, **given) == "unknown_context"
    await ada.call("restore_context", context_id=one, **given)
    assert [await content(ada, each) for each in (one, two)] == ["one", "changed"]


async def test_one_call_restores_no_more_than_others_can_wait_for(
    dispatcher: Dispatcher, ada: Agent
) -> None:
    large = "x" * LARGEST
    n = MOST_RESTORED // LARGEST + 1
    made = [await create(ada, large) for _ in range(n)]
    taken = await ada.call("snapshot_contexts", name="before", context_ids=made)
    whole = {"snapshot_id": taken["snapshot"]["id"]}
    for each in made[1:]:
        await update(ada, each, "changed", 1)
    # The first is as it was, and does not count.
    restored = (await ada.call("restore_context", **whole))["contexts"]
    assert [each["version"] for each in restored] == [1] + [3] * (n - 1)
    assert [await content(ada, each) == large for each in made] == [True] * n
    await update(ada, made[0], "changed", 1)
    refused = await ada.refusal("restore_context", **whole)
    assert refused.code == "too_large"
    assert refused.details == {"size": n * LARGEST, "largest": MOST_RESTORED}
    assert "Restore one context at a time" in refused.message
    q = "SELECT COUNT(*) AS n FROM context_versions WHERE installation_id = :i"
    assert await rows(dispatcher, q, i=ada.actor.installation_id) == [{"n": n + (n - 1) * 2 + 1}]
    await ada.call("restore_context", context_id=made[0], **whole)
    assert await content(ada, made[0]) == large


async def test_a_snapshot_of_what_one_may_only_read_changes_nothing(ada: Agent, bob: Agent) -> None:
    theirs, own = await create(ada), await create(bob)
    await share(ada, theirs, "bob", "read")
    taken = await bob.call("snapshot_contexts", name="both", context_ids=[theirs, own])
    await update(ada, theirs, "second", 1)
    await update(bob, own, "second", 1)
    snapshot_id = taken["snapshot"]["id"]
    assert await code(bob, "restore_context", snapshot_id=snapshot_id) == "forbidden"
    assert [await content(bob, each) for each in (theirs, own)] == ["second", "second"]
    assert await content(bob, theirs, snapshot_id=snapshot_id) == "first"
    await share(ada, theirs, "bob", "none")
    (left,) = (await bob.call("list_contexts", snapshots=True))["snapshots"]
    assert left["members"] == {own: 1}


async def test_a_snapshot_of_what_one_sees_no_more_is_restored_one_by_one(
    dispatcher: Dispatcher, ada: Agent, bob: Agent
) -> None:
    theirs, own, other = await create(ada), await create(bob), await create(bob)
    await share(ada, theirs, "bob", "write")
    taken = await bob.call("snapshot_contexts", name="all", context_ids=[theirs, own, other])
    for each in (own, other):
        await update(bob, each, "second", 1)
    await share(ada, theirs, "bob", "none")
    whole = {"snapshot_id": taken["snapshot"]["id"]}
    refused = await bob.refusal("restore_context", **whole)
    assert (refused.code, refused.details) == ("forbidden", {"contexts": sorted([own, other])})
    assert "1 of the 3 contexts" in refused.message
    assert theirs not in refused.message
    assert [await content(bob, each) for each in (own, other)] == ["second", "second"]
    for each in refused.details["contexts"]:
        await bob.call("restore_context", context_id=each, **whole)
    assert [await content(bob, each) for each in (own, other)] == ["first", "first"]
    q = "SELECT version FROM contexts WHERE id = :c"
    assert await rows(dispatcher, q, c=theirs) == [{"version": 1}]


@ON_SQLITE
async def test_what_is_as_the_snapshot_has_it_need_only_be_read(ada: Agent, bob: Agent) -> None:
    theirs, own = await create(ada), await create(bob)
    await share(ada, theirs, "bob", "read")
    taken = await bob.call("snapshot_contexts", name="both", context_ids=[theirs, own])
    await update(bob, own, "second", 1)
    restored = await bob.call("restore_context", snapshot_id=taken["snapshot"]["id"])
    assert {c["id"]: c["version"] for c in restored["contexts"]} == {theirs: 1, own: 3}
    assert await content(bob, own) == "first"


async def test_a_task_is_a_name_for_its_contexts(workspace: Workspace) -> None:
    issue = await workspace.task()
    ada = await workspace.agent("ada")
    name = workspace.name(issue)
    assert await code(ada, "snapshot_contexts", name="x", task=name) == "unknown_context"
    one, _ = await create(ada, task=name), await create(ada)
    taken = await ada.call("snapshot_contexts", name="x", task=name)
    assert taken["snapshot"]["members"] == {one: 1}
    given = {"task": name, "context_ids": [one]}
    assert await code(ada, "snapshot_contexts", name="x", **given) == "invalid_arguments"
    (event,) = await workspace.rows(
        "SELECT repository_id FROM events WHERE installation_id = :i AND subject = :c", c=one
    )
    assert event["repository_id"] == workspace.repository.id


# --- At rest --------------------------------------------------------------------------------------


async def test_what_is_kept_stands_nowhere_in_the_open(
    dispatcher: Dispatcher, installation_id: int, ada: Agent
) -> None:
    one = await create(ada, {"password": "swordfish"})
    await update(ada, one, ["swordfish"], 1)
    await ada.call("restore_context", context_id=one, version=1)
    for table in ("audit", "requests", "events", "contexts", "context_versions"):
        found = await rows(
            dispatcher, f"SELECT * FROM {table} WHERE installation_id = :i", i=installation_id
        )
        assert found
        assert "swordfish" not in repr(found)


async def change(dispatcher: Dispatcher, sql: str, **params: Any) -> None:
    async def work(tx: Tx) -> None:
        assert await tx.run(sql, **params)

    await dispatcher.store.write(work)


async def flip(dispatcher: Dispatcher, context_id: str, version: int) -> None:
    """One bit in the middle of what is sealed."""
    where = "context_id = :c AND version = :v"
    (row,) = await rows(
        dispatcher, f"SELECT sealed FROM context_versions WHERE {where}", c=context_id, v=version
    )
    sealed = bytearray(row["sealed"])
    sealed[len(sealed) // 2] ^= 1
    q = f"UPDATE context_versions SET sealed = :s WHERE {where}"
    await change(dispatcher, q, s=bytes(sealed), c=context_id, v=version)


async def test_of_a_broken_version_the_last_whole_one_is_served_and_everybody_told(
    dispatcher: Dispatcher, ada: Agent
) -> None:
    one = await create(ada)
    for n in (1, 2):
        await update(ada, one, f"after {n}", n)
    for n in (2, 3):
        await flip(dispatcher, one, n)
    for _ in range(2):
        read = await ada.call("get_context", context_id=one)
        assert (read["content"], read["version"]["version"]) == ("first", 1)
        assert (read["broken"], read["context"]["version"]) == ([3, 2], 3)
    refused = await ada.refusal("get_context", context_id=one, version=3)
    assert (refused.code, refused.details) == ("context_broken", {"broken": [3], "last_good": 1})
    refused = await ada.refusal("restore_context", context_id=one, version=2)
    assert (refused.code, refused.details) == ("context_broken", {"broken": [2], "last_good": 1})
    told = [
        data["version"]
        for kind, _, data in await events(dispatcher, one)
        if kind == "context.broken"
    ]
    assert told == [3, 2]
    assert (await update(ada, one, "mended", 3))["context"]["version"] == 4
    read = await ada.call("get_context", context_id=one)
    assert (read["content"], read["broken"]) == ("mended", [])


async def test_what_is_as_the_snapshot_has_it_is_not_even_opened(
    dispatcher: Dispatcher, ada: Agent
) -> None:
    same, own = await create(ada), await create(ada)
    taken = await ada.call("snapshot_contexts", name="both", context_ids=[same, own])
    await update(ada, own, "second", 1)
    await flip(dispatcher, same, 1)
    restored = await ada.call("restore_context", snapshot_id=taken["snapshot"]["id"])
    assert {c["id"]: c["version"] for c in restored["contexts"]} == {same: 1, own: 3}
    assert [kind for kind, _, _ in await events(dispatcher, same)] == ["context.created"]


async def test_a_refusal_alone_tells_of_what_is_broken(dispatcher: Dispatcher, ada: Agent) -> None:
    one = await create(ada)
    await update(ada, one, "second", 1)
    await flip(dispatcher, one, 1)
    refused = await ada.refusal("restore_context", context_id=one, version=1)
    assert (refused.code, refused.details["last_good"]) == ("context_broken", None)
    assert [kind for kind, _, _ in await events(dispatcher, one)][-1] == "context.broken"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE context_versions SET checksum = 'x' WHERE context_id = :c AND version = 2",
        "UPDATE context_versions SET key_id = 'x' WHERE context_id = :c AND version = 2",
        "DELETE FROM context_versions WHERE context_id = :c AND version = 2",
    ],
    ids=["checksum", "secret", "row"],
)
async def test_whatever_was_damaged_is_found(
    dispatcher: Dispatcher, ada: Agent, damage: str
) -> None:
    one = await create(ada)
    await update(ada, one, "second", 1)
    await change(dispatcher, damage, c=one)
    refused = await ada.refusal("get_context", context_id=one, version=2)
    assert refused.code == "context_broken"


async def test_a_content_opens_in_no_other_place(dispatcher: Dispatcher, ada: Agent) -> None:
    one, other = await create(ada), await create(ada)
    await update(ada, one, "second", 1)
    q = "SELECT * FROM context_versions WHERE context_id = :c AND version = 1"
    (first,) = await rows(dispatcher, q, c=one)
    put = (
        "UPDATE context_versions SET sealed = :sealed, checksum = :checksum "
        "WHERE context_id = :c AND version = :v"
    )
    for there, version in ((one, 2), (other, 1)):
        given = {"sealed": first["sealed"], "checksum": first["checksum"]}
        await change(dispatcher, put, c=there, v=version, **given)
        refused = await ada.refusal("get_context", context_id=there, version=version)
        assert refused.code == "context_broken"


async def test_when_nothing_is_whole_an_update_starts_anew(
    dispatcher: Dispatcher, ada: Agent
) -> None:
    one = await create(ada)
    await flip(dispatcher, one, 1)
    refused = await ada.refusal("get_context", context_id=one)
    assert (refused.code, refused.details["last_good"]) == ("context_broken", None)
    await update(ada, one, "anew", 1)
    assert await content(ada, one) == "anew"


@pytest.mark.parametrize("gone", ["version = 2", "version > 0"])
async def test_a_conflict_names_the_newest_version_though_its_row_is_gone(
    dispatcher: Dispatcher, ada: Agent, gone: str
) -> None:
    one = await create(ada)
    await update(ada, one, "second", 1)
    await change(
        dispatcher, f"DELETE FROM context_versions WHERE context_id = :c AND {gone}", c=one
    )
    given = {"context_id": one, "content": "x", "expected_version": 1}
    refused = await ada.refusal("update_context", **given)
    assert refused.code == "version_conflict"
    assert refused.details == {"version": 2, "author": None, "at": None}
    assert f"{one} is at version 2, which was deleted, not at 1." in refused.message
    assert (await update(ada, one, "mended", 2))["context"]["version"] == 3


# --- Bounds ---------------------------------------------------------------------------------------


async def test_nobody_owns_more_than_a_thousand(
    dispatcher: Dispatcher, installation_id: int, ada: Agent, bob: Agent
) -> None:
    one = await create(ada)
    (row,) = await rows(dispatcher, "SELECT * FROM contexts WHERE id = :c", c=one)
    columns = ", ".join(row)
    q = f"INSERT INTO contexts ({columns}) VALUES ({', '.join(f':{name}' for name in row)})"
    copies = [{**row, "id": f"c_{installation_id}_{n}"} for n in range(access.MOST_OWNED - 1)]
    await dispatcher.store.write(lambda tx: tx.many(q, copies))
    refused = await ada.refusal("create_context", name="x", content="x")
    assert (refused.code, refused.details) == ("too_many", {"most": 1000})
    await create(bob)


async def test_a_context_has_ten_thousand_versions_at_most(
    dispatcher: Dispatcher, ada: Agent
) -> None:
    one = await create(ada)
    await change(dispatcher, "UPDATE contexts SET version = 9999 WHERE id = :c", c=one)
    await update(ada, one, "last", 9999)
    change_it = {"context_id": one, "content": "x", "expected_version": 10_000}
    assert await code(ada, "update_context", **change_it) == "too_many"
    assert await content(ada, one) == "last"


async def test_it_is_shared_with_two_hundred_at_most(
    dispatcher: Dispatcher, ada: Agent, bob: Agent
) -> None:
    one = await create(ada)
    await share(ada, one, bob.actor.name, "read")
    (row,) = await rows(dispatcher, "SELECT * FROM context_grants WHERE context_id = :c", c=one)
    q = f"INSERT INTO context_grants ({', '.join(row)}) VALUES ({', '.join(f':{k}' for k in row)})"
    copies = [{**row, "grantee": f"agent-{n}"} for n in range(access.MOST_GRANTS - 1)]
    await dispatcher.store.write(lambda tx: tx.many(q, copies))
    await share(ada, one, "bob", "write")
    full = {"context_id": one, "to": "role:tester", "access": "read"}
    assert await code(ada, "share_context", **full) == "too_many"
    await share(ada, one, "bob", "none")
    await ada.call("share_context", **full)


async def test_a_repeated_request_makes_no_second_version(
    dispatcher: Dispatcher, ada: Agent
) -> None:
    given = {"name": "plan", "content": {"a": 1}}
    first = await dispatcher.call(ada.actor, "create_context", given, "one")
    again = await dispatcher.call(ada.actor, "create_context", given, "one")
    assert first["context"]["id"] == again["context"]["id"]
    one = first["context"]["id"]
    more = {"context_id": one, "content": [], "expected_version": 1}
    for _ in range(2):
        made = await dispatcher.call(ada.actor, "update_context", more, "two")
        assert made["context"]["version"] == 2
