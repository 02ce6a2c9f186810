"""Why a task may or may not be claimed by somebody, and what would change that."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from bot.identity.actors import Actor
from bot.tasks import lifecycle
from bot.tasks.capabilities import lacking
from bot.tasks.states import OPEN
from bot.times import stamp
from store.engine.transaction import Tx
from store.mirror import relations
from store.mirror.relations import Neighbour
from store.tasks import leases, ready
from store.tasks.tasks import FullTask

# How many of those that keep a task waiting are named.
MOST = 10


class Reason(BaseModel):
    """Something that keeps an actor from claiming a task."""

    code: str
    why: str
    remedy: str = Field(description="what would change that")


@dataclass(frozen=True)
class Waits:
    """What the task's issue waits for: open ones by name, and how many sub-issues are done."""

    blockers: Sequence[str] = ()
    children: Sequence[str] = ()
    circle: Sequence[str] = ()
    done: int = 0
    total: int = 0


async def waits(tx: Tx, actor: Actor, task: FullTask) -> Waits:
    if task["issue_id"] is None:
        return Waits()
    here = (tx, task["installation_id"], task["issue_id"])
    blockers, children = await ready.waiting_for(*here)
    open_ = [each for each in (*blockers, *children) if each["state"] == "open"]
    return Waits(
        blockers=_names(actor, [each for each in blockers if relations.keeps(each)]),
        children=_names(actor, [each for each in children if relations.keeps(each)]),
        circle=_names(actor, [each for each in open_ if each["cyclic"]]),
        done=sum(each["state"] != "open" for each in children),
        total=len(children),
    )


def _names(actor: Actor, rows: Sequence[Neighbour]) -> list[str]:
    """Of issues out of the actor's reach only that there is one."""
    reach = actor.repositories
    return [
        each["name"] if reach is None or each["repository_id"] in reach else relations.UNSEEN
        for each in rows
    ]


def by_now(task: FullTask, now: int) -> FullTask:
    """As the next claim finds it: nobody's once its lease ran out."""
    if not leases.ran_out(task, now):
        return task
    return {
        **task,
        "holder": None,
        "lease_id": None,
        "expires_at": None,
        "question": None,
        "state": "pending",
    }


def reasons(actor: Actor, task: FullTask, waits: Waits, has: Sequence[str] | None) -> list[Reason]:
    """All that stands in the way, what is nearest first. `has`: the agent's capabilities."""
    found = [*_state(actor, task), *_people(actor, task)]
    if task["number"] is None:
        found.append(
            Reason(
                code="no_issue_yet",
                why="GitHub has not numbered it yet; its issue is under way",
                remedy="wait for its write: get_write",
            )
        )
    # Who leads may begin all the same.
    leads = actor.is_person or actor.may("tech-lead")
    found += [] if leads else _waiting(waits)
    if has is not None and (missing := lacking(has, task["capabilities"])):
        found.append(
            Reason(
                code="lacks_capability",
                why=f"it needs {', '.join(missing)}, which {actor.name} has not registered",
                remedy="update_agent registers what you can do, if you can",
            )
        )
    return found


def _state(actor: Actor, task: FullTask) -> list[Reason]:
    if task["holder"] == actor.name:
        return []
    if task["holder"]:
        until = f" until {stamp(task['expires_at'])} at least" if task["expires_at"] else ""
        return [
            Reason(
                code="already_claimed",
                why=f"{task['holder']} holds it{until}",
                remedy="take another by claim_task without `task`, or wait for its release",
            )
        ]
    if task["state"] not in OPEN:
        return [
            Reason(
                code="not_claimable",
                why=f"it is {task['state']}",
                remedy="/retry, change_task with `state` pending, or reopening its issue, makes it "
                "pending again",
            )
        ]
    return []


def _people(actor: Actor, task: FullTask) -> list[Reason]:
    found = []
    if task["held"]:
        why = f": {task['held_why']}" if task["held_why"] else ""
        found.append(
            Reason(
                code="on_hold",
                why=f"{task['held_by'] or 'a person'} put it on hold{why}",
                remedy="a person's /resume ends the hold"
                if (task["held_by"] or "@").startswith("@")
                else "change_task with `hold` false, or /resume, ends the hold",
            )
        )
    if task["assigned_to"] not in (None, actor.name):
        found.append(
            Reason(
                code="reserved",
                why=f"it is reserved for {task['assigned_to']}",
                remedy="assign_task, or /assign, gives it to another; it lapses after a day",
            )
        )
    return found


def _waiting(waits: Waits) -> list[Reason]:
    found = []
    if waits.blockers:
        found.append(
            Reason(
                code="blocked",
                why=f"it is blocked by {_listed(waits.blockers)}",
                remedy="it is ready when they are closed",
            )
        )
    if waits.children:
        found.append(
            Reason(
                code="blocked",
                why=f"its sub-issues are open: {_listed(waits.children)}",
                remedy="it is ready when they are closed",
            )
        )
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def text(task: FullTask, found: Sequence[Reason], waits: Waits, *, mine: bool) -> str:
    """In a few sentences."""
    name = lifecycle.name(task)
    if mine:
        said = [f"You hold {name}."]
    elif found:
        said = [f"{name} cannot be claimed by you: {found[0].why}."]
        said += [f"Also, {each.why}." for each in found[1:]]
        said.append(f"What would change that: {'; '.join(each.remedy for each in found)}.")
    elif waited := [*waits.blockers, *waits.children]:
        said = [f"{name} waits for {_listed(waited)}; you lead, and may claim it all the same."]
    else:
        said = [f"{name} is free: claim_task takes it."]
    if waits.circle:
        said.append(
            f"It stands in a circle of issues that wait for each other ({_listed(waits.circle)}): "
            "that does not keep it waiting, but somebody should break it."
        )
    if waits.total:
        said.append(f"{waits.done} of its {waits.total} sub-issues are done.")
    return " ".join(said)
