"""Jobs of GitHub Actions as agents: by their own token, and by a session."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from bot.errors import Refused
from bot.identity.actions.github_oidc import LEEWAY
from bot.identity.actors import Actor
from bot.identity.sessions import Issued
from bot.identity.tokens import Tokens
from bot.runs.actions_tokens import LOOK_AGAIN, ActionsTokens
from bot.times import SECOND
from fixtures.github import WorkflowRun
from store.engine.database import open_store
from store.engine.origins import Origin
from tests.support.actions import (
    HUBBUB,
    LISTED,
    allow_workflow,
    open_tokens,
    run_agent,
    token_of,
)
from tests.support.story import Agent, Clock, Workspace


@pytest.fixture
async def checker(workspace: Workspace, clock: Clock) -> AsyncIterator[ActionsTokens]:
    await allow_workflow(workspace)
    async with open_tokens(workspace.store, workspace.github, clock) as made:
        yield made


@pytest.fixture
def tokens(workspace: Workspace, checker: ActionsTokens) -> Tokens:
    """As `serve` has them, but it looks at the database at each call."""
    return Tokens(workspace.store, workspace.dispatcher.shared.keys, (HUBBUB,), (checker,), 0)


async def exchange(workspace: Workspace, checker: ActionsTokens, token: str) -> Issued:
    keys, now = workspace.dispatcher.shared.keys, workspace.clock()
    return await checker.exchange(keys, token, now, audience=HUBBUB, origin=Origin("oauth"))


async def refusal(tokens: Tokens, token: str) -> Refused:
    with pytest.raises(Refused) as refused:
        await tokens.authenticate(token)
    return refused.value


async def test_a_job_is_an_agent_that_reaches_its_repository_only(
    workspace: Workspace, tokens: Tokens
) -> None:
    run = run_agent(workspace)
    actor = await tokens.authenticate(token_of(workspace, run))
    here = frozenset({workspace.repository.id})
    name = f"actions-{run.id}"
    assert actor == Actor(
        workspace.installation.id, name, "developer", here, credential=actor.credential
    )
    task, other = await workspace.task(), workspace.github.repository("acme/secret", private=True)
    workspace.github.add_repositories(workspace.installation, ["acme/secret"])
    workspace.github.set_permission("acme/secret", "octocat", "admin")
    workspace.person.open_issue(other, "Hidden", labels=["agent-task"])
    await workspace.settle()
    agent = Agent(workspace.dispatcher, actor)
    await agent.call("register_agent", agent_id=name, name="Agent in Actions")
    claimed = await agent.call("claim_task", task=workspace.name(task))
    assert claimed["task"]["title"] == task.title
    refused = await agent.refusal("get_task", task="acme/secret#1")
    assert refused.code == "unknown_repository"
    listed = await agent.call("list_tasks")
    assert [each["title"] for each in listed["tasks"]] == [task.title]


async def test_what_the_repository_no_longer_accepts_ends_within_seconds(
    workspace: Workspace, tokens: Tokens
) -> None:
    token = token_of(workspace, run_agent(workspace))
    await tokens.authenticate(token)
    await allow_workflow(workspace, f"{LISTED}      refs: [refs/heads/other]")
    workspace.clock.forward(LOOK_AGAIN / SECOND + 1)
    assert (await refusal(tokens, token)).code == "forbidden"
    await allow_workflow(workspace, f"{LISTED}      role: tester")
    assert (await tokens.authenticate(token)).role == "tester"


async def test_an_accepted_token_ends_when_github_says(
    workspace: Workspace, tokens: Tokens
) -> None:
    token = token_of(workspace, run_agent(workspace))
    actor = await tokens.authenticate(token)
    workspace.clock.forward(300)
    assert await tokens.authenticate(token) == actor
    assert not tokens.has_ended(actor)
    workspace.clock.forward(LEEWAY)
    assert "The token expired 30 seconds ago." in (await refusal(tokens, token)).message
    # Its sockets end too.
    assert tokens.has_ended(actor)


async def test_a_repository_without_the_app_is_refused(
    workspace: Workspace, tokens: Tokens
) -> None:
    run = run_agent(workspace)
    other = str(workspace.github.repository("acme/other").id)
    refused = await refusal(tokens, token_of(workspace, run, repository_id=other))
    assert refused.code == "forbidden"
    assert refused.message == (
        "Hubbub's App is not installed on acme/rocket. An administrator of acme/rocket can install "
        "it."
    )
    # A repository of this id that another account has now, if the mirror does not know yet.
    moved = token_of(workspace, run, repository_owner_id="1")
    assert (await refusal(tokens, moved)).code == "forbidden"
    workspace.github.remove_repositories(workspace.installation, ["acme/rocket"])
    await workspace.settle()
    assert (await refusal(tokens, token_of(workspace, run))).code == "forbidden"


async def test_a_suspended_installation_is_refused_until_it_is_back(
    workspace: Workspace, tokens: Tokens
) -> None:
    run = run_agent(workspace)
    workspace.github.suspend(workspace.installation)
    await workspace.settle()
    refused = await refusal(tokens, token_of(workspace, run))
    assert refused.message == (
        "The installation of Hubbub's App on acme/rocket is suspended. An owner of the account can "
        "end that in the settings of the App."
    )
    workspace.github.unsuspend(workspace.installation)
    await workspace.settle()
    assert (await tokens.authenticate(token_of(workspace, run))).role == "developer"


async def test_a_removed_installation_is_refused(workspace: Workspace, tokens: Tokens) -> None:
    run = run_agent(workspace)
    workspace.github.uninstall(workspace.installation)
    await workspace.settle()
    assert (await refusal(tokens, token_of(workspace, run))).code == "forbidden"


async def test_a_token_signed_with_the_next_key_is_accepted(
    workspace: Workspace, tokens: Tokens
) -> None:
    run = run_agent(workspace)
    await tokens.authenticate(token_of(workspace, run))
    workspace.github.oidc.rotate()
    token = token_of(workspace, run)
    # Right after the last look, the new key stays unknown.
    assert "does not publish the key" in (await refusal(tokens, token)).message
    workspace.clock.forward(20)
    assert (await tokens.authenticate(token)).name == f"actions-{run.id}"


async def test_without_keys_the_server_says_that_it_cannot_check(
    workspace: Workspace, tokens: Tokens
) -> None:
    run = run_agent(workspace)
    token = token_of(workspace, run)
    await workspace.github.__aexit__(None, None, None)
    refused = await refusal(tokens, token)
    assert (refused.code, refused.status) == ("unavailable", 503)
    # Tokens of others do not wait for GitHub.
    assert (await refusal(tokens, "hubbub_0_x")).code == "unauthenticated"


# --- Sessions ------------------------------------------------------------------------------------


async def test_a_token_is_exchanged_for_a_session_that_outlives_it(
    workspace: Workspace, checker: ActionsTokens, tokens: Tokens
) -> None:
    run = run_agent(workspace)
    token = token_of(workspace, run)
    direct, issued = await tokens.authenticate(token), await exchange(workspace, checker, token)
    workspace.clock.forward(600)
    actor = await tokens.authenticate(issued.access_token)
    assert actor == Actor(
        direct.installation_id, direct.name, direct.role, direct.repositories, issued.session
    )
    (row,) = await workspace.rows(
        "SELECT * FROM credentials WHERE installation_id = :i AND kind = 'session'"
    )
    job = json.loads(row["data"])["job"]
    assert (job["repository_id"], job["run_id"], job["run_attempt"]) == (
        workspace.repository.id,
        run.id,
        1,
    )
    assert row["created_by"] == "@github-actions[bot]"
    assert row["expires_at"] - row["created_at"] == 6 * 3600 * SECOND


async def test_a_token_starts_one_session_only(
    workspace: Workspace, checker: ActionsTokens
) -> None:
    token = token_of(workspace, run_agent(workspace))
    await exchange(workspace, checker, token)
    with pytest.raises(Refused) as refused:
        await exchange(workspace, checker, token)
    assert refused.value.code == "unauthenticated"
    assert refused.value.message == (
        "This token of GitHub Actions has started a session before, and it can start only one. "
        "Request a new token for each session."
    )
    assert len(await sessions(workspace)) == 1


async def test_a_run_may_start_several_sessions_with_tokens_of_their_own(
    workspace: Workspace, checker: ActionsTokens
) -> None:
    run = run_agent(workspace)
    for _ in range(2):
        await exchange(workspace, checker, token_of(workspace, run))
    assert len(await sessions(workspace)) == 2


async def test_of_many_exchanges_of_one_token_at_once_one_succeeds(
    workspace: Workspace, checker: ActionsTokens, store_url: str, clock: Clock
) -> None:
    """In two processes, as far as the database can tell."""
    token = token_of(workspace, run_agent(workspace))
    other = await open_store(store_url, clock)
    async with open_tokens(other, workspace.github, clock) as second:
        results = await asyncio.gather(
            *(exchange(workspace, each, token) for each in (checker, second) * 4),
            return_exceptions=True,
        )
    await other.close()
    assert sorted(type(each).__name__ for each in results) == ["Issued", *["Refused"] * 7]
    assert len(await sessions(workspace)) == 1


async def test_a_token_that_is_refused_starts_no_session(
    workspace: Workspace, checker: ActionsTokens
) -> None:
    run = run_agent(workspace)
    await allow_workflow(workspace, "")
    token = token_of(workspace, run)
    with pytest.raises(Refused):
        await exchange(workspace, checker, token)
    await allow_workflow(workspace)
    # The refused exchange did not use the token up.
    await exchange(workspace, checker, token)


async def test_a_session_ends_with_its_run(
    workspace: Workspace, checker: ActionsTokens, tokens: Tokens
) -> None:
    run, other = run_agent(workspace), run_agent(workspace)
    ended = await exchange(workspace, checker, token_of(workspace, run))
    stays = await exchange(workspace, checker, token_of(workspace, other))
    late = token_of(workspace, run)
    workspace.github.ci.finish_run(run)
    await workspace.settle()
    assert (await refusal(tokens, ended.access_token)).code == "unauthenticated"
    assert (await tokens.authenticate(stays.access_token)).name == f"actions-{other.id}"
    with pytest.raises(Refused) as refused:
        await exchange(workspace, checker, late)
    assert refused.value.message == f"Run {run.id} of acme/rocket has ended."
    assert (await refusal(tokens, late)).code == "unauthenticated"
    # Another attempt of the run is accepted again.
    workspace.github.ci.rerun(run)
    await workspace.settle()
    again = await exchange(workspace, checker, token_of(workspace, run))
    assert (await tokens.authenticate(again.access_token)).name == f"actions-{run.id}"
    assert (await refusal(tokens, late)).code == "unauthenticated"


async def test_what_a_job_queued_before_its_run_ended_is_sent(
    workspace: Workspace, checker: ActionsTokens, tokens: Tokens
) -> None:
    """Its session ended as it should. Nobody stopped the job."""
    run = run_agent(workspace)
    issued = await exchange(workspace, checker, token_of(workspace, run))
    job = Agent(workspace.dispatcher, await tokens.authenticate(issued.access_token))
    await job.call("register_agent", agent_id=job.actor.name, name="Job")
    await job.write("github_create_issue", repository="acme/rocket", title="Last words")
    workspace.github.ci.finish_run(run)
    await workspace.settle()
    assert (await refusal(tokens, issued.access_token)).code == "unauthenticated"
    assert [each.title for each in workspace.repository.issues.values()] == ["Last words"]


@pytest.mark.parametrize(
    ("settings", "accepts"),
    [
        (f"lease_s: 120\n{LISTED}", True),
        (f"{LISTED}      events: [push]", False),
        (f"{LISTED}      role: tester", False),
        (f"{LISTED}      agent: scout", False),
        ("", False),
        (None, False),
    ],
    ids=["another setting", "event", "role", "agent", "no list", "no file"],
)
async def test_a_session_ends_when_the_repository_would_not_give_it(
    workspace: Workspace,
    checker: ActionsTokens,
    tokens: Tokens,
    settings: str | None,
    *,
    accepts: bool,
) -> None:
    issued = await exchange(workspace, checker, token_of(workspace, run_agent(workspace)))
    await allow_workflow(workspace, settings)
    if accepts:
        assert (await tokens.authenticate(issued.access_token)).role == "developer"
    else:
        assert (await refusal(tokens, issued.access_token)).code == "unauthenticated"


async def sessions(workspace: Workspace) -> list[str]:
    rows = await workspace.rows(
        "SELECT id FROM credentials WHERE installation_id = :i AND kind = 'session'"
    )
    return [row["id"] for row in rows]


async def test_jobs_of_a_run_are_one_agent(workspace: Workspace, tokens: Tokens) -> None:
    """So a job that reports can end what another job of the run began."""
    run: WorkflowRun = run_agent(workspace)
    names = {
        (await tokens.authenticate(token_of(workspace, run, check_run_id=str(n)))).name
        for n in range(1, 3)
    }
    assert names == {f"actions-{run.id}"}
