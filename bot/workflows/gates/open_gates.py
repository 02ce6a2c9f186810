"""The gate that a task is, with its votes, until it is decided."""

from dataclasses import dataclass

from bot.identity.actors import BOT, Actor
from bot.tasks import publishing, task_events
from bot.tasks.states import OPEN
from bot.workflows.definitions import stored_values
from bot.workflows.definitions.definition import Gate
from bot.workflows.gates import gates
from bot.workflows.gates.gates import Decision, Vote, Voter
from store.agents import agents
from store.engine.transaction import Tx
from store.outbox import writes
from store.tables.workflows import WorkflowStepRow
from store.tasks.tasks import FullTask
from store.workflows import gate_votes, steps

# Agents at work that are looked through for those that may vote.
MOST_ASKED = 100


@dataclass(frozen=True)
class OpenGate:
    """`can_be_decided`: its needs are done, so that it waits for nothing but votes."""

    step: WorkflowStepRow
    gate: Gate
    votes: list[Vote]

    @property
    def can_be_decided(self) -> bool:
        return self.step["state"] == "open"

    @property
    def decision(self) -> Decision | None:
        return gates.decision(self.gate, self.votes)

    @property
    def approvals(self) -> int:
        return sum(each.approves for each in self.votes)


async def of_task(tx: Tx, task: FullTask) -> OpenGate | None:
    """None if the task is no gate, or is decided. A gate's task is on hold until then."""
    if not task["held"] or task["state"] not in OPEN:
        return None
    step = await steps.of_task(tx, task["installation_id"], task["id"])
    if step is None or not (approve := step["definition"].get("approve")):
        return None
    return OpenGate(step, stored_values.gate(approve), await _votes(tx, step))


async def _votes(tx: Tx, step: WorkflowStepRow) -> list[Vote]:
    here = (tx, step["installation_id"], step["workflow_id"], step["step"])
    rows = await gate_votes.of_gate(*here)
    return [Vote(row["voter"], bool(row["approves"]), row["note"]) for row in rows]


async def forget_votes(tx: Tx, step: WorkflowStepRow) -> None:
    """After the decision, and when a gate opens: it begins without votes."""
    await gate_votes.forget(tx, step["installation_id"], step["workflow_id"], step["step"])


async def voter(tx: Tx, actor: Actor, opened: OpenGate, repository_id: int) -> Voter:
    """The actor as one who votes, with what decides whether it may."""
    role = actor.role_in(repository_id)
    if actor.is_person:
        return Voter(actor.name, role, is_person=True)
    agent = await agents.get(tx, actor.installation_id, actor.name)
    step = opened.step
    worked = await gate_votes.worked_on_need(
        tx, actor.installation_id, step["workflow_id"], step["step"], actor.name
    )
    able = frozenset(agent["capabilities"]) if agent else frozenset[str]()
    return Voter(actor.name, role, is_person=False, capabilities=able, is_maker=worked)


async def vote(tx: Tx, opened: OpenGate, who: Voter, note: str, *, approves: bool) -> OpenGate:
    """Record a vote, in place of an earlier one of the same voter. Return the gate with it."""
    step = opened.step
    name = who.name.casefold() if who.is_person else who.name
    await gate_votes.put(
        tx,
        {
            "installation_id": step["installation_id"],
            "workflow_id": step["workflow_id"],
            "step": step["step"],
            "voter": name,
            "approves": int(approves),
            "note": note,
            "at": await tx.now(),
        },
    )
    return OpenGate(step, opened.gate, await _votes(tx, step))


async def announce(tx: Tx, task: FullTask, gate: Gate, step: WorkflowStepRow) -> None:
    """Once a gate can be decided: show its card, and tell the agents that may vote.

    Nobody ever claims a gate, so that its card would not be made otherwise.
    """
    await publishing.show(tx, task, lane=writes.PEOPLE, makes_card=True)
    if gate.by != "agents":
        return
    wanted = set(gate.capability)
    at_work = await agents.at_work(tx, task["installation_id"], MOST_ASKED)
    able = [each["id"] for each in at_work if wanted <= set(each["capabilities"])]
    here = (tx, step["installation_id"], step["workflow_id"], step["step"])
    asked = [each for each in able if not await gate_votes.worked_on_need(*here, each)]
    if asked:
        await task_events.append(tx, task, "task.vote_asked", BOT, {"agents": asked})
