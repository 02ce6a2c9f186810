"""A bad input gets an error that says what was wrong, and what many ask at once comes out right."""

import asyncio
import io
import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import pytest

from bot.errors import Refused
from bot.identity.actors import Actor, person_with_roles
from bot.identity.permissions import is_for_people
from bot.kernel.operation import Operation
from bot.kernel.pagination import encode
from bot.operations import OPERATIONS
from store.engine.transaction import PoolUse, Store, StoreError, Tx, Work
from tests.support.engines import ON_SQLITE
from tests.support.server_in_process import Surface, serving
from tests.support.story import Agent, Workspace


class Locked:
    """A store that cannot be written while it is `locked`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.bell, self.dialect = store.bell, store.dialect
        self.locked = False

    async def read(self, work: Work[Any]) -> Any:
        return await self._store.read(work)

    async def write(self, work: Work[Any]) -> Any:
        if self.locked:
            raise StoreError("Another process has the write lock.")
        return await self._store.write(work)

    def pool(self) -> PoolUse:
        return self._store.pool()

    async def close(self) -> None:
        await self._store.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- Arguments -----------------------------------------------------------------------------------

HOSTILE: list[Any] = [
    "\ud800",
    "a\ud800b",
    "\0",
    "a\0b",
    "",
    " ",
    "#",
    "x" * 300_000,
    "a/b#" + "9" * 400,
    "a/b#\u0661\u0662",  # digits, though not ours
    "\u0663#\u0663",
    "%s",
    "../..",
    "'; --",
    "\u202e",
    "😀" * 70,
    10**30,
    -(10**30),
    2**63,
    2**64,
    1e308,
    True,
    "NaN",
    None,
    [["x"]],
    {"a": {}},
]


def hostile_arguments(operation: Operation) -> Iterator[dict[str, Any]]:
    fields = operation.arguments.model_fields
    required = {each: "ada" for each, field in fields.items() if field.is_required()}
    for argument in (each for each in (*fields, "\ud800") if each != "wait_s"):
        for value in HOSTILE:
            yield required | {argument: value}


def refusal(operation: Operation, arguments: dict[str, Any]) -> Refused | None:
    try:
        operation.parse(arguments)
    except Refused as exc:
        return exc
    return None


@cache
def refusals(name: str) -> list[tuple[dict[str, Any], Refused | None]]:
    """What each of them is answered as it is parsed, which takes long and needs no database."""
    operation = OPERATIONS[name]
    return [(each, refusal(operation, each)) for each in hostile_arguments(operation)]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_value_that_an_argument_does_not_take_is_refused_in_words_that_can_be_sent(
    operation: Operation,
) -> None:
    answers = [answer for _, answer in refusals(operation.name)]
    codes = {each.code for each in answers if each and json.dumps(each.body()).encode()}
    assert codes == {"invalid_arguments"}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
async def test_no_value_that_an_argument_takes_is_a_fault_of_ours(
    surface: Surface, operation: Operation
) -> None:
    """All that is refused as it is parsed reaches no database; one of it is sent, too."""
    token = await surface.token("ada", "tech-lead")
    await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    taken = [each for each, answer in refusals(operation.name) if answer is None]
    last, _ = refusals(operation.name)[-1]
    statuses = set()
    for arguments in (*taken, last):
        body = io.BytesIO(json.dumps(arguments).encode())
        path = f"/api/v1/{operation.name}"
        answer = await surface.send("POST", path, headers=bearer(token), data=body)
        statuses.add(answer.status)
    assert max(statuses) < 500


async def test_a_cursor_with_a_number_too_large_is_refused(surface: Surface) -> None:
    cursor = encode("9" * 30 + " t_0")
    answer = await surface.call(await surface.token(), "list_tasks", cursor=cursor)
    assert (answer.status, answer.code) == (422, "invalid_arguments")


TOO_LARGE = ("9" * 30, str(2**63), f"{10**18} x", "0" * 20 + "9" * 30, "٣", "-1", "\0")


async def test_no_value_that_a_person_gives_is_a_fault_of_ours(workspace: Workspace) -> None:
    """Operations for people alone, and every list that has pages."""
    here = workspace.repository.id
    actor = person_with_roles(workspace.installation.id, "octocat", {here: "tech-lead"}, [here])
    one = Agent(workspace.dispatcher, actor)
    for operation in OPERATIONS.values():
        given: list[dict[str, Any]] = []
        if is_for_people(operation.name):
            given += hostile_arguments(operation)
        if operation.reads_only and "cursor" in operation.arguments.model_fields:
            required = {n for n, f in operation.arguments.model_fields.items() if f.is_required()}
            other = dict.fromkeys(required, "acme/rocket#1")
            given += [other | {"cursor": encode(each)} for each in TOO_LARGE]
        for arguments in given:
            with suppress(Refused):
                await one.call(operation.name, **arguments)


@pytest.mark.parametrize("path", ["/api/v1/list_agents", "/webhooks/github"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@ON_SQLITE
async def test_a_body_with_a_content_encoding_is_refused(
    surface: Surface, path: str, encoding: str
) -> None:
    headers = bearer(await surface.token()) | {"Content-Encoding": encoding}
    answer = await surface.send("POST", path, data=b"no such thing", headers=headers)
    assert (answer.status, answer.code) == (415, "compressed_body")


MCP = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


async def call_tool(surface: Surface, token: str, name: str, arguments: str) -> tuple[int, str]:
    """The status and the text of the answer; `arguments` go out as they are."""
    body = (
        '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", '
        f'"params": {{"name": "{name}", "arguments": {arguments}}}}}'
    )
    data = io.BytesIO(body.encode())
    answer = await surface.send("POST", "/mcp", data=data, headers=MCP | bearer(token))
    return answer.status, json.dumps(answer.data)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (r'{"\ud800": 1}', 400, "Parse error"),
        (r'{"agent_id": "\ud800"}', 400, "Parse error"),
        ('{"agent_id": ' + "[" * 50_000 + "]" * 50_000 + "}", 400, "Parse error"),
        (r'{"agent_id": "\u0000"}', 200, "invalid_arguments"),
        ('{"agent_id": ' + "9" * 30 + "}", 200, "invalid_arguments"),
        ('{"agent_id": "' + "x" * 2**20 + '"}', 200, "invalid_arguments"),
        ('{"agent_id": [[[]]]}', 200, "invalid_arguments"),
    ],
    ids=lambda given: str(given)[:30],
)
@ON_SQLITE
async def test_a_tool_call_that_makes_no_sense_is_told_why(
    surface: Surface, arguments: str, status: int, said: str
) -> None:
    token = await surface.token()
    answered, text = await call_tool(surface, token, "get_agent", arguments)
    assert answered == status
    assert said in text


async def test_a_database_that_cannot_be_written_is_said_to_be_unavailable(
    store: Store, installation_id: int
) -> None:
    locked = Locked(store)
    async with serving(locked, installation_id) as surface:
        token = await surface.token()
        await surface.call(token, "register_agent", agent_id="ada", name="Ada")
        locked.locked = True
        answer = await surface.call(token, "send_message", to="ada", body="x")
        assert (answer.status, answer.code) == (503, "unavailable")
        status, text = await call_tool(surface, token, "send_message", '{"to": "ada", "body": "x"}')
        assert status == 200
        assert "unavailable" in text


# --- Many at once --------------------------------------------------------------------------------


async def test_the_same_call_at_the_same_time_is_done_once_and_answered_alike(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("planner")
    given, key = {"to": "planner", "body": "x"}, secrets.token_hex(4)
    answers = await asyncio.gather(
        *(workspace.dispatcher.call(agent.actor, "send_message", given, key) for _ in range(5))
    )
    (sent,) = await workspace.rows("SELECT id FROM messages WHERE installation_id = :i")
    assert [each["message_id"] for each in answers] == [sent["id"]] * 5


async def test_the_last_of_a_thousand_agents_gets_its_messages(workspace: Workspace) -> None:
    agent = await workspace.agent("aaa")

    async def many(tx: Tx) -> None:
        await tx.many(
            "INSERT INTO agents (installation_id, id, name, system_name, role, capabilities, "
            "registered_at, last_active_at) VALUES (:i, :a, 'x', '', 'developer', '[]', 0, 0)",
            [{"i": workspace.installation.id, "a": f"b-{n:04d}"} for n in range(1001)],
        )

    await workspace.store.write(many)
    sent = await agent.call("send_message", to="b-1000", body="hello")
    assert sent["recipients"] == ["b-1000"]
    last = Agent(workspace.dispatcher, Actor(workspace.installation.id, "b-1000", "developer"))
    (message,) = (await last.call("get_messages"))["messages"]
    assert message["id"] == sent["message_id"]


async def test_a_call_waits_as_long_as_it_was_told_to_though_much_happens(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("scout")
    queued = await agent.write("github_comment_issue", issue=workspace.name(issue), body="x")
    loop = asyncio.get_running_loop()
    topics = {f"installation {workspace.installation.id}"}
    for n in range(20):
        loop.call_later(n / 50, workspace.store.bell.ring, topics)
    began = loop.time()
    await agent.write("get_write", write_id=queued["write_id"], wait_s=1)
    assert loop.time() - began >= 0.99  # of a second


async def test_a_kept_answer_does_not_show_what_became_invisible(workspace: Workspace) -> None:
    issue = await workspace.task("Secret plan", "the private text")
    agent = await workspace.agent("scout")
    given = {"task": workspace.name(issue)}
    await workspace.dispatcher.call(agent.actor, "claim_task", given, "key-1")
    workspace.github.remove_repositories(workspace.installation, ["acme/rocket"])
    await workspace.settle()
    with pytest.raises(Refused) as refused:
        await workspace.dispatcher.call(agent.actor, "claim_task", given, "key-1")
    assert refused.value.code == "unknown_task"
    assert "private text" not in json.dumps(refused.value.body())
