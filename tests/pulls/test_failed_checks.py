"""The holder of a task learns which checks failed, in which step, and where the logs are."""

from typing import Any

from fixtures.github import Pull
from tests.support.story import Agent, Workspace


async def proposed(workspace: Workspace) -> tuple[Agent, Pull]:
    scout, issue = await workspace.agent("scout"), await workspace.task()
    name = workspace.name(issue)
    mine = {"task": name, "fence": (await scout.call("claim_task", task=name))["fence"]}
    files = [{"path": "a.py", "content": "1\n"}]
    await scout.call("github_commit_files", **mine, branch="fix", files=files, message="Mend")
    await scout.call("github_create_pr", **mine, head="fix", title="Mend")
    await workspace.settle()
    return scout, next(iter(workspace.repository.pulls.values()))


async def notices(agent: Agent) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await agent.call("list_agents"))["notices"]
    return found


async def test_ten_failed_checks_of_one_head_are_one_notice_with_their_names(
    workspace: Workspace,
) -> None:
    scout, pull = await proposed(workspace)
    ci = workspace.github.ci
    for n in range(10):
        ci.finish_check(ci.start_check(workspace.repository, pull.head_sha, f"t{n}"), "failure")
        await workspace.settle()
    (notice,) = await notices(scout)
    assert notice["kind"] == "check_failed"
    names = ", ".join(f"t{n}" for n in range(10))
    assert notice["message"].startswith(
        f"10 checks failed on commit {pull.head_sha[:7]} of your pull request "
        f"acme/rocket#{pull.number}: {names}. [t0: https://"
    )
    assert notice["message"].endswith("] get_task shows its checks.")


async def test_a_failed_job_of_github_actions_is_told_with_its_step_and_the_logs_address(
    workspace: Workspace,
) -> None:
    scout, pull = await proposed(workspace)
    ci = workspace.github.ci
    run = ci.request_run(workspace.repository, pull.head_sha, jobs=("build", "lint"))
    ci.start_run(run)
    ci.finish_job(run.latest_jobs[0])
    ci.finish_job(run.latest_jobs[1], "failure")
    await workspace.settle()
    (notice,) = await notices(scout)
    where = f"https://github.com/acme/rocket/actions/runs/{run.id}/job/{run.latest_jobs[1].id}"
    assert notice["message"] == (
        f"The check lint ended with failure on commit {pull.head_sha[:7]} of your pull request "
        f"acme/rocket#{pull.number}. [log, step lint: {where}] get_task shows its checks."
    )


async def test_what_failed_while_the_agent_was_away_is_in_the_hand_off_and_in_get_task(
    workspace: Workspace,
) -> None:
    scout, pull = await proposed(workspace)
    ci = workspace.github.ci
    ci.finish_check(ci.start_check(workspace.repository, pull.head_sha, "lint"), "failure")
    await workspace.settle()
    log = "https://github.com/acme/rocket/runs/"
    found = await scout.call("get_task", task=f"acme/rocket#{pull.number}")
    (shown,) = found["around"]["pull_requests"]
    assert shown["checks_failed"] == ["lint"]
    assert shown["logs"]["lint"].startswith(log)
    task = found["task"]
    await scout.call("release_task", task=task["task"], fence=task["fence"])
    rover = await workspace.agent("rover")
    handoff = (await rover.call("claim_task", task=task["task"]))["handoff"]
    assert [each.split(":")[0] for each in handoff["checks_failed"]] == ["lint"]
