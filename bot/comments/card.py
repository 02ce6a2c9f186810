"""The card of a task: the status comment that people read on its issue."""

from bot.comments import card_text
from bot.comments.card_text import CardContext
from bot.tasks import lookup, path_overlap, verdicts
from bot.tasks.states import OPEN
from bot.tasks.verdicts import Verdict
from store.engine.transaction import Tx
from store.messages import messages
from store.mirror import relations
from store.tables.usage import UsageSumRow
from store.tasks import leases, ready, spend_holds, usage
from store.tasks.tasks import FullTask
from store.tasks.usage import SumKey


async def text(tx: Tx, task: FullTask) -> str:
    """The text of the card.

    It names no issue of another repository, because some readers of the card may not see that one.
    """
    return card_text.text(task, await _context(tx, task), await tx.now())


async def digest(tx: Tx, task: FullTask) -> str:
    """A short hash of what people act on."""
    return card_text.digest(task, await _context(tx, task))


async def _context(tx: Tx, task: FullTask) -> CardContext:
    if task["state"] not in OPEN:
        return await _result_context(tx, task)
    here = (tx, task["installation_id"])
    blockers, children = await ready.waiting_for(*here, task["issue_id"] or 0)
    lease = await leases.get(*here, task["lease_id"]) if task["lease_id"] else None
    paths = leases.paths_of(lease) if lease else []
    return CardContext(
        blockers=[
            f"#{each['number']}"
            if each["repository_id"] == task["repository_id"]
            else "an issue in another repository"
            for each in blockers
            if relations.is_blocking(each)
        ],
        done=sum(each["state"] != "open" for each in children),
        total=len(children),
        overlaps=await path_overlap.overlaps(tx, task, paths),
        verdicts=await _verdicts(tx, task),
        messages=await messages.on_card(*here, task["id"]),
        spend=await _spend(tx, task),
        caps=await spend_holds.matching(
            *here,
            repository_id=task["repository_id"],
            agent_id=task["holder"] or "",
            task_id=task["id"],
        ),
    )


async def _verdicts(tx: Tx, task: FullTask) -> list[Verdict]:
    """Those on its pull request, as long as it is open."""
    pull = await lookup.pull_request(tx, task)
    return await verdicts.of_pull(tx, pull) if pull and pull["state"] == "open" else []


async def _spend(tx: Tx, task: FullTask) -> list[UsageSumRow]:
    key = SumKey("task", task["id"])
    return (await usage.sums(tx, task["installation_id"], [key]))[key]


async def _result_context(tx: Tx, task: FullTask) -> CardContext:
    here = (tx, task["installation_id"])
    pull = await lookup.pull_request(tx, task)
    shown = await messages.on_card(*here, task["id"])
    return CardContext(
        last_holder=task["last_holder"],
        merged=pull is not None and pull["merged_at"] is not None,
        spend=await _spend(tx, task),
        messages=[each for each in shown if each["sent_at"] >= (task["ended_at"] or 0)],
    )
