"""Every change of state and every refusal leaves a row: who, from where, what, on what, when."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.audit import contents
from bot.cli import deliveries as cli_deliveries
from bot.cli import writes as cli_writes
from bot.cli.tokens import revoke
from bot.dispatch import refusals
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.credentials import id_of
from bot.operations import OPERATIONS
from store.engine.database import open_store
from store.engine.origins import Origin
from store.engine.transaction import Store
from tests.support.command_line import hubbub
from tests.support.engines import ON_SQLITE
from tests.support.github_client import Clock
from tests.support.mcp_clients import ERAS, connect
from tests.support.server_in_process import Surface, new_guid
from tests.support.server_process import settings
from tests.support.story import Workspace

CANARY = "the secret plan of the moth"
FIELDS = "actor, credential, surface, operation, subject, outcome, code, calls"


async def audit_of(store: Store, installation_id: int) -> list[tuple[Any, ...]]:
    q = f"SELECT {FIELDS} FROM audit WHERE installation_id = :i ORDER BY seq"
    rows = await store.read(lambda tx: tx.all(q, i=installation_id))
    return [tuple(row.values()) for row in rows]


async def newest(store: Store, installation_id: int) -> dict[str, Any]:
    q = "SELECT * FROM audit WHERE installation_id = :i ORDER BY seq DESC LIMIT 1"
    row = await store.read(lambda tx: tx.one(q, i=installation_id))
    assert row is not None
    return dict(row)


# --- Calls ----------------------------------------------------------------------------------------


async def test_a_call_by_rest_is_recorded_with_its_token_its_address_and_its_request(
    surface: Surface,
) -> None:
    token = await surface.token("ada")
    answer = await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    row = await newest(surface.store, surface.installation_id)
    shown = {name: row[name] for name in ("actor", "credential", "surface", "remote", "request")}
    assert shown == {
        "actor": "ada",
        "credential": id_of(token),
        "surface": "rest",
        "remote": "127.0.0.1",
        "request": answer.headers["X-Request-Id"],
    }
    assert (row["operation"], row["subject"], row["outcome"]) == ("register_agent", "ada", "done")


async def test_the_id_that_a_proxy_gives_a_request_is_kept(surface: Surface) -> None:
    token = await surface.token("ada")
    for given, kept in (("trace-4711.a", True), ("no id of a request\u00e9", False)):
        headers = {"Authorization": f"Bearer {token}", "X-Request-Id": given}
        answer = await surface.send("POST", "/api/v1/claim_task", json={}, headers=headers)
        assert (answer.headers["X-Request-Id"] == given) == kept


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_by_mcp_and_its_refusal_are_recorded(surface: Surface, era: str) -> None:
    async with connect(surface, era, agent_id="ada") as client:
        await client.call_tool("register_agent", {"agent_id": "ada", "name": "Ada"})
        await client.call_tool("get_task", {"task": "acme/rocket#1"})
    created, *rows = await audit_of(surface.store, surface.installation_id)
    key = created[4]
    assert rows == [
        ("ada", key, "mcp", "register_agent", "ada", "done", "", 1),
        ("ada", key, "mcp", "get_task", "acme/rocket#1", "refused", "unknown_repository", 1),
    ]


async def test_a_refused_resource_is_recorded(surface: Surface) -> None:
    async with connect(surface, "legacy", agent_id="ada") as client:
        with pytest.raises(Exception, match="acme/rocket"):
            await client.read_resource("hubbub://task/acme/rocket/1")
    row = await newest(surface.store, surface.installation_id)
    assert (row["surface"], row["operation"], row["outcome"]) == ("mcp", "get_task", "refused")


async def test_a_refused_role_and_an_unknown_operation_are_recorded(surface: Surface) -> None:
    token = await surface.token("ada", "observer")
    await surface.call(token, "claim_task")
    await surface.call(token, CANARY.replace(" ", "-"))
    key = id_of(token)
    assert (await audit_of(surface.store, surface.installation_id))[1:] == [
        ("ada", key, "rest", "claim_task", "", "refused", "forbidden", 1),
        ("ada", key, "rest", "unknown operation", "", "refused", "unknown_operation", 1),
    ]


async def test_a_malformed_request_of_an_agent_is_recorded(surface: Surface) -> None:
    token = await surface.token("ada")
    headers = {"Authorization": f"Bearer {token}"}
    await surface.send("POST", "/api/v1/claim_task", data=b"{", headers=headers)
    row = await newest(surface.store, surface.installation_id)
    assert (row["operation"], row["code"]) == ("request", "bad_request")


async def test_a_refused_subscription_by_websocket_is_recorded(surface: Surface) -> None:
    headers = {"Authorization": f"Bearer {await surface.token('ada')}"}
    async with surface.client.ws_connect(f"{surface.url}/ws", headers=headers) as ws:
        await ws.send_json({"type": "subscribe", "topics": ["task"], "cursor": "x"})
        await ws.receive_json()
    row = await newest(surface.store, surface.installation_id)
    assert (row["actor"], row["surface"], row["operation"]) == ("ada", "websocket", "websocket")


async def test_a_repeated_call_with_its_key_is_recorded_once(surface: Surface) -> None:
    token = await surface.token("ada")
    for _ in range(2):
        await surface.call(token, "register_agent", agent_id="ada", name="Ada", key="k1")
    assert len(await audit_of(surface.store, surface.installation_id)) == 2


# --- Refusals that repeat -------------------------------------------------------------------------


@pytest.fixture
def refusal_clock(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """By which the refusals of the server are counted."""
    made = Clock()
    monkeypatch.setattr(surface.dispatcher.refusals, "timer", made.now)
    return made


async def test_an_agent_in_a_loop_gets_two_rows_a_minute(
    surface: Surface, refusal_clock: Clock
) -> None:
    token = await surface.token("ada")
    for _ in range(5):
        await surface.call(token, "get_task", task="acme/rocket#1")
    log = surface.dispatcher.refusals
    assert await log.flush() == 0
    refusal_clock.forward(refusals.WINDOW_S)
    assert await log.flush() == 1
    await surface.call(token, "get_task", task="acme/rocket#1")
    calls = [row[-1] for row in await audit_of(surface.store, surface.installation_id)][1:]
    assert calls == [1, 4, 1]


async def test_repeats_of_a_minute_are_stored_with_the_first_of_the_next(
    surface: Surface, refusal_clock: Clock
) -> None:
    token = await surface.token("ada")
    for _ in range(3):
        await surface.call(token, "get_task", task="acme/rocket#1")
    refusal_clock.forward(refusals.WINDOW_S)
    await surface.call(token, "get_task", task="acme/rocket#2")
    rows = (await audit_of(surface.store, surface.installation_id))[1:]
    assert [(row[4], row[-1]) for row in rows] == [
        ("acme/rocket#1", 1),
        ("acme/rocket#1", 2),
        ("acme/rocket#2", 1),
    ]


async def test_an_agent_with_many_kinds_of_refusals_gets_a_bounded_number_of_rows(
    store: Store, installation_id: int
) -> None:
    log, actor = refusals.Refusals(store), Actor(installation_id, "ada", "developer")
    for n in range(100):
        await log.record_call(actor, f"operation-{n}", {}, Refused("forbidden", "No"), Origin())
    await log.flush(everything=True)
    rows = await audit_of(store, installation_id)
    assert len(rows) == refusals.MOST_OF_ACTOR + 2
    assert sum(row[-1] for row in rows) == 100
    assert {row[3] for row in rows[-2:]} == {refusals.OTHERS}


# --- Comments and webhooks ------------------------------------------------------------------------


async def test_a_slash_command_and_its_steps_are_recorded(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/hold Wait for the valve")
    await workspace.settle()
    rows = await workspace.rows(
        "SELECT actor, surface, operation, outcome, request, data FROM audit "
        "WHERE installation_id = :i AND surface = 'comment' ORDER BY seq"
    )
    assert [(row["actor"], row["operation"], row["outcome"]) for row in rows] == [
        ("@octocat", "task.held", "done"),
        ("@octocat", "change_task", "done"),
    ]
    assert all(row["request"].startswith("comment/") for row in rows)
    assert "valve" not in json.dumps(rows)


async def test_refused_slash_commands_are_recorded(workspace: Workspace) -> None:
    issue = await workspace.task()
    reader = workspace.github.person("mona", permissions={"acme/rocket": "read"})
    reader.comment(issue, "/hold")
    workspace.person.comment(issue, "/priority urgent\n/cancle")
    await workspace.settle()
    rows = await workspace.rows(
        "SELECT actor, operation, subject, code FROM audit WHERE installation_id = :i "
        "AND surface = 'comment' AND outcome = 'refused' ORDER BY seq"
    )
    where = f"{workspace.repository.id}#{issue.number}"
    assert [tuple(row.values()) for row in rows] == [
        ("@mona", "/hold", where, "forbidden"),
        ("@octocat", "/priority", where, "invalid_arguments"),
        ("@octocat", "unknown command", where, "unknown_operation"),
    ]


async def test_what_a_delivery_changed_is_recorded_with_its_guid(workspace: Workspace) -> None:
    await workspace.task()
    (row,) = await workspace.rows(
        "SELECT surface, request FROM audit WHERE installation_id = :i "
        "AND operation = 'task.created'"
    )
    (delivery,) = await workspace.rows(
        "SELECT guid FROM deliveries WHERE installation_id = :i AND event = 'issues' "
        "AND action = 'opened'"
    )
    assert row["surface"] == "webhook"
    assert delivery["guid"] in row["request"].split(",")


async def test_the_end_of_a_write_is_recorded(workspace: Workspace) -> None:
    ada, issue = await workspace.agent("ada"), await workspace.task()
    write = await ada.write("github_comment_issue", issue=workspace.name(issue), body="Hello")
    await workspace.settle()
    rows = await workspace.rows(
        "SELECT actor, subject, surface, outcome FROM audit WHERE installation_id = :i "
        "AND operation = 'write.sent'"
    )
    assert [tuple(row.values()) for row in rows] == [("ada", write["write_id"], "server", "done")]


async def test_settings_and_absences_are_recorded(workspace: Workspace) -> None:
    workspace.person.push(
        workspace.repository, "main", {".github/hubbub.yml": "task_label: chore\n"}
    )
    await workspace.settle()
    workspace.github.suspend(workspace.installation)
    await workspace.settle()
    rows = await workspace.rows(
        "SELECT actor, operation FROM audit WHERE installation_id = :i AND (operation LIKE "
        "'settings%' OR operation LIKE 'installation%') ORDER BY seq"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("@octocat", "settings.changed"),
        ("hubbub[bot]", "installation.gone"),
    ]


# --- No secret and no body ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [each.name for each in OPERATIONS.values() if not each.reads_only])
def test_the_audit_shows_no_text_that_an_operation_takes(name: str) -> None:
    """What is shown is short, or one of a few words, or has the form of a reference."""
    for argument, schema in OPERATIONS[name].arguments.model_json_schema()["properties"].items():
        hidden = json.dumps(contents.visible({argument: CANARY}))
        assert (CANARY in hidden) == (argument in contents.SHOWN)
        if argument in contents.SHOWN and argument != "blocked_by":  # it must name an issue
            for each in text_schemas(schema):
                assert {"enum", "const", "pattern"} & each.keys() or each.get(
                    "maxLength", 401
                ) <= 400


def text_schemas(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas of the texts in it."""
    parts = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    if parts:
        return [each for part in parts for each in text_schemas(part)]
    return [schema] if schema.get("type") == "string" else []


@ON_SQLITE
async def test_nothing_that_agents_and_people_wrote_is_in_the_audit(workspace: Workspace) -> None:
    token = "ghp_" + "a1B2c3D4e5" * 4  # looks like a secret, and is none
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    issue = await workspace.task()
    where = workspace.name(issue)
    claimed = await ada.call("claim_task", task=where)
    held: dict[str, Any] = {"task": where, "fence": claimed["fence"]}
    said = f"{CANARY} {token}"
    await ada.call("send_message", to="bob", body=said)
    await ada.call("github_comment_issue", issue=where, body=said)
    await ada.call("update_task_status", status="in_progress", note=said, **held)
    await ada.call("update_task_status", status="in_progress", question=said, **held)
    await workspace.settle()
    workspace.person.comment(issue, f"{CANARY} is the answer")
    await workspace.settle()
    await ada.call("create_context", name="plan", content=said, note=CANARY)
    await ada.call("release_task", note=said, **held)
    await bob.refusal("get_task", task=token)
    await bob.refusal("get_task", task=CANARY)
    await bob.refusal("send_message", to=token, body=said)
    stored = json.dumps(await workspace.rows("SELECT * FROM audit WHERE installation_id = :i"))
    for each in ("send_message", "update_task_status", "task.asked", "task.answered"):
        assert each in stored
    assert "moth" not in stored
    assert token not in stored


# --- The operator's commands ----------------------------------------------------------------------


async def test_commands_of_the_operator_are_recorded(sqlite_url: str, tmp_path: Path) -> None:
    given = settings(sqlite_url)
    words = ("token", "create", "--installation", "42", "--agent", "ada")
    _, token, _ = await hubbub(*words, folder=tmp_path, **given)
    key = id_of(token.strip())
    assert (await hubbub("token", "revoke", key, folder=tmp_path, **given))[0] == 0
    called = {"HUBBUB_TOKEN": token.strip()}
    assert (await hubbub("call", "list_agents", folder=tmp_path, **given | called))[0] == 1
    old = {"HUBBUB_SECRET_KEY": "n" * 40, "HUBBUB_SECRET_KEY_OLD": given["HUBBUB_SECRET_KEY"]}
    assert (await hubbub("secret", "rotate", folder=tmp_path, **given | old))[0] == 0
    store = await open_store(sqlite_url)
    assert await audit_of(store, 42) == [
        ("operator", "", "cli", "credential.created", key, "done", "", 1),
        ("operator", "", "cli", "credential.revoked", key, "done", "", 1),
    ]
    refused, rotated = await audit_of(store, 0)
    assert refused[:4] == ("", "", "cli", "call")
    assert rotated[:4] == ("operator", "", "cli", "secret rotate")
    assert "@" in (await newest(store, 42))["remote"]
    await store.close()


async def test_cancelled_writes_and_replayed_deliveries_are_recorded(
    workspace: Workspace,
) -> None:
    ada, issue = await workspace.agent("ada"), await workspace.task()
    i, guid = workspace.installation.id, new_guid()
    write = await ada.write("github_comment_issue", issue=workspace.name(issue), body="Hello")
    await workspace.store.write(lambda tx: cli_writes._cancel_one(tx, i, write["write_id"]))
    q = "UPDATE deliveries SET state = 'dead', guid = :g WHERE installation_id = :i AND guid = :old"
    (one, *_) = await workspace.rows("SELECT guid FROM deliveries WHERE installation_id = :i")
    await workspace.store.write(lambda tx: tx.run(q, i=i, g=guid, old=one["guid"]))
    assert await workspace.store.write(lambda tx: cli_deliveries._replay(tx, guid)) == 1
    rows = await workspace.rows(
        "SELECT operation, subject FROM audit WHERE installation_id = :i AND surface = 'cli' "
        "ORDER BY seq"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("writes cancel", write["write_id"]),
        ("deliveries replay", guid),
    ]


async def test_a_revoked_token_is_recorded_with_what_it_freed(surface: Surface) -> None:
    token = await surface.token("ada")
    await surface.store.write(lambda tx: revoke(tx, id_of(token)))
    row = await newest(surface.store, surface.installation_id)
    assert (row["operation"], row["subject"]) == ("credential.revoked", id_of(token))
    assert json.loads(row["data"]) == {"kind": "api_key", "for": "ada", "role": "developer"}
