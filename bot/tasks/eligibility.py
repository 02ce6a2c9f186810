"""Why an actor can or cannot claim a task, and what would change that."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from bot.identity import permissions
from bot.identity.actors import Actor
from bot.kernel import remedies
from bot.kernel.sentences import with_full_stop
from bot.tasks import lifecycle, lookup
from bot.tasks.capabilities import missing_capabilities
from bot.tasks.states import OPEN
from bot.times import minute, span
from store.engine.transaction import Tx
from store.mirror import relations
from store.mirror.relations import Neighbour
from store.tasks import leases, planned_relations, ready
from store.tasks.tasks import FullTask

# How many blockers or sub-issues a text names.
MOST = 10
RELATIONS_PENDING = "GitHub does not have all its relations to other issues yet"


class Reason(BaseModel):
    """Something that keeps an actor from claiming a task."""

    code: str
    why: str
    remedy: str = Field(description="what to do about it")


@dataclass(frozen=True)
class Dependencies:
    """The names of open blockers and sub-issues, and how many sub-issues are done.

    `in_cycle`: those with which the task is in a cycle. They do not block it.
    """

    blockers: Sequence[str] = ()
    children: Sequence[str] = ()
    in_cycle: Sequence[str] = ()
    done: int = 0
    total: int = 0
    # The writes that will make its relations on GitHub.
    planned: Sequence[str] = ()


async def dependencies(tx: Tx, actor: Actor, task: FullTask) -> Dependencies:
    planned = await planned_relations.writes_of(tx, task["installation_id"], task["id"])
    if task["issue_id"] is None:
        return Dependencies(planned=planned)
    here = (tx, task["installation_id"], task["issue_id"])
    blockers, children = await ready.waiting_for(*here)
    open_ = [each for each in (*blockers, *children) if each["state"] == "open"]
    return Dependencies(
        blockers=names(actor, [each for each in blockers if relations.is_blocking(each)]),
        children=names(actor, [each for each in children if relations.is_blocking(each)]),
        in_cycle=names(actor, [each for each in open_ if each["cyclic"]]),
        done=sum(each["state"] != "open" for each in children),
        total=len(children),
        planned=planned,
    )


def names(actor: Actor, rows: Sequence[Neighbour]) -> list[str]:
    """Names of issues. For an issue that the actor cannot see, only that there is one."""
    reach = actor.repositories
    return [
        each["name"] if reach is None or each["repository_id"] in reach else relations.UNSEEN
        for each in rows
    ]


def without_expired_lease(task: FullTask, now: int) -> FullTask:
    """The task as the next claim finds it."""
    if not leases.is_expired(task, now):
        return task
    return {
        **task,
        "holder": None,
        "lease_id": None,
        "expires_at": None,
        "question": None,
        "state": "pending",
    }


def reasons(
    actor: Actor,
    task: FullTask,
    waits: Dependencies,
    has: Sequence[str] | None,
    now: int,
    gates: Sequence[Reason] = (),
) -> list[Reason]:
    """Everything that prevents a claim, the most direct reason first.

    `has` are the agent's capabilities; None means that they do not matter. `gates`: what an
    undecided gate of the task's workflow prevents; Hubbub's own hold then ends with the gate.
    """
    found = _state(actor, task, now)
    if gates and task["holder"] != actor.name:
        found += gates
    ends_with_gate = bool(gates) and not (task["held_by"] or "@").startswith("@")
    people = _people(actor, task)
    found += [each for each in people if not (ends_with_gate and each.code == "on_hold")]
    if task["number"] is None:
        found.append(
            Reason(
                code="no_issue_yet",
                why="its issue has no number yet, because GitHub has not created it",
                remedy=remedies.by(
                    actor,
                    person="wait until GitHub has created it",
                    agent="wait for the write of the issue with get_write",
                ),
            )
        )
    may_claim_blocked = permissions.allows(
        actor, "claim_task.blocked", repository_id=task["repository_id"]
    )
    found += [] if may_claim_blocked else [*_pending_relations(actor, waits), *_waiting(waits)]
    if has is not None and (missing := missing_capabilities(has, task["capabilities"])):
        found.append(
            Reason(
                code="lacks_capability",
                why=f"it needs the capability {', '.join(missing)}, and {actor.name} has not "
                "registered it",
                remedy=remedies.by(
                    actor,
                    person="claim it yourself",
                    agent="if you have the capability, register it with update_agent",
                ),
            )
        )
    return found


def _state(actor: Actor, task: FullTask, now: int) -> list[Reason]:
    if task["holder"] == actor.name:
        return []
    if task["holder"]:
        end = ""
        if task["expires_at"] and actor.is_person:
            # People read a comment much later, so it has an absolute time.
            end = f", and the lease ends at {minute(task['expires_at'])} unless it is renewed"
        elif task["expires_at"]:
            left = span(task["expires_at"] - now)
            end = f", and the lease ends in {left} unless it is renewed"
        return [
            Reason(
                code="already_claimed",
                why=f"{task['holder']} holds it{end}",
                remedy=remedies.by(
                    actor,
                    person="comment `/release` to take it back, or wait until it is released",
                    developer="claim another task with claim_task without `task`, or wait until "
                    "this one is released",
                    agent="wait until it is released",
                ),
            )
        ]
    if task["state"] not in OPEN:
        return [
            Reason(
                code="not_claimable",
                why=f"it is {task['state']}"
                + (f", and {lifecycle.why_stuck(task)}" if task["stuck_at"] else ""),
                remedy=remedies.by(
                    actor,
                    person="comment `/retry`, or reopen its issue",
                    lead="call change_task with `state` pending",
                    agent="ask a tech-lead or a person to retry it",
                ),
            )
        ]
    return _review(actor, task)


def _review(actor: Actor, task: FullTask) -> list[Reason]:
    """A task stays in review after the run of its agent in GitHub Actions has ended."""
    if task["state"] != "in_review":
        return []
    return [
        Reason(
            code="not_claimable",
            why="it is in review, and nobody holds it",
            remedy=remedies.by(
                actor,
                person="comment `/release`, then claim it",
                lead="release it with release_task, then claim it",
                agent="claim another task, or ask a tech-lead or a person to release it",
            ),
        )
    ]


def _people(actor: Actor, task: FullTask) -> list[Reason]:
    found = []
    if task["held"]:
        why = f": {task['held_why']}" if task["held_why"] else ""
        found.append(
            Reason(
                code="on_hold",
                why=f"{task['held_by'] or 'a person'} put it on hold{why}",
                remedy=end_of_hold(actor, task),
            )
        )
    if task["assigned_to"] not in (None, actor.name):
        until = task["assigned_until"]
        ends = "after a day" if until is None else f"at {minute(until)}"
        found.append(
            Reason(
                code="reserved",
                why=f"it is reserved for {task['assigned_to']}",
                remedy=remedies.by(
                    actor,
                    person=f"comment `/assign` to end the reservation, or wait: it ends {ends}",
                    lead="reserve it for another agent with assign_task, or wait: a reservation "
                    f"ends {ends}",
                    agent="ask a tech-lead to reserve it for you, or wait: a reservation ends "
                    f"{ends}",
                ),
            )
        )
    return found


def end_of_hold(actor: Actor, task: FullTask) -> str:
    """How the hold can be ended. Only people end a person's hold."""
    by_person = (task["held_by"] or "@").startswith("@")
    ask = f"ask {task['held_by'] or 'a person'} to end the hold"
    return remedies.by(
        actor,
        person="comment `/resume` to end the hold",
        lead=ask if by_person else "end the hold with change_task and `hold` false",
        agent=ask if by_person else "ask a tech-lead or a person to end the hold",
    )


def _pending_relations(actor: Actor, waits: Dependencies) -> list[Reason]:
    if not waits.planned:
        return []
    return [
        Reason(
            code="relations_pending",
            why=RELATIONS_PENDING,
            remedy=remedies.by(
                actor,
                person="wait until Hubbub has made them",
                agent=f"wait for the write {waits.planned[-1]}",
            ),
        )
    ]


def _waiting(waits: Dependencies) -> list[Reason]:
    parts = (
        (waits.blockers, "it is blocked by ", "the issues that block it"),
        (waits.children, "it has open sub-issues: ", "its sub-issues"),
    )
    return [
        Reason(
            code="blocked",
            why=f"{begin}{_name_list(names)}",
            remedy=f"wait until {awaited} are closed",
        )
        for names, begin, awaited in parts
        if names
    ]


def _name_list(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def explanation(
    actor: Actor, task: FullTask, found: Sequence[Reason], waits: Dependencies, *, mine: bool
) -> str:
    """The reasons in a few sentences."""
    name = lookup.name(task)
    waited = [*waits.blockers, *waits.children] if task["state"] in OPEN else []
    if mine:
        sentences = [f"You hold {name}."]
    elif found:
        sentences = [with_full_stop(f"You cannot claim {name}: {found[0].why}")]
        sentences += [with_full_stop(f"Also, {each.why}") for each in found[1:]]
        # That stops no tech-lead or person, but after the other reasons it is the next question.
        unsaid = [each for each in waited if each not in sentences[0]]
        if unsaid and all(each.code != "blocked" for each in found):
            sentences.append(f"It also waits for {_name_list(unsaid)}.")
        can_do = dict.fromkeys(each.remedy for each in found)
        sentences.append(f"What you can do: {'; '.join(can_do)}.")
    elif waited:
        sentences = [
            f"{name} waits for {_name_list(waited)}.",
            "You can claim it anyway, because a tech-lead or a person may claim a blocked task.",
        ]
    else:
        how = remedies.by(
            actor, person=" Comment `/claim`.", developer=" Call claim_task.", agent=""
        )
        sentences = [f"You can claim {name}.{how}"]
    if waits.planned and not found:
        sentences.append(f"{RELATIONS_PENDING}, so agents cannot claim it.")
    if waits.in_cycle:
        sentences.append(
            f"It is in a cycle of issues that block each other: {_name_list(waits.in_cycle)}. The "
            "cycle does not block the task, but somebody should remove one of the links."
        )
    if waits.total:
        sentences.append(f"{waits.done} of its {waits.total} sub-issues are done.")
    return " ".join(sentences)
