"""The row of a new agent run, from a request, a template and what is above the run."""

from dataclasses import dataclass

from bot.identity.actors import ACTIONS
from bot.repository.repository_settings import RepositorySettings
from bot.repository.run_settings import Template
from bot.runs import templates
from bot.runs.limits import Limits
from bot.runs.templates import Traits
from bot.tasks import lookup
from bot.tasks.priorities import PRIORITIES, Priority
from bot.tasks.sizes import SIZES
from store.agents import agents
from store.engine import ids, json_text
from store.engine.transaction import Tx
from store.mirror import stored_issues
from store.tables.mirror import RepositoryRow
from store.tables.runs import ASKED, AgentRunRow
from store.tasks.tasks import FullTask

# How many digits of its run's id an agent's id has, or more until no other agent has it.
FEWEST_DIGITS = 6


@dataclass(frozen=True)
class RunRequest:
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
class Basis:
    """What a new run is made from: its repository, the settings there, and the run above it."""

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


async def new(
    tx: Tx, basis: Basis, task: FullTask | None, wanted: RunRequest, allowed: Limits
) -> AgentRunRow:
    """The row, with the state `queued`. It is not stored yet."""
    now = await tx.now()
    run_id = ids.new("r", now)
    traits = await _traits(tx, task, wanted)
    model = wanted.model or templates.model_of(basis.template, traits)
    prompt = wanted.prompt or basis.template.prompt
    inputs = templates.inputs_of(
        basis.template,
        run_id=run_id,
        task=lookup.name(task) if task else "",
        prompt=prompt or "",
        model=model,
    )
    installation_id, repository_id = basis.here
    return {
        "installation_id": installation_id,
        "id": run_id,
        "repository_id": repository_id,
        "template": wanted.template,
        "task_id": task["id"] if task else None,
        "prompt": prompt,
        "agent_id": await _free_agent_id(tx, installation_id, wanted.template, run_id),
        "role": basis.template.role,
        "model": model,
        "priority": PRIORITIES.index(traits.priority),
        "workflow": basis.template.workflow,
        "ref": templates.ref_of(basis.template, basis.repository),
        "inputs": dict(inputs),
        "parent_id": basis.parent["id"] if basis.parent else None,
        "root_id": basis.parent["root_id"] if basis.parent else run_id,
        "depth": basis.depth,
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
        "ended_at": None,
        "deadline_at": None,
        "due_at": None,
        "asked_at": None,
        "stop_step": ASKED,
    }


async def _traits(tx: Tx, task: FullTask | None, wanted: RunRequest) -> Traits:
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
