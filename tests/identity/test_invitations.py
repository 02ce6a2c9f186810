"""Inviting an agent: codes that work once, and whose agents get no more than was granted."""

import asyncio
import re
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from bot.identity import invitations
from bot.identity.actors import OPERATOR, Actor, person_with_roles
from bot.identity.credentials import Grant, id_of
from bot.identity.tokens import Tokens
from store.engine.transaction import Store
from store.identity import credentials
from store.mirror import permissions
from store.tables.agents import Role
from tests.support.engines import ON_SQLITE
from tests.support.login import open_login_server
from tests.support.server_in_process import Answer, Surface
from tests.support.story import Agent, Workspace


async def invite(surface: Surface, token: str, **asked: Any) -> Answer:
    return await surface.call(token, "invite_agent", agent_id="newcomer", **asked)


async def enrol(surface: Surface, code: str) -> Answer:
    return await surface.send("POST", "/enrol", json={"code": code})


async def test_an_invited_agent_gets_a_token_once(surface: Surface) -> None:
    lead = await surface.token("lead", "tech-lead")
    await surface.call(lead, "register_agent", agent_id="lead", name="Lead")
    invited = (await invite(surface, lead, role="tester")).data
    assert invited["code"].startswith("hubbub_")
    answers = await asyncio.gather(*(enrol(surface, invited["code"]) for _ in range(3)))
    (made,) = [each for each in answers if each.status == 200]
    assert {each.code for each in answers if each is not made} == {"unauthenticated"}
    assert (made.data["agent_id"], made.data["role"]) == ("newcomer", "tester")
    assert made.headers["Cache-Control"] == "no-store"
    actor = await Tokens(surface.store, surface.dispatcher.shared.keys).authenticate(
        made.data["token"]
    )
    assert (actor.name, actor.role, actor.installation_id) == (
        "newcomer",
        "tester",
        surface.installation_id,
    )
    registered = await surface.call(
        made.data["token"], "register_agent", agent_id="newcomer", name="N"
    )
    assert registered.status == 200
    # The code itself opens nothing.
    assert (await surface.call(invited["code"], "list_agents")).code == "unauthenticated"


async def test_a_repeated_call_makes_no_second_code_and_shows_none(surface: Surface) -> None:
    lead = await surface.token("lead", "tech-lead")
    await surface.call(lead, "register_agent", agent_id="lead", name="Lead")
    first = (await invite(surface, lead, key="k")).data
    again = (await invite(surface, lead, key="k")).data
    assert first["code"]
    assert again["code"] is None
    q = "SELECT COUNT(*) AS n FROM credentials WHERE installation_id = :i AND kind = 'invitation'"
    assert await surface.rows(q) == [{"n": 1}]


@ON_SQLITE
@pytest.mark.parametrize("role", ["observer", "tester", "developer"])
async def test_only_a_tech_lead_invites(surface: Surface, role: Any) -> None:
    token = await surface.token("ada", role)
    await surface.call(token, "register_agent", agent_id="ada", name="Ada")
    assert (await invite(surface, token)).code == "forbidden"


@ON_SQLITE
async def test_nobody_is_invited_as_a_job_of_github_actions(surface: Surface) -> None:
    """Else an agent of one repository could be the agent of another repository's workflow."""
    lead = await surface.token("lead", "tech-lead")
    await surface.call(lead, "register_agent", agent_id="lead", name="Lead")
    for name in ("actions-74-scout", "actions-fixer-ab12cd"):
        refused = await surface.call(lead, "invite_agent", agent_id=name)
        assert (refused.status, refused.code) == (422, "invalid_arguments")
        assert refused.data["error"]["message"] == (
            f"{name!r} cannot be an agent's id, because such ids, which begin with actions-, "
            "belong to jobs of GitHub Actions."
        )
    assert (await surface.call(lead, "invite_agent", agent_id="actions-bot")).status == 200


async def test_an_invitation_ends(workspace: Workspace) -> None:
    keys, store = workspace.dispatcher.shared.keys, workspace.store
    grant = Grant(workspace.installation.id, "newcomer", "developer")
    code = await store.write(lambda tx: invitations.add(tx, keys, grant, lasts_s=60))
    revoked = await store.write(lambda tx: invitations.add(tx, keys, grant))
    await store.write(lambda tx: credentials.revoke(tx, id_of(revoked)))
    workspace.clock.forward(61)
    for each in (code, revoked):
        assert await store.write(partial(invitations.redeem, keys=keys, code=each)) is None


async def test_a_person_invites_by_a_comment_that_shows_no_code(workspace: Workspace) -> None:
    issue = await workspace.task()
    workspace.person.comment(issue, "/agents invite builder")
    await workspace.settle()
    reply = issue.comments[-1].body
    assert "`builder` is invited as developer, for this repository." in reply
    (row,) = await workspace.rows(
        "SELECT * FROM credentials WHERE installation_id = :i AND kind = 'invitation'"
    )
    assert (row["hash"], row["uses_left"], row["created_by"]) == ("", 1, "@octocat")
    assert f"hubbub_{row['id']}" not in reply
    keys, person = workspace.dispatcher.shared.keys, row["person_id"]

    async def reveal(person_id: int) -> str | None:
        return await workspace.store.write(
            lambda tx: invitations.reveal(tx, keys, row["id"], person_id)
        )

    assert await reveal(person + 1) is None
    code = await reveal(person)
    assert code is not None
    assert await reveal(person) is None
    made = await workspace.store.write(lambda tx: invitations.redeem(tx, keys, code))
    assert made is not None
    # No more than the person may reach there.
    assert (made[1].role, made[1].repositories) == ("developer", frozenset({row_of(issue)}))


def row_of(issue: Any) -> int:
    return int(issue.repository.id)


@ON_SQLITE
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"code": 1}', b"[" * 3000])
async def test_an_enrolment_without_a_code_is_refused(surface: Surface, body: bytes) -> None:
    answer = await surface.send("POST", "/enrol", data=body)
    assert (answer.status, answer.code) == (400, "bad_request")


async def test_the_page_of_an_invitation_shows_its_code_once_to_who_made_it(
    workspace: Workspace,
) -> None:
    workspace.github.person("hubot", permissions={"acme/rocket": "write"})
    keys, store, here = workspace.dispatcher.shared.keys, workspace.store, workspace.installation.id
    grant = Grant(here, "builder", "developer", person_id=workspace.person.id)
    hidden = await store.write(lambda tx: invitations.add_hidden(tx, keys, grant))
    page = f"/invitations/{hidden}"
    async with open_login_server(workspace) as server:
        nobody, other, mine = server.browser(), server.browser("hubot"), server.browser("octocat")
        for method in ("GET", "POST"):
            sent = await nobody.open(page, method)
            assert (sent.status, sent.location) == (303, f"/login?return_to={page}")
        for each in (other, mine):
            await each.log_in()
            asked = await each.open(page)
            assert (asked.status, "hubbub_" in asked.text) == (200, False)
        assert (await other.open(page, "POST")).status == 404
        shown = await mine.open(page, "POST")
        (code,) = re.findall("hubbub_[0-9a-f]{20}_[\\w-]+", shown.text)
        assert shown.headers["Cache-Control"] == "no-store"
        assert (await mine.open(page, "POST")).status == 404
        assert (await mine.open("/invitations/none", "POST")).status == 404
    assert await store.write(lambda tx: invitations.redeem(tx, keys, code)) is not None


@ON_SQLITE
async def test_who_guesses_codes_or_logs_out_without_a_login_writes_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite one writes at a time, and strangers must not keep others waiting."""
    writes, write = [], type(workspace.store).write

    async def count(store: Store, work: Any) -> Any:
        writes.append(work)
        return await write(store, work)

    async with open_login_server(workspace) as server:
        monkeypatch.setattr(type(workspace.store), "write", count)
        guess = f"hubbub_{server.keys.id}000000000000_x"

        async def try_once() -> None:
            enrolled = await server.client.post(f"{server.url}/enrol", json={"code": guess})
            assert enrolled.status == 401
            for cookie in ({}, {"Cookie": f"hubbub_session={guess}"}):
                left = await server.client.post(f"{server.url}/logout", headers=cookie)
                assert left.status == 200

        await try_once()  # the audit gets a row of the first refusal
        before = len(writes)
        await try_once()
        assert len(writes) == before


@ON_SQLITE
async def test_no_agent_is_called_as_the_audit_calls_the_operator(workspace: Workspace) -> None:
    lead = await workspace.agent("lead", "tech-lead")
    refused = await lead.refusal("invite_agent", agent_id=OPERATOR)
    assert refused.message == (
        "'operator' cannot be an agent's id, because the audit calls the person who runs Hubbub so."
    )


@ON_SQLITE
async def test_an_invitation_takes_over_no_agent_of_somebody_else(workspace: Workspace) -> None:
    """Who has a token of an agent reads its messages and ends its tasks."""
    i, repository = workspace.installation.id, workspace.repository.id
    await workspace.agent("ada")
    roles: dict[int, Role] = {repository: "developer"}
    dev = replace(person_with_roles(i, "dev", roles, [repository]), person_id=7)
    other = replace(dev, name="@other", person_id=8)
    bound = Actor(i, "bound", "tech-lead", frozenset({repository}))
    callers = [Agent(workspace.dispatcher, each) for each in (dev, other, bound)]
    await callers[2].call("register_agent", agent_id="bound", name="Bound")
    for each in callers:
        refused = await each.refusal("invite_agent", agent_id="ada")
        assert (refused.code, "another id" in refused.message) == ("forbidden", True)
    # Their own ones they may invite again, and nobody else may.
    for _ in range(2):
        await callers[0].call("invite_agent", agent_id="mine")
    for each in callers[1:]:
        assert (await each.refusal("invite_agent", agent_id="mine")).code == "forbidden"
    lead = await workspace.agent("lead", "tech-lead")
    for name in ("ada", "mine"):
        assert (await lead.call("invite_agent", agent_id=name))["code"]


async def test_an_invitation_ends_with_the_role_of_its_person(workspace: Workspace) -> None:
    here = workspace.repository.full_name
    hubot = workspace.github.person("hubot", permissions={here: "write"})
    issue = await workspace.task()
    hubot.comment(issue, "/agents invite builder")
    await workspace.settle()
    (row,) = await workspace.rows(
        "SELECT * FROM credentials WHERE installation_id = :i AND kind = 'invitation'"
    )
    keys, store = workspace.dispatcher.shared.keys, workspace.store
    code = await store.write(lambda tx: invitations.reveal(tx, keys, row["id"], row["person_id"]))
    assert code is not None
    await store.write(
        lambda tx: permissions.put(
            tx, workspace.installation.id, workspace.repository.id, "hubot", "read", hubot.id
        )
    )
    assert await store.write(lambda tx: invitations.redeem(tx, keys, code)) is None
