"""Starts agent runs: from a template, within the limits, at once or when there is a basis."""

from bot.agents import hierarchy, team_budgets
from bot.errors import Refused
from bot.identity.actors import BOT
from bot.repository import repository_settings
from bot.repository.repository_settings import RepositorySettings
from bot.runs import limits, places, run_rows, steps, templates
from bot.runs.limits import Limits
from bot.runs.run_rows import Basis, RunRequest
from bot.tasks import lifecycle
from store.agents import agents
from store.engine.transaction import Tx
from store.mirror import settings_files
from store.outbox import writes
from store.runs import runs
from store.tables.mirror import RepositoryRow
from store.tables.runs import AgentRunRow
from store.tasks.tasks import FullTask

KIND = "workflow_dispatch"
# How many runs of a repository may wait for a place, and how many of these places are for people.
MOST_QUEUED, FOR_PEOPLE = 100, 20


async def spawn(
    tx: Tx, repository: RepositoryRow, task: FullTask | None, wanted: RunRequest
) -> AgentRunRow:
    """Start a run, or put it into the queue. Raise Refused.

    The caller has checked who asks, and has locked the task. The task is reserved for the run's
    agent if nobody holds it. If the asking agent is a run itself, the new run is below it.
    """
    basis = await _basis(tx, repository, wanted)
    allowed = await _limits(tx, basis, wanted)
    run = await run_rows.new(tx, basis, task, wanted, allowed)
    await runs.add(tx, run)
    await _add_agent(tx, run)
    if task is not None and task["holder"] is None:
        await lifecycle.reserve(tx, task, run["agent_id"], wanted.asked_by)
    if await _is_next(tx, basis, run):
        return await dispatch(tx, run, wanted.asked_by)
    await steps.announce(tx, run, wanted.asked_by)
    return run


async def dispatch(tx: Tx, run: AgentRunRow, by: str = BOT) -> AgentRunRow:
    """Queue the write that starts the workflow of a queued run. The caller has locked the run."""
    workflow, is_urgent = run["workflow"], run["asked_by"].startswith("@")
    write_id = await writes.queue(
        tx,
        run["installation_id"],
        kind=KIND,
        repository_id=run["repository_id"],
        # The target of all dispatches of a workflow: see `bot.outbox.kinds.builds`.
        target=f"workflow {run['repository_id']} {workflow}",
        arguments={"workflow": workflow, "ref": run["ref"], "inputs": run["inputs"]},
        author=run["asked_by"],
        lane=writes.PEOPLE if is_urgent else writes.AGENTS,
    )
    return await steps.record(tx, run, "dispatch", by, write_id=write_id) or run


async def lock_places(tx: Tx, installation_id: int, repository_id: int) -> RepositorySettings:
    """Lock the places for runs of a repository, and return its settings.

    Until the end of the transaction no other one starts a run there. It is locked before runs.
    """
    row = await settings_files.lock(tx, installation_id, repository_id)
    return repository_settings.parse_or_default(row["settings"] if row else None)


async def _basis(tx: Tx, repository: RepositoryRow, wanted: RunRequest) -> Basis:
    settings = await lock_places(tx, repository["installation_id"], repository["id"])
    template = templates.template_of(settings, wanted.template, repository["full_name"])
    most = MOST_QUEUED if wanted.asked_by.startswith("@") else MOST_QUEUED - FOR_PEOPLE
    if await runs.queued_count(tx, repository["installation_id"], repository["id"]) >= most:
        raise Refused(
            "run_limit",
            f"{most} runs of {repository['full_name']} wait for a place already. Wait until "
            "some have run, or stop some with terminate_agent. Nothing was changed.",
            limit="queue",
        )
    return Basis(repository, settings, template, await _parent(tx, repository, wanted))


async def _parent(tx: Tx, repository: RepositoryRow, wanted: RunRequest) -> AgentRunRow | None:
    """The run of the asking agent, if it is one. Raise Refused if that has ended, or stops."""
    own = await runs.of_agent(tx, repository["installation_id"], wanted.asked_by)
    if own is None:
        return None
    # All spawns of one tree come one after the other, so that together they keep its limits.
    await runs.lock(tx, repository["installation_id"], own["root_id"])
    parent = await runs.lock(tx, repository["installation_id"], own["id"]) or own
    if parent["state"] not in ("dispatched", "running"):
        raise Refused(
            "run_limit",
            f"Your run {parent['id']} is {parent['state']}, so it starts no other runs.",
            limit="state",
        )
    return parent


async def _limits(tx: Tx, basis: Basis, wanted: RunRequest) -> Limits:
    """The limits of the new run. Raise Refused if what is above it has nothing left."""
    given = limits.of_template(basis.template.limits, basis.depth)
    own = given.within(Limits(wanted.minutes, wanted.children, None, wanted.tokens, wanted.cost))
    tokens, cost = await team_budgets.rest_of(
        tx, basis.repository["installation_id"], wanted.asked_by
    )
    own = own.within(Limits(tokens=tokens, cost=cost))
    if basis.parent is None:
        return own
    left = await what_is_left(tx, basis.parent, wanted.currency)
    return limits.for_child(own, left, basis.depth)


async def what_is_left(tx: Tx, run: AgentRunRow, currency: str) -> Limits:
    """What is left for the run and all below it, of its own limits and of those above it."""
    everybody = await runs.tree(tx, run["installation_id"], run["root_id"])
    names = [each["agent_id"] for each in everybody]
    used = await runs.usage_of(tx, run["installation_id"], names, currency)
    return limits.left_of(everybody, run, used, await tx.now())


async def _add_agent(tx: Tx, run: AgentRunRow) -> None:
    """Add the run's agent as one that is not here yet. It comes when the job registers it."""
    parent = None if run["asked_by"].startswith("@") or run["asked_by"] == BOT else run["asked_by"]
    if parent:
        await hierarchy.check_room_below(tx, run["installation_id"], parent)
    times = dict.fromkeys(("registered_at", "last_active_at"), run["created_at"])
    row = {"installation_id": run["installation_id"], "id": run["agent_id"], "role": run["role"]}
    names = {"name": f"{run['template']} {run['id']}", "system_name": "github-actions"}
    await agents.lock_or_add(tx, {**row, **names, "parent_id": parent, **times})
    # Agents that register below the run's agent count too.
    if run["tokens"] or run["cost"]:
        here, me = (tx, run["installation_id"]), run["agent_id"]
        await team_budgets.change(*here, me, BOT, run["tokens"], run["cost"])


async def _is_next(tx: Tx, basis: Basis, run: AgentRunRow) -> bool:
    """Whether there is a place for the new run, and none for one that waits longer."""
    queue = await runs.queue(tx, *basis.here, MOST_QUEUED + 1)
    live = await runs.live_counts(tx, *basis.here)
    return run["id"] in {each["id"] for each in places.next_runs(basis.settings, queue, live)}
