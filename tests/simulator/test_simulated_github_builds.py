"""Continuous integration on the simulated GitHub."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.github_client import Acme, open_acme

REPO = "/repos/acme/web"


@pytest.fixture
async def acme(openapi: Path | None) -> AsyncIterator[Acme]:
    async with open_acme(openapi) as found:
        found.ada.push(found.web, "fix", {"a.py": "1\n"})
        found.ada.open_pull(found.web, title="Fix", head="fix")
        found.github.hold_deliveries()
        yield found
        assert found.github.violations == []


def held_events(acme: Acme) -> list[tuple[str, str | None]]:
    return [(each.event, each.action) for each in acme.github.held_deliveries]


async def checks(acme: Acme, ref: str) -> list[Any]:
    found = (await acme.call("GET", f"{REPO}/commits/{ref}/check-runs")).data
    assert found["total_count"] == len(found["check_runs"])
    return [(each["name"], each["status"], each["conclusion"]) for each in found["check_runs"]]


async def test_a_check_begins_and_ends_with_its_suite(acme: Acme) -> None:
    ci, sha = acme.github.ci, acme.web.branches["fix"]
    check = ci.start_check(acme.web, sha, "lint")
    assert await checks(acme, "fix") == [("lint", "in_progress", None)]
    ci.finish_check(check, "failure")
    assert await checks(acme, sha) == [("lint", "completed", "failure")]
    assert held_events(acme) == [
        ("check_suite", "requested"),
        ("check_run", "created"),
        ("check_run", "completed"),
        ("check_suite", "completed"),
    ]
    last = acme.github.held_deliveries[-1].payload["check_suite"]
    assert (last["conclusion"], last["head_branch"]) == ("failure", "fix")
    assert [each["number"] for each in last["pull_requests"]] == [1]


async def test_a_workflow_run_goes_through_its_jobs(acme: Acme) -> None:
    ci = acme.github.ci
    run = ci.request_run(acme.web, acme.web.branches["fix"], jobs=("build", "test"))
    ci.start_job(run.jobs[0])
    ci.finish_job(run.jobs[0])
    path = f"{REPO}/actions/runs/{run.id}"
    assert (await acme.call("GET", path)).data["status"] == "in_progress"
    ci.finish_run(run, "failure")
    shown = (await acme.call("GET", path)).data
    assert (shown["status"], shown["conclusion"]) == ("completed", "failure")
    assert shown["pull_requests"][0]["number"] == 1
    only = [each for each in held_events(acme) if each[0].startswith("workflow")]
    assert only == [
        ("workflow_run", "requested"),
        ("workflow_job", "queued"),
        ("workflow_job", "queued"),
        ("workflow_job", "in_progress"),
        ("workflow_run", "in_progress"),
        ("workflow_job", "completed"),
        ("workflow_job", "in_progress"),
        ("workflow_job", "completed"),
        ("workflow_run", "completed"),
    ]
    assert held_events(acme).count(("check_suite", "completed")) == 1


async def test_another_attempt_has_the_same_run_and_new_jobs(acme: Acme) -> None:
    ci = acme.github.ci
    run = ci.request_run(acme.web, acme.web.branches["fix"])
    ci.finish_run(run, "failure")
    ci.rerun(run)
    path = f"{REPO}/actions/runs/{run.id}"
    shown = (await acme.call("GET", path)).data
    assert (shown["run_attempt"], shown["status"], shown["conclusion"]) == (2, "queued", None)
    jobs = (await acme.call("GET", f"{path}/jobs")).data["jobs"]
    assert [each["id"] for each in jobs] == [run.jobs[1].id]
    both = (await acme.call("GET", f"{path}/jobs?filter=all")).data["jobs"]
    assert [each["run_attempt"] for each in both] == [1, 2]
    assert await checks(acme, "fix") == [("build", "queued", None)]


async def test_workflow_runs_are_found_by_what_they_ran_on(acme: Acme) -> None:
    ci, web = acme.github.ci, acme.web
    first = ci.request_run(web, web.branches["fix"])
    ci.finish_run(first)
    second = ci.request_run(web, web.branches["main"], "Nightly", event="schedule")
    for query, expected in (
        ("", [second, first]),
        (f"?head_sha={web.branches['fix']}", [first]),
        ("?branch=main", [second]),
        ("?event=schedule", [second]),
        ("?status=completed", [first]),
        ("?status=success", [first]),
        ("?status=queued", [second]),
    ):
        found = (await acme.call("GET", f"{REPO}/actions/runs{query}")).data
        assert [each["id"] for each in found["workflow_runs"]] == [each.id for each in expected]


async def test_a_run_that_was_asked_for_is_titled_by_its_input(acme: Acme) -> None:
    title = "${{ inputs.run_name }}"
    acme.github.ci.workflow(acme.web, "agent.yml", ["run_name"], "Agent", title)
    path = f"{REPO}/actions/workflows/agent.yml"
    for inputs in ({}, {"run_name": "hubbub 7"}):
        answer = await acme.call("POST", f"{path}/dispatches", {"ref": "main", "inputs": inputs})
        assert (answer.status, answer.data) == (204, "")
        acme.clock.forward(60)
    listed = (await acme.call("GET", f"{path}/runs")).data["workflow_runs"]
    assert [each["display_title"] for each in listed] == ["hubbub 7", "Agent"]
    since = listed[0]["created_at"]
    later = await acme.call("GET", f"{path}/runs?created=%3E%3D{since}")
    assert [each["id"] for each in later.data["workflow_runs"]] == [listed[0]["id"]]
    assert (await acme.call("GET", f"{REPO}/actions/workflows/none.yml/runs")).status == 404


async def test_the_newest_version_always_names_the_run(acme: Acme) -> None:
    acme.github.ci.workflow(acme.web, "agent.yml")
    newest = {"X-GitHub-Api-Version": "2026-03-10"}
    path = f"{REPO}/actions/workflows/agent.yml/dispatches"
    answer = await acme.call("POST", path, {"ref": "main"}, **newest)
    assert answer.data["workflow_run_id"] in acme.web.workflow_runs


async def test_a_check_is_changed_by_the_app_that_made_it(acme: Acme) -> None:
    sha = acme.web.branches["main"]
    mine = await acme.call("POST", f"{REPO}/check-runs", {"name": "task", "head_sha": sha})
    assert mine.data["status"] == "queued"
    path = f"{REPO}/check-runs/{mine.data['id']}"
    begun = await acme.call("PATCH", path, {"status": "in_progress", "name": "task 7"})
    assert (begun.data["status"], begun.data["name"]) == ("in_progress", "task 7")
    others = acme.github.ci.start_check(acme.web, sha, "lint")
    answer = await acme.call("PATCH", f"{REPO}/check-runs/{others.id}", {"conclusion": "success"})
    assert answer.status == 403
    assert others.progress.conclusion is None
