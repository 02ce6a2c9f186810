"""Calls and slash commands that Hubbub refused, and claims that overlap."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from bot.insights.findings import FEWEST, Finding, Scope, first_few
from store import history
from store.history import Happened, Refusals, RefusedCommand
from store.tasks import tasks

# Agents try things; so many equal refusals are no attempt any more.
FEWEST_CALLS = 20
CHANGES = {
    "forbidden": "If it should be able to: a token with a higher role, `hubbub token create "
    "--agent {actor} --role …`. Else correct its instructions.",
    "rate_limited": "Let it wait as `retry_after_s` says, or raise the quota in HUBBUB_QUOTAS.",
    "too_many": "Let it end a task first, or raise `max_claims` in .github/hubbub.yml.",
    "stale_fence": "It works on after its lease ended. Raise `lease_s` in .github/hubbub.yml, or "
    "let it stop at the notice `lease_lost`.",
    "invalid_arguments": "Correct its instructions: `hubbub call get_task` and the like refuse "
    "unknown arguments and say which they know.",
    "agent_paused": "It ignores its pause. End its program, or resume it with `manage_agent`.",
    "spend_cap": "Raise the cap (`spend` in .github/hubbub.yml, HUBBUB_SPEND_CAPS), or wait a day.",
    "unknown_operation": "Its client has an old list of tools. Restart it.",
}
OTHERWISE = "Look at its calls in the audit log, and correct its instructions."


async def find(scope: Scope) -> list[Finding]:
    here = (scope.tx, scope.installation_id, scope.since)
    commands = command_findings(await history.refused_commands(*here, scope.repositories))
    if scope.repositories is not None:
        return commands
    calls = call_findings(await history.refused_calls(*here))
    overlapping = await history.events_of(*here, "task.overlap")
    ids = {each["subject"] for each in overlapping}
    rows = await tasks.several(scope.tx, scope.installation_id, ids, None)
    names = {row["id"]: f"{row['full_name']}#{row['number']}" for row in rows}
    return [*calls, *commands, *overlap_findings(overlapping, names)]


def call_findings(refused: Sequence[Refusals]) -> list[Finding]:
    return [
        Finding(
            kind="calls_refused",
            finding=f"{row['actor']} was refused {int(row['n'])} times at {row['operation']}: "
            f"{row['code']}.",
            cases=int(row["n"]),
            evidence=[f"{int(row['n'])} refusals with the code {row['code']} in the audit log"],
            look_at=first_few([row["newest"]] if row["newest"] else []),
            change=CHANGES.get(row["code"], OTHERWISE).format(actor=row["actor"]),
        )
        for row in refused
        if int(row["n"]) >= FEWEST_CALLS and not row["actor"].startswith("@")
    ]


def command_findings(refused: Sequence[RefusedCommand]) -> list[Finding]:
    by_verb = defaultdict[tuple[str, str], list[RefusedCommand]](list)
    for row in refused:
        by_verb[row["full_name"], row["verb"]].append(row)
    return [
        Finding(
            kind="commands_refused",
            finding=f"/{verb} was refused {len(of)} times in {repository}.",
            cases=len(of),
            evidence=[f"written by {', '.join(first_few(['@' + row['asker'] for row in of]))}"],
            look_at=first_few([f"{repository}#{row['number']}" for row in of]),
            change=f"`/help {verb}` says what it needs. `permissions.{verb}` in .github/hubbub.yml "
            f"of {repository} says who may write it.",
        )
        for (repository, verb), of in by_verb.items()
        if len(of) >= FEWEST and verb.isalpha() and verb.isascii()
    ]


def overlap_findings(events: Sequence[Happened], names: dict[str, str]) -> list[Finding]:
    by_task = Counter(names[each["subject"]] for each in events if each["subject"] in names)
    if len(by_task) < FEWEST:
        return []
    return [
        Finding(
            kind="overlaps",
            finding=f"{len(by_task)} tasks touch paths of other claims or pull requests.",
            cases=len(by_task),
            evidence=[f"{by_task.total()} overlaps were found"],
            look_at=[task for task, _ in by_task.most_common(5)],
            change="Let agents name `paths` when they claim. Put tasks on the same paths one after "
            "the other: `/block #N` on the issue. `check.reserved_paths: fail` in "
            ".github/hubbub.yml stops such pull requests.",
        )
    ]
