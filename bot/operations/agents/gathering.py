"""Waiting for the results of several tasks and agents in one call."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, SkipValidation

from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel.event_stream import NamedEvent
from bot.kernel.operation import Answer, Context, TaskRef, operation
from bot.kernel.waitable import EventFilter, Waitable
from bot.operations.agents import gathered
from bot.operations.agents.arguments import AgentId
from bot.operations.agents.gathered import Finished, Found, Missing

# Tasks, agents and runs of one call.
MOST = 50
TaskRefs = Annotated[list[TaskRef], Field(max_length=MOST, description="tasks")]
AgentIds = Annotated[list[AgentId], Field(max_length=MOST, description="agents, also of runs")]
RunIds = Annotated[
    list[Annotated[str, Field(max_length=40)]], Field(max_length=MOST, description="agent runs")
]
AtLeast = Annotated[int, Field(ge=1, le=MOST, description="how many are enough; default: all")]


class Results(Answer):
    of_mirror = False

    done: list[Finished] = Field(description="what has ended, also with a failure")
    missing: list[Missing] = Field([], description="what has not ended, and its state")
    complete: bool = Field(description="whether as many are done as you wait for")
    # What wakes a caller that waits: the tasks and agents that are missing. Not in the answer.
    awaited: Annotated[frozenset[str], SkipValidation] = Field(frozenset(), exclude=True)


class _Enough(Waitable[Results]):
    def is_final(self, answer: Results) -> bool:
        return answer.complete

    def wanted_events(self, answer: Results, _actor: Actor) -> EventFilter:
        def may_end_one(event: NamedEvent) -> bool:
            return bool({event["subject"], event["actor"]} & answer.awaited) and _ends(event)

        return may_end_one


ENDS = frozenset(
    [
        *(f"task.{each}" for each in ("completed", "failed", "cancelled", "released", "revoked")),
        *("task.expired", "task.unassigned"),
        *("agent.run_ended", "agent.run_reported", "agent.left", "agent.revoked"),
    ]
)


def _ends(event: NamedEvent) -> bool:
    """Whether a task or an agent may be done after this event."""
    return event["kind"] in ENDS


@operation(reads_only=True, waitable=_Enough())
async def gather_results(
    ctx: Context,
    tasks: TaskRefs | None = None,
    agents: AgentIds | None = None,
    runs: RunIds | None = None,
    at_least: AtLeast | None = None,
) -> Results:
    """Return the results of tasks and agents that have ended, and what is missing."""
    found = await _entries(ctx, tasks or [], agents or [], runs or [])
    enough = len(found) if at_least is None else at_least
    if enough > len(found):
        raise Refused(
            "invalid_arguments",
            f"`at_least` is {enough}, but you name {len(found)}. Pass at most {len(found)}.",
        )
    done = [each.done for each in found if each.done]
    return Results(
        done=done,
        missing=[each.missing for each in found if each.missing],
        complete=len(done) >= enough,
        awaited=frozenset(each.subject for each in found if each.missing),
    )


async def _entries(
    ctx: Context, tasks: Sequence[str], agents: Sequence[str], runs: Sequence[str]
) -> list[Found]:
    """Each task and agent once. Raise Refused if the actor may not see one of them."""
    if not 1 <= len(tasks) + len(agents) + len(runs) <= MOST:
        raise Refused(
            "invalid_arguments",
            f"Pass 1 to {MOST} names in `tasks`, `agents` and `runs` together.",
        )
    found: dict[str, Found] = {}
    makers: Sequence[tuple[Any, Sequence[str]]] = (
        (gathered.of_task, tasks),
        (gathered.of_agent, agents),
        (gathered.of_run, runs),
    )
    for make, names in makers:
        for name in dict.fromkeys(names):
            each = await make(ctx, name)
            found.setdefault(each.subject, each)
    return list(found.values())
