"""Starts agent runs: from a template, within the limits, at once or when there is a place."""

from dataclasses import dataclass

from bot.agents import hierarchy
from bot.errors import Refused
from bot.identity.actors import ACTIONS, BOT
from bot.repository import repository_settings
from bot.repository.repository_settings import RepositorySettings
from bot.repository.run_settings import Template
from bot.runs import limits, places, steps, templates
from bot.runs.limits import Limits
from bot.runs.templates import Traits
from bot.tasks import lifecycle, lookup
from bot.tasks.priorities import PRIORITIES, Priority
from bot.tasks.sizes import SIZES
from store.agents import agents
from store.engine import ids, json_text
from store.engine.transaction import Tx
from store.mirror import settings_files, stored_issues
from store.outbox import writes
from store.runs import runs
from store.tables.mirror import RepositoryRow
from store.tables.runs import ASKED, AgentRunRow
from store.tasks.tasks import FullTask

KIND = "workflow_dispatch"
# How many runs of a repository may wait for a place.
MOST_QUEUED = 100
# How many digits of its run's id an agent's id has, or more until no other agent has it.
FEWEST_DIGITS = 6


@dataclass(frozen=True)
class Wanted:
    """A request for a run. What is None comes from the template. `cost` is in millionths.

    `asked_by`: a person with @, an agent, or the bot for a schedule, whose time is `slot`.
    `currency`: the one in which the cost counts.
    """

    template: str
    asked_by: str
    currency: str
    prompt: str | None = None
    model: str | None = None
    priority: Priority | None = None
    minutes: int | None = None
    children: int | None = None
    tokens: int | None = None
    cost: int | None = None
    slot: int | None = None


@dataclass(frozen=True)
class _Place:
    """Where the new run goes: its repository, the settings there, and what is above it."""

    repository: RepositoryRow
    settings: RepositorySettings
    template: Template
    parent: AgentRunRow | None

    @property
    def here(self) -> tuple[int, int]:
        return self.repository["installation_id"], self.repository["id"]

    @property
    def depth(self) -> int:
        return self.parent["depth"] + 1 if self.parent else 0


async def spawn(
    tx: Tx, repository: RepositoryRow, task: FullTask | None, wanted: Wanted
) -> AgentRunRow:
    """Start a run, or put it into the queue. Raise Refused.

    The caller has checked who asks, and has locked the task. The task is reserved for the run's
    agent if nobody holds it. If the asking agent is a run itself, the new run is below it.
    """
    place = await _place(tx, repository, wanted)
    allowed = await _limits(tx, place, wanted)
    run = await _row(tx, place, task, wanted, allowed)
    await runs.add(tx, run)
    await _add_agent(tx, run)
    if task is not None and task["holder"] is None:
        await lifecycle.reserve(tx, task, run["agent_id"], wanted.asked_by)
    if await _is_next(tx, place, run):
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


async def _place(tx: Tx, repository: RepositoryRow, wanted: Wanted) -> _Place:
    settings = await lock_places(tx, repository["installation_id"], repository["id"])
    template = templates.template_of(settings, wanted.template, repository["full_name"])
    if await runs.queued_count(tx, repository["installation_id"], repository["id"]) >= MOST_QUEUED:
        raise Refused(
            "run_limit",
            f"{MOST_QUEUED} runs of {repository['full_name']} wait for a place already. Wait until "
            "some have run, or stop some with terminate_agent. Nothing was changed.",
            limit="queue",
        )
    return _Place(repository, settings, template, await _parent(tx, repository, wanted))


async def _parent(tx: Tx, repository: RepositoryRow, wanted: Wanted) -> AgentRunRow | None:
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


async def _limits(tx: Tx, place: _Place, wanted: Wanted) -> Limits:
    """The limits of the new run. Raise Refused if what is above it has nothing left."""
    given = limits.of_template(place.template.limits, place.depth)
    own = given.within(Limits(wanted.minutes, wanted.children, None, wanted.tokens, wanted.cost))
    if place.parent is None:
        return own
    left = await what_is_left(tx, place.parent, wanted.currency)
    return limits.for_child(own, left, place.depth)


async def what_is_left(tx: Tx, run: AgentRunRow, currency: str) -> Limits:
    """What is left for the run and all below it, of its own limits and of those above it."""
    everybody = await runs.tree(tx, run["installation_id"], run["root_id"])
    names = [each["agent_id"] for each in everybody]
    used = await runs.usage_of(tx, run["installation_id"], names, currency)
    return limits.left_of(everybody, run, used, await tx.now())


async def _row(
    tx: Tx, place: _Place, task: FullTask | None, wanted: Wanted, allowed: Limits
) -> AgentRunRow:
    now = await tx.now()
    run_id = ids.new("r", now)
    traits = await _traits(tx, task, wanted)
    model = wanted.model or templates.model_of(place.template, traits)
    prompt = wanted.prompt or place.template.prompt
    inputs = templates.inputs_of(
        place.template,
        run_id=run_id,
        task=lookup.name(task) if task else "",
        prompt=prompt or "",
        model=model,
    )
    installation_id, repository_id = place.here
    return {
        "installation_id": installation_id,
        "id": run_id,
        "repository_id": repository_id,
        "template": wanted.template,
        "task_id": task["id"] if task else None,
        "prompt": prompt,
        "agent_id": await _free_agent_id(tx, installation_id, wanted.template, run_id),
        "role": place.template.role,
        "model": model,
        "priority": PRIORITIES.index(traits.priority),
        "workflow": place.template.workflow,
        "ref": place.template.ref or place.repository["default_branch"],
        "inputs": dict(inputs),
        "parent_id": place.parent["id"] if place.parent else None,
        "root_id": place.parent["root_id"] if place.parent else run_id,
        "depth": place.depth,
        "asked_by": wanted.asked_by,
        "state": "queued",
        "why": None,
        "write_id": None,
        "workflow_run_id": None,
        "run_attempt": None,
        "result": None,
        "result_is_final": 0,
        "outcome": None,
        "minutes": allowed.minutes,
        "children": allowed.children,
        "deepest": allowed.deepest,
        "tokens": allowed.tokens,
        "cost": allowed.cost,
        "schedule_slot": wanted.slot,
        "created_at": now,
        "dispatched_at": None,
        "started_at": None,
        "stop_asked_at": None,
        "ended_at": None,
        "deadline_at": None,
        "due_at": None,
        "look_at": None,
        "stops": ASKED,
    }


async def _traits(tx: Tx, task: FullTask | None, wanted: Wanted) -> Traits:
    """What the rules of the template look at: of the task, unless the caller passed it."""
    if task is None:
        return Traits(wanted.priority or "medium")
    size = None if task["size"] is None else SIZES[task["size"]]
    here = (task["installation_id"], task["repository_id"], task["number"] or 0)
    issue = await stored_issues.issue(tx, *here)
    labels = json_text.value(issue["labels"]) if issue else []
    return Traits(wanted.priority or PRIORITIES[task["priority"]], size, labels)


async def _free_agent_id(tx: Tx, installation_id: int, template: str, run_id: str) -> str:
    """`actions-fixer-` and the end of the run's id, as much of it as no other agent has."""
    digits = run_id.partition("_")[2]
    for n in range(FEWEST_DIGITS, len(digits)):
        found = f"{ACTIONS}{template}-{digits[-n:]}"
        if await agents.get(tx, installation_id, found) is None:
            return found
    return f"{ACTIONS}{template}-{digits}"


async def _add_agent(tx: Tx, run: AgentRunRow) -> None:
    """Add the run's agent as one that is not here yet. It comes when the job registers it."""
    parent = None if run["asked_by"].startswith("@") or run["asked_by"] == BOT else run["asked_by"]
    if parent:
        await hierarchy.check_room_below(tx, run["installation_id"], parent)
    times = dict.fromkeys(("registered_at", "last_active_at"), run["created_at"])
    row = {"installation_id": run["installation_id"], "id": run["agent_id"], "role": run["role"]}
    names = {"name": f"{run['template']} {run['id']}", "system_name": "github-actions"}
    await agents.lock_or_add(tx, {**row, **names, "parent_id": parent, **times})


async def _is_next(tx: Tx, place: _Place, run: AgentRunRow) -> bool:
    """Whether there is a place for the new run, and none for one that waits longer."""
    queue = await runs.queue(tx, *place.here, MOST_QUEUED + 1)
    live = await runs.live_counts(tx, *place.here)
    return run["id"] in {each["id"] for each in places.next_runs(place.settings, queue, live)}
