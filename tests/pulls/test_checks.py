"""Hubbub's check run on the pull requests of tasks, on the simulated GitHub."""

from typing import Any

import pytest

from fixtures.github import Issue, Pull
from fixtures.github.state import CheckRun
from tests.outbox.test_copied_marks import other_app
from tests.support.engines import ON_SQLITE
from tests.support.story import Agent, Workspace


def checks(workspace: Workspace, head: str) -> list[CheckRun]:
    """The check runs of Hubbub on a commit."""
    suites = workspace.repository.check_suites.values()
    runs = [run for each in suites if each.head_sha == head for run in each.runs]
    return [run for run in runs if run.name == "Hubbub" and run.app is workspace.github.app]


def shown(workspace: Workspace, pull: Pull) -> tuple[str | None, str]:
    """The conclusion and the title of the one check run on the head."""
    (check,) = checks(workspace, pull.head_sha)
    return check.progress.conclusion, check.output["title"]


def writes(workspace: Workspace) -> int:
    """How often a check run was made or changed."""
    sent = [each for each in workspace.github.requests if each.method != "GET"]
    return sum("/check-runs" in each.path for each in sent)


async def claim(workspace: Workspace, agent: Agent, issue: Issue, **more: Any) -> dict[str, Any]:
    name = workspace.name(issue)
    return {"task": name, "fence": (await agent.call("claim_task", task=name, **more))["fence"]}


async def propose(
    workspace: Workspace, agent: Agent, mine: dict[str, Any], head: str = "fix", path: str = "a.py"
) -> Pull:
    """The pull request of a held task, with one changed file."""
    files = [{"path": path, "content": f"{head}\n"}]
    await agent.call("github_commit_files", **mine, branch=head, files=files, message="Mend")
    await agent.call("github_create_pr", **mine, head=head, title="Mend")
    await workspace.settle()
    return workspace.repository.pulls[max(workspace.repository.pulls)]


def open_pull(workspace: Workspace, issue: Issue, head: str = "other", by: Any = None) -> Pull:
    """A person's pull request that closes the issue."""
    person = by or workspace.person
    person.push(workspace.repository, head, {f"{head}.py": "1\n"}, base="main")
    body = f"Closes #{issue.number}"
    pull: Pull = person.open_pull(workspace.repository, title="Too", head=head, body=body)
    return pull


async def test_the_pull_request_of_a_task_gets_one_check_that_passes(workspace: Workspace) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    pull = await propose(workspace, scout, await claim(workspace, scout, issue))
    assert shown(workspace, pull) == ("success", f"The pull request of #{issue.number}")
    assert writes(workspace) == 1


async def test_a_pull_request_of_no_task_gets_no_check(workspace: Workspace) -> None:
    issue = workspace.person.open_issue(workspace.repository, "No task")
    pull = open_pull(workspace, issue)
    await workspace.settle()
    assert checks(workspace, pull.head_sha) == []


async def test_a_second_pull_request_of_a_task_fails_until_the_first_is_closed(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    first = open_pull(workspace, issue, "one")
    second = open_pull(workspace, issue, "two")
    await workspace.settle()
    assert shown(workspace, first)[0] == "success"
    already = f"#{issue.number} has the open pull request #{first.number} already"
    assert shown(workspace, second) == ("failure", already)
    workspace.person.close(first)
    await workspace.settle()
    assert shown(workspace, second) == ("success", f"The first one for #{issue.number}")


async def test_a_pull_request_by_somebody_else_than_the_holder_fails_until_the_task_is_free(
    workspace: Workspace,
) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    mine = await claim(workspace, scout, issue)
    pull = open_pull(workspace, issue)
    await workspace.settle()
    assert shown(workspace, pull) == ("failure", f"scout holds #{issue.number}")
    (check,) = checks(workspace, pull.head_sha)
    assert "`@octocat` opened this pull request" in check.output["summary"]
    await scout.call("release_task", **mine)
    await workspace.settle()
    assert shown(workspace, pull)[0] == "success"
    await workspace.agent("rover")
    await claim(workspace, await workspace.agent("rover"), issue)
    await workspace.settle()
    assert shown(workspace, pull) == ("failure", f"rover holds #{issue.number}")
    assert len(checks(workspace, pull.head_sha)) == 1


async def test_an_agent_that_opens_a_pull_request_for_the_task_of_another_learns_why_it_fails(
    workspace: Workspace,
) -> None:
    scout, rover, issue = (
        await workspace.agent("scout"),
        await workspace.agent("rover"),
        await workspace.task(),
    )
    await claim(workspace, scout, issue)
    files = [{"path": "b.py", "content": "b\n"}]
    where = {"repository": "acme/rocket"}
    await rover.call("github_commit_files", **where, branch="b", files=files, message="Mend")
    await rover.call(
        "github_create_pr", **where, head="b", title="B", body=f"Fixes #{issue.number}"
    )
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    assert shown(workspace, pull) == ("failure", f"scout holds #{issue.number}")
    for agent in (rover, scout):
        (notice,) = (await agent.call("list_agents"))["notices"]
        assert notice["kind"] == "pull_blocked"
        assert notice["message"] == (
            f"Hubbub's check on acme/rocket#{pull.number} fails: `scout` holds #{issue.number}, "
            "and `rover` opened this pull request. Close it, or let `rover` take the task: "
            f"`/release` on #{issue.number} takes it from its holder."
        )


async def test_a_pull_request_that_changes_reserved_paths_fails_until_they_are_free(
    workspace: Workspace,
) -> None:
    scout, rover = await workspace.agent("scout"), await workspace.agent("rover")
    one, two = await workspace.task("One"), await workspace.task("Two")
    reserved = await claim(workspace, scout, one, paths=["src/"])
    pull = await propose(workspace, rover, await claim(workspace, rover, two), path="src/a.py")
    title = f"It changes paths that scout reserved for #{one.number}"
    assert shown(workspace, pull) == ("failure", title)
    (check,) = checks(workspace, pull.head_sha)
    assert "`src/a.py`" in check.output["summary"]
    await scout.call("claim_task", task=reserved["task"], paths=["docs/"])
    await workspace.settle()
    assert shown(workspace, pull)[0] == "success"
    await scout.call("claim_task", task=reserved["task"], paths=["src/a.py"])
    await workspace.settle()
    assert shown(workspace, pull)[0] == "failure"
    await scout.call("release_task", **reserved)
    await workspace.settle()
    assert shown(workspace, pull) == ("success", f"The pull request of #{two.number}")


async def test_of_two_claims_on_a_path_the_older_one_has_it(workspace: Workspace) -> None:
    scout, rover = await workspace.agent("scout"), await workspace.agent("rover")
    one, two = await workspace.task("One"), await workspace.task("Two")
    mine = await claim(workspace, rover, two, paths=["src/a.py"])
    await claim(workspace, scout, one, paths=["src/"])
    pull = await propose(workspace, rover, mine, path="src/a.py")
    assert shown(workspace, pull)[0] == "success"


async def test_a_person_overrides_the_check_for_all_later_heads(workspace: Workspace) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    await claim(workspace, scout, issue)
    pull = open_pull(workspace, issue)
    await workspace.settle()
    workspace.person.comment(pull, "/override We agreed on it.")
    await workspace.settle()
    assert shown(workspace, pull) == ("success", "Overridden by @octocat")
    (check,) = checks(workspace, pull.head_sha)
    assert "`We agreed on it`" in check.output["summary"]
    workspace.person.push(workspace.repository, "other", {"c.py": "2\n"})
    await workspace.settle()
    assert shown(workspace, pull) == ("success", "Overridden by @octocat")
    workspace.person.close(pull)
    await workspace.settle()
    workspace.person.reopen(pull)
    await workspace.settle()
    assert shown(workspace, pull) == ("failure", f"scout holds #{issue.number}")


async def test_an_override_holds_only_for_what_failed_then(workspace: Workspace) -> None:
    scout, rover = await workspace.agent("scout"), await workspace.agent("rover")
    issue, other = await workspace.task("One"), await workspace.task("Two")
    await claim(workspace, scout, issue)
    pull = open_pull(workspace, issue)
    await workspace.settle()
    workspace.person.comment(pull, "/override")
    await workspace.settle()
    await claim(workspace, rover, other, paths=["other.py"])
    await workspace.settle()
    title = f"It changes paths that rover reserved for #{other.number}"
    assert shown(workspace, pull) == ("failure", title)


@pytest.mark.parametrize("who", ["a reader", "an agent"])
async def test_nobody_without_write_access_and_no_agent_overrides(
    workspace: Workspace, who: str
) -> None:
    scout, issue = await workspace.agent("scout", "tech-lead"), await workspace.task()
    await claim(workspace, scout, issue)
    pull = open_pull(workspace, issue)
    await workspace.settle()
    if who == "an agent":
        name = f"acme/rocket#{pull.number}"
        refused = await scout.refusal("override_check", pull_request=name)
        assert (refused.code, refused.message.split(".")[0]) == (
            "forbidden",
            "Only people may call override_check",
        )
    else:
        workspace.github.person("reader", permissions={"acme/rocket": "read"}).comment(
            pull, "/override"
        )
    await workspace.settle()
    assert shown(workspace, pull)[0] == "failure"


async def test_a_check_that_does_not_fail_cannot_be_overridden(workspace: Workspace) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    pull = await propose(workspace, scout, await claim(workspace, scout, issue))
    workspace.person.comment(pull, "/override")
    await workspace.settle()
    assert "does not fail on" in pull.comments[-1].body


@pytest.mark.parametrize("what", ["check", "suite"])
async def test_a_re_request_writes_the_check_again(workspace: Workspace, what: str) -> None:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    pull = await propose(workspace, scout, await claim(workspace, scout, issue))
    (check,) = checks(workspace, pull.head_sha)
    if what == "check":
        workspace.github.ci.rerequest_check(check)
    else:
        workspace.github.ci.rerequest_suite(check.suite)
    await workspace.settle()
    assert writes(workspace) == 2
    assert checks(workspace, pull.head_sha) == [check]


async def test_a_check_whose_outcome_is_unknown_is_found_and_not_made_twice(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    pull = open_pull(workspace, issue)
    await workspace.process_delivery()
    while await workspace.process_delivery():
        pass
    workspace.clock.forward(60)
    await workspace.die_while_sending()
    assert len(checks(workspace, pull.head_sha)) == 1
    await workspace.settle()
    assert len(checks(workspace, pull.head_sha)) == 1
    await claim(workspace, await workspace.agent("scout"), issue)
    await workspace.settle()
    assert shown(workspace, pull) == ("failure", f"scout holds #{issue.number}")


async def test_a_check_run_that_github_lost_is_made_again(workspace: Workspace) -> None:
    issue = await workspace.task()
    pull = open_pull(workspace, issue)
    await workspace.settle()
    (check,) = checks(workspace, pull.head_sha)
    check.suite.runs.remove(check)
    await claim(workspace, await workspace.agent("scout"), issue)
    await workspace.settle()
    assert shown(workspace, pull) == ("failure", f"scout holds #{issue.number}")


async def test_a_head_that_comes_back_gets_what_was_not_sent_for_it(workspace: Workspace) -> None:
    issue = await workspace.task()
    pull = open_pull(workspace, issue)
    await workspace.settle()
    head = pull.head_sha
    # The failure waits in the queue when the head changes.
    await claim(workspace, await workspace.agent("scout"), issue)
    workspace.person.push(workspace.repository, "other", {"n.py": "1\n"})
    while await workspace.process_delivery():
        pass
    await workspace.settle()
    assert checks(workspace, head)[0].progress.conclusion == "success"
    workspace.person.move_branch(workspace.repository, "other", head)
    await workspace.settle()
    assert pull.head_sha == head
    assert shown(workspace, pull)[0] == "failure"


@ON_SQLITE
async def test_a_pull_request_of_another_app_from_an_agents_branch_is_not_the_agents(
    workspace: Workspace,
) -> None:
    scout, one, two = await workspace.agent("scout"), await workspace.task(), await workspace.task()
    pull = await propose(workspace, scout, await claim(workspace, scout, one))
    workspace.person.close(pull)
    await workspace.settle()
    await claim(workspace, scout, two)
    body = f"Closes #{two.number}"
    other = other_app(workspace).open_pull(workspace.repository, "Too", body, head=pull.head)
    await workspace.settle()
    assert shown(workspace, other) == ("failure", f"scout holds #{two.number}")


async def test_two_pull_requests_with_one_head_share_the_worse_verdict(
    workspace: Workspace,
) -> None:
    issue = await workspace.task()
    workspace.person.push(workspace.repository, "release", {"r.py": "1\n"}, base="main")
    first = open_pull(workspace, issue)
    body = f"Closes #{issue.number}"
    second = workspace.person.open_pull(
        workspace.repository, title="Again", head="other", base="release", body=body
    )
    await workspace.settle()
    assert first.head_sha == second.head_sha
    assert shown(workspace, second)[0] == "failure"
    workspace.person.close(second)
    await workspace.settle()
    workspace.person.push(workspace.repository, "other", {"n.py": "1\n"})
    await workspace.settle()
    assert shown(workspace, first)[0] == "success"


SETTINGS = {
    "off": ("check: {pulls: none}", []),
    "neutral": ("check: {not_holder: neutral}", ["neutral"]),
    "ignored": ("check: {not_holder: ignore}", ["success"]),
}


@ON_SQLITE
@pytest.mark.parametrize("how", SETTINGS)
async def test_the_settings_say_what_fails(workspace: Workspace, how: str) -> None:
    text, conclusions = SETTINGS[how]
    workspace.person.push(workspace.repository, "main", {".github/hubbub.yml": text})
    await workspace.settle()
    scout, issue = await workspace.agent("scout"), await workspace.task()
    await claim(workspace, scout, issue)
    pull = open_pull(workspace, issue)
    await workspace.settle()
    found = [each.progress.conclusion for each in checks(workspace, pull.head_sha)]
    assert found == conclusions


async def test_settings_that_change_apply_to_open_pull_requests(workspace: Workspace) -> None:
    issue = workspace.person.open_issue(workspace.repository, "No task")
    pull = open_pull(workspace, issue)
    await workspace.settle()
    settings = {".github/hubbub.yml": "check: {pulls: all}"}
    workspace.person.push(workspace.repository, "main", settings)
    await workspace.settle()
    assert shown(workspace, pull) == ("success", "It is for no task")


@ON_SQLITE
async def test_twenty_pushes_and_ten_claim_changes_cost_few_writes(workspace: Workspace) -> None:
    scout, rover = await workspace.agent("scout"), await workspace.agent("rover")
    issue, other = await workspace.task("One"), await workspace.task("Two")
    mine = await claim(workspace, scout, issue)
    pull = await propose(workspace, scout, mine)
    for n in range(20):
        workspace.person.push(workspace.repository, "fix", {"a.py": f"{n}\n"})
        await workspace.settle()
    assert writes(workspace) == 21
    for _ in range(5):
        taken = await claim(workspace, rover, other)
        await rover.call("release_task", **taken)
    await workspace.settle()
    await scout.call("release_task", **mine)
    again = await claim(workspace, rover, issue)
    await workspace.settle()
    await rover.call("release_task", **again)
    await workspace.settle()
    assert shown(workspace, pull)[0] == "success"
    assert writes(workspace) == 21
