"""The agents that could take a ready step now, and what is known of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.identity import permissions
from bot.identity.actors import Actor, is_at_least, is_hosted
from bot.repository import narrowing, repository_settings
from bot.repository.repository_settings import RepositorySettings
from bot.tasks.capabilities import missing_capabilities
from bot.times import SECOND
from bot.workflows.definitions.definition import Step
from bot.workflows.offers.ranking import Candidate
from store.agents import agents
from store.engine.transaction import Tx
from store.protocols import endpoints
from store.tables.agents import AgentRow
from store.tasks.tasks import FullTask
from store.workflows import applicants
from store.workflows.applicants import EndedLease

# Who has not called for so long would let the reservation lapse.
PRESENT_FOR = 15 * 60 * SECOND
# Agents that are looked at, and those of them that are compared: the last active ones.
MOST_READ, MOST_COMPARED = 500, 50


@dataclass(frozen=True)
class Opening:
    """A step whose task is ready. `workflow`: the name of its definition."""

    workflow: str
    step: Step
    task: FullTask


async def candidates(tx: Tx, opening: Opening) -> list[Candidate]:
    """Those that are here and able, and have room for one more task."""
    here = (tx, opening.task["installation_id"])
    settings = await repository_settings.of(*here, opening.task["repository_id"])
    able = await _present(
        tx,
        opening.task["installation_id"],
        [e for e in await agents.at_work(*here, MOST_READ) if _is_able(e, opening, settings)],
    )
    if not able:
        return []
    ids = [each["id"] for each in able]
    loads = await applicants.loads(*here, ids)
    ended = await applicants.ended_leases(*here, ids)
    costs = await applicants.costs(*here, ids)
    return [
        _candidate(each, opening, loads.get(each["id"], 0), ended, costs.get(each["id"]))
        for each in able
        if loads.get(each["id"], 0) < settings.max_claims
    ]


async def _present(tx: Tx, installation_id: int, able: Sequence[AgentRow]) -> list[AgentRow]:
    """Those who called a moment ago, the last ones first, and those whom Hubbub reaches itself."""
    since = await tx.now() - PRESENT_FOR
    here = [each for each in able if each["last_active_at"] > since]
    quiet = [each for each in able if each["last_active_at"] <= since]
    reached = await endpoints.protocols(tx, installation_id, [each["id"] for each in quiet])
    active = {agent_id for agent_id, (_, state) in reached.items() if state == "active"}
    here = sorted(here, key=lambda each: -each["last_active_at"])
    return [*here, *(each for each in quiet if each["id"] in active)][:MOST_COMPARED]


def _is_able(agent: AgentRow, opening: Opening, settings: RepositorySettings) -> bool:
    actor = Actor(agent["installation_id"], agent["id"], agent["role"])
    return (
        not is_hosted(agent["id"])
        and permissions.may_call(actor, "claim_task")
        and (opening.step.role is None or is_at_least(agent["role"], opening.step.role))
        and not missing_capabilities(agent["capabilities"], opening.task["capabilities"])
        and not narrowing.refusal(actor, "claim_task", settings, opening.task["full_name"])
    )


def _candidate(
    agent: AgentRow, opening: Opening, holds: int, ended: Sequence[EndedLease], cost: int | None
) -> Candidate:
    outcomes = [_is_success(each) for each in _like(ended, agent["id"], opening)]
    return Candidate(
        agent["id"],
        spare=max(0, len(agent["capabilities"]) - len(opening.task["capabilities"])),
        holds=holds,
        done=sum(outcomes),
        failed=len(outcomes) - sum(outcomes),
        all_done=agent["completed"],
        all_failed=agent["failed"] + agent["expired"],
        price=cost // agent["completed"] if cost and agent["completed"] else None,
        had_it=opening.task["last_holder"] == agent["id"],
    )


def _like(ended: Sequence[EndedLease], agent_id: str, opening: Opening) -> Iterator[EndedLease]:
    """Leases on tasks such as this one: the same step of the same file, or the same needs."""
    for each in ended:
        same_step = each["workflow"] == opening.workflow and _is_of(each["step"], opening.step)
        needs = opening.task["capabilities"]
        if each["holder"] == agent_id and (same_step or (needs and each["capabilities"] == needs)):
            yield each


def _is_of(key: str | None, step: Step) -> bool:
    """Whether the key is the step's. With `each` it has a number for each entry."""
    if key is None or step.each is None:
        return key == step.id
    base, _, number = key.rpartition("-")
    return base == step.id and number.isdecimal()


def _is_success(each: EndedLease) -> bool:
    """Whether its task is still completed by it. One that began again was not done well."""
    is_last = each["fence"] == each["task_fence"]
    return is_last and each["state"] == "completed" and each["task_state"] == "completed"
