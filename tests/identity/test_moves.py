"""An agent moves to another system by a one-time code, and is never held twice."""

import asyncio
from typing import Any

import pytest

from bot.attention import items
from bot.errors import Refused
from bot.identity import invitations
from bot.identity.credentials import id_of
from bot.identity.tokens import Tokens
from bot.outbox import token_revocation
from store.identity import credentials
from tests.support.api_keys import add_api_key
from tests.support.engines import ON_SQLITE
from tests.support.server_in_process import Answer, Surface
from tests.support.story import Workspace


async def registered(surface: Surface, agent_id: str, role: Any = "developer", **given: Any) -> str:
    """The token of a registered agent."""
    token = await surface.token(agent_id, role)
    await surface.call(token, "register_agent", agent_id=agent_id, name="x", **given)
    return token


async def code_of(surface: Surface, token: str, **given: Any) -> str:
    return str((await surface.call(token, "move_agent", **given)).data["code"])


async def enrol(surface: Surface, code: str, client_key: str | None = None) -> Answer:
    more = {} if client_key is None else {"client_key": client_key}
    return await surface.send("POST", "/enrol", json={"code": code, **more})


async def live_tokens(surface: Surface, agent_id: str = "scout") -> list[str]:
    i = surface.installation_id
    return await surface.store.read(lambda tx: credentials.of_actor(tx, i, agent_id))


async def test_the_new_system_goes_on_and_the_old_one_reads_where_it_went(
    surface: Surface,
) -> None:
    old, other = await registered(surface, "scout"), await registered(surface, "other")
    await surface.call(old, "update_agent", checkpoint={"at": "page 3"})
    await surface.call(other, "send_message", to="scout", body="Read me")
    # Another process knows the old token.
    tokens = Tokens(surface.store, surface.dispatcher.shared.keys, look_every_s=0)
    assert (await tokens.authenticate(old)).name == "scout"
    moving = (await surface.call(old, "move_agent", system="codex")).data
    assert (moving["agent_id"], moving["role"]) == ("scout", "developer")
    made = (await enrol(surface, moving["code"], "machine")).data
    assert (made["agent_id"], made["role"]) == ("scout", "developer")
    assert made["events_cursor"]
    for each in (tokens, Tokens(surface.store, surface.dispatcher.shared.keys, look_every_s=0)):
        with pytest.raises(Refused) as refused:
            await each.authenticate(old)
        assert refused.value.code == "unauthenticated"
        said = refused.value.message
        assert said.startswith("scout moved to codex at ")
        assert "by a code that scout made, and this token ended. Stop here" in said
    given = {"agent_id": "scout", "name": "x"}
    again = await surface.call(made["token"], "register_agent", **given)
    assert again.data["checkpoint"] == {"at": "page 3"}
    read = await surface.call(made["token"], "get_messages")
    assert [each["body"] for each in read.data["messages"]] == ["Read me"]
    assert await live_tokens(surface) == [id_of(made["token"])]
    kinds = await surface.rows(
        "SELECT operation, actor FROM audit WHERE installation_id = :i "
        "AND operation = 'agent.moved'"
    )
    assert kinds == [{"operation": "agent.moved", "actor": "scout"}]
    # The code opens nothing by itself, and guessing tells nothing.
    assert (await surface.call(moving["code"], "list_tasks")).code == "unauthenticated"
    wrong = await surface.call(f"{old[:-3]}xyz", "list_tasks")
    assert "moved" not in wrong.data["error"]["message"]


async def test_a_registration_shows_the_leases_with_which_to_go_on(workspace: Workspace) -> None:
    scout = await workspace.agent("scout")
    first = workspace.name(await workspace.task())
    await scout.call("claim_task", task=first)
    await scout.call("update_agent", task=first, checkpoint={"at": 1})
    second = workspace.name(await workspace.task())
    await scout.call("claim_task", task=second)
    await scout.call("update_agent", task=second, checkpoint={"at": "x" * 30_000})
    found = await scout.call("register_agent", agent_id="scout", name="scout")
    assert [(each["task"], each["fence"], each["state"]) for each in found["leases"]] == [
        (first, 1, "in_progress"),
        (second, 1, "in_progress"),
    ]
    assert found["leases"][0]["checkpoint"] == {"at": 1}
    assert found["left_out"] == [second]
    given = {"task": first, "fence": found["leases"][0]["fence"], "status": "completed"}
    await scout.call("update_task_status", **given)


async def test_the_same_client_may_use_the_code_again_and_nobody_is_held_twice(
    surface: Surface,
) -> None:
    code = await code_of(surface, await registered(surface, "scout"))
    first = (await enrol(surface, code, "machine")).data["token"]
    second = (await enrol(surface, code, "machine")).data["token"]
    assert await live_tokens(surface) == [id_of(second)]
    assert (await surface.call(first, "list_tasks")).code == "unauthenticated"
    assert (await surface.call(second, "list_tasks")).status == 200


@pytest.mark.parametrize("same_client", [True, False])
async def test_of_two_exchanges_at_once_one_holds_the_agent(
    surface: Surface, *, same_client: bool
) -> None:
    code = await code_of(surface, await registered(surface, "scout"))
    keys = ["one", "one" if same_client else "two"]
    answers = await asyncio.gather(*(enrol(surface, code, each) for each in keys))
    assert sorted(each.status for each in answers) == [200, 200 if same_client else 401]
    assert len(await live_tokens(surface)) == 1


async def test_people_see_when_somebody_else_uses_a_code_again(surface: Surface) -> None:
    code = await code_of(surface, await registered(surface, "scout"))
    made = (await enrol(surface, code, "machine")).data["token"]
    for client_key in ("elsewhere", "", None):
        assert (await enrol(surface, code, client_key)).code == "unauthenticated"
    assert await live_tokens(surface) == [id_of(made)]
    i = surface.installation_id
    found = await surface.store.read(lambda tx: items.open_items(tx, i))
    (item,) = [each for each in found if each.kind == "move_code_reused"]
    assert item.title == "A code that moves scout was used again from elsewhere, and was refused."
    assert (item.severity, item.agent) == ("urgent", "scout")
    rows = await surface.rows(
        "SELECT outcome, code FROM audit WHERE installation_id = :i AND operation = 'agent.moved'"
    )
    assert (
        rows == [{"outcome": "done", "code": ""}] + [{"outcome": "refused", "code": "reused"}] * 3
    )


@pytest.mark.parametrize("end", ["pause", "unregister", "revoke", "expire", "another code"])
async def test_a_code_does_nothing_after(surface: Surface, end: str) -> None:
    token = await registered(surface, "scout")
    code = await code_of(surface, token, expires_s=60)
    i = surface.installation_id
    if end == "revoke":
        await surface.store.write(lambda tx: token_revocation.revoke(tx, id_of(token)))
    elif end == "expire":
        q = "UPDATE credentials SET expires_at = 1 WHERE installation_id = :i AND id = :id"
        await surface.store.write(lambda tx: tx.run(q, i=i, id=id_of(code)))
    elif end == "another code":
        await code_of(surface, token)
    else:
        await surface.call(token, "manage_agent", agent_id="scout", action=end)
    before = await live_tokens(surface)
    assert (await enrol(surface, code, "machine")).code == "unauthenticated"
    assert await live_tokens(surface) == before


@ON_SQLITE
async def test_a_move_ends_all_other_ways_to_the_agent(surface: Surface) -> None:
    lead = await registered(surface, "lead", "tech-lead")
    await registered(surface, "scout")
    await surface.token("scout")
    invited = (await surface.call(lead, "invite_agent", agent_id="scout")).data["code"]
    code = await code_of(surface, lead, agent_id="scout")
    made = (await enrol(surface, code)).data["token"]
    assert await live_tokens(surface) == [id_of(made)]
    assert (await enrol(surface, invited)).code == "unauthenticated"
    # Without a client's key the code works once; a new one helps.
    assert (await enrol(surface, code)).code == "unauthenticated"
    again = await code_of(surface, lead, agent_id="scout")
    assert (await enrol(surface, again)).status == 200
    assert len(await live_tokens(surface)) == 1


async def test_an_exchange_that_is_torn_apart_changes_nothing(surface: Surface) -> None:
    token = await registered(surface, "scout")
    code, keys = await code_of(surface, token), surface.dispatcher.shared.keys

    async def die(tx: Any) -> None:
        assert await invitations.redeem(tx, keys, code, "machine") is not None
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        await surface.store.write(die)
    assert (await surface.call(token, "list_tasks")).status == 200
    assert (await enrol(surface, code, "machine")).status == 200


@ON_SQLITE
async def test_who_may_move_whom(surface: Surface) -> None:
    top = await registered(surface, "top")
    await registered(surface, "low", parent_id="top")
    await registered(surface, "strong", "tech-lead", parent_id="top")
    other = await registered(surface, "other")
    assert (await surface.call(top, "move_agent", agent_id="low")).status == 200
    assert (await surface.call(other, "move_agent", agent_id="low")).code == "forbidden"
    # Nobody gets more than it has.
    assert (await surface.call(top, "move_agent", agent_id="strong")).code == "forbidden"
    i, keys = surface.installation_id, surface.dispatcher.shared.keys
    reach = frozenset({1})
    bound = await surface.store.write(
        lambda tx: add_api_key(tx, keys, i, "top", "developer", repositories=reach)
    )
    assert (await surface.call(bound, "move_agent", agent_id="low")).code == "forbidden"
    for wrong in ("hosted-copilot", "actions-74"):
        assert (await surface.call(top, "move_agent", agent_id=wrong)).code == "invalid_arguments"
    assert (await surface.call(top, "move_agent", cursor="nonsense")).code == "invalid_arguments"


@ON_SQLITE
async def test_a_move_lasts_no_longer_than_the_token_before(surface: Surface) -> None:
    await registered(surface, "scout")
    (first,) = await live_tokens(surface)
    await surface.store.write(lambda tx: credentials.end(tx, first))
    i, keys = surface.installation_id, surface.dispatcher.shared.keys
    until = 4_000_000_000_000_000
    reach = frozenset({7})
    token = await surface.store.write(
        lambda tx: add_api_key(tx, keys, i, "scout", "tester", repositories=reach, expires_at=until)
    )
    soon = await surface.store.write(lambda tx: _until(tx, id_of(token)))
    code = await code_of(surface, token)
    made = await surface.store.write(lambda tx: invitations.redeem(tx, keys, code, "machine"))
    assert made is not None
    assert (made.grant.role, made.grant.repositories) == ("tester", reach)
    assert made.expires_at == soon


async def _until(tx: Any, token_id: str) -> int:
    """Let the token end in an hour."""
    soon = await tx.now() + 3_600_000_000
    await credentials.change(tx, token_id, expires_at=soon)
    return int(soon)
