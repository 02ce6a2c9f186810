"""The part of the card about a gate: who must decide it and how, and the votes so far."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.kernel.sentences import code, inline
from bot.tasks.states import OPEN
from store.engine.transaction import Tx
from store.tables.approvals import GateVoteRow
from store.tasks.tasks import FullTask
from store.workflows import gate_votes, steps


@dataclass(frozen=True)
class ShownGate:
    """A gate that is not decided. `can_be_decided`: the steps before it have ended."""

    can_be_decided: bool
    needed: int
    votes: Sequence[GateVoteRow]


async def of_task(tx: Tx, task: FullTask) -> ShownGate | None:
    """A gate's task is on hold until it is decided."""
    if not task["held"] or task["state"] not in OPEN:
        return None
    step = await steps.of_task(tx, task["installation_id"], task["id"])
    if step is None or not (approve := step["definition"].get("approve")):
        return None
    here = (tx, step["installation_id"], step["workflow_id"], step["step"])
    votes = await gate_votes.of_gate(*here)
    return ShownGate(step["state"] == "open", approve.get("quorum", 1), votes)


def head(task: FullTask, gate: ShownGate) -> str:
    """What the gate waits for, in a few words. The names stand as code, so nobody is mentioned."""
    if not gate.can_be_decided:
        return "a gate, waiting for the steps before it"
    return inline(task["held_why"] or "waits for an approval")


def lines(task: FullTask, gate: ShownGate) -> list[str]:
    """Instead of what a card says about other holds. The reason says who must decide."""
    why = inline(task["held_why"] or "waits for an approval")
    if not gate.can_be_decided:
        return [f"**A gate:** {why}, once the steps before it have ended."]
    how = "`/approve` passes it, `/reject` stops it; both take a note. `/resume` does neither."
    return [f"**A gate:** {why}. {how}", *_votes(gate)]


def _votes(gate: ShownGate) -> list[str]:
    if not gate.votes:
        return []
    said = ", ".join(
        f"{code(each['voter'])} {'approved' if each['approves'] else 'rejected'} it{_note(each)}"
        for each in gate.votes
    )
    approvals = sum(each["approves"] for each in gate.votes)
    return [f"{approvals} of {gate.needed} approvals: {said}."]


def _note(vote: GateVoteRow) -> str:
    return f" ({inline(vote['note'])})" if vote["note"] else ""
