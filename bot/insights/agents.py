"""Agents that fail often, and agent runs that fail or wait."""

from collections import defaultdict
from collections.abc import Sequence

from bot.insights.findings import FEWEST, MANY, Finding, Scope, first_few, length, median, percent
from bot.times import SECOND
from store import history
from store.history import EndedTask, Ran

# With fewer tasks a share says little.
FEWEST_TASKS = 5
# Runs that wait longer for a place are worth a look.
LONG_S = 600


async def find(scope: Scope) -> list[Finding]:
    here = (scope.tx, scope.installation_id, scope.since, scope.repositories)
    return [
        *failing_agents(await history.ended_tasks(*here)),
        *run_findings(await history.runs(*here)),
    ]


def failing_agents(tasks: Sequence[EndedTask]) -> list[Finding]:
    by_agent = defaultdict[str, list[EndedTask]](list)
    for row in tasks:
        if row["last_holder"] and not row["last_holder"].startswith("@"):
            by_agent[row["last_holder"]].append(row)
    found = []
    for agent, ended in by_agent.items():
        failed = [row for row in ended if row["state"] == "failed"]
        often = len(failed) >= FEWEST and len(failed) > MANY * len(ended)
        if often and len(ended) >= FEWEST_TASKS:
            found.append(_fails(agent, failed, len(ended)))
    return found


def _fails(agent: str, failed: Sequence[EndedTask], ended: int) -> Finding:
    return Finding(
        kind="agent_fails",
        finding=f"{agent} failed {len(failed)} of its last {ended} tasks "
        f"({percent(len(failed), ended)}).",
        cases=len(failed),
        evidence=[f"{ended - len(failed)} tasks completed, {len(failed)} failed"],
        look_at=first_few([_name(row) for row in failed]),
        change="Read the reasons: `hubbub call get_task task=…` for each. If the tasks do not fit "
        f"the agent, give them `capabilities` that it lacks (`change_task`), or take some from it: "
        f"`hubbub call update_agent agent_id={agent} capabilities='[…]'`.",
    )


def _name(row: EndedTask) -> str:
    return f"{row['full_name']}#{row['number']}" if row["number"] else row["id"]


def run_findings(runs: Sequence[Ran]) -> list[Finding]:
    by_template = defaultdict[tuple[str, str], list[Ran]](list)
    for row in runs:
        by_template[row["full_name"], row["template"]].append(row)
    found = []
    for (repository, template), of in by_template.items():
        failed = [row for row in of if row["state"] in ("failed", "not_started")]
        if len(failed) >= FEWEST and len(failed) > MANY * len(of):
            found.append(_runs_fail(repository, template, failed, len(of)))
        waits = [
            (row["dispatched_at"] - row["created_at"]) // SECOND
            for row in of
            if row["dispatched_at"]
        ]
        if len(waits) >= FEWEST and median(waits) > LONG_S:
            found.append(_runs_wait(repository, template, waits, of))
    return found


def _runs_fail(repository: str, template: str, failed: Sequence[Ran], n: int) -> Finding:
    reasons = first_few([row["why"] for row in failed if row["why"]])
    return Finding(
        kind="runs_fail",
        finding=f"{len(failed)} of {n} runs of {template} in {repository} failed.",
        cases=len(failed),
        evidence=[f"{percent(len(failed), n)} of its runs failed", *reasons],
        look_at=first_few([row["id"] for row in failed]),
        change=f"Repair the workflow of `templates.{template}` in its .github/hubbub.yml."
        " `hubbub call get_agent_status` shows a run with the address of its log.",
    )


def _runs_wait(
    repository: str, template: str, waits: Sequence[int], runs: Sequence[Ran]
) -> Finding:
    return Finding(
        kind="runs_wait",
        finding=f"Runs of the template {template} in {repository} wait {length(median(waits))} for "
        "a place.",
        cases=len(waits),
        evidence=[f"half of {len(waits)} runs waited longer, at most {length(max(waits))}"],
        look_at=first_few([row["id"] for row in runs]),
        change=f"Raise `runs.parallel` in .github/hubbub.yml of {repository}.",
    )
