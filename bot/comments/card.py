"""The card of a task: the status comment that people read on its issue."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.comments import card_boxes, card_gate, card_history, card_next, card_text, card_workflow
from bot.comments.card_boxes import Box
from bot.comments.card_context import CardContext, CardDetails
from bot.comments.card_runs import ShownRun
from bot.pulls import review_verdicts
from bot.pulls.review_verdicts import Verdict
from bot.repository import repository_settings
from bot.tasks import lookup, merge_readiness, path_overlap
from bot.tasks.states import OPEN
from bot.tenants import own_settings
from bot.times import DAY
from store import events
from store.engine.transaction import Tx
from store.events import LoggedEvent
from store.files.attachments import attached_to
from store.inbox import commands
from store.messages import messages
from store.mirror import pulls, relations
from store.outbox import writes
from store.plugins import plugin_installations
from store.runs import runs
from store.tables.approvals import PlanProposalRow
from store.tables.inbox import CommandRow
from store.tables.mirror import PullRequestRow
from store.tables.tasks import LeaseRow
from store.tables.usage import UsageSumRow
from store.tasks import leases, ready, spend_holds, usage
from store.tasks.tasks import FullTask
from store.tasks.usage import SumKey
from store.workflows import plan_proposals

# How many events are read for the history, which leaves some out.
EVENTS_READ = 60
# Templates with a box of their own.
MOST_TEMPLATES = 3


async def text(tx: Tx, task: FullTask) -> str:
    """The text of the card.

    It names no issue of another repository, because some readers of the card may not see that one.
    """
    read = await _read_with_brand(tx, task)
    details = await _details(tx, task, read)
    return card_text.text(task, read.context, details, await tx.now())


async def next_step(tx: Tx, task: FullTask) -> str:
    """The card's sentence about the next step: one or two sentences, with names in backticks."""
    read = await _read_with_brand(tx, task)
    words = card_next.next_step(task, read.context, await _details(tx, task, read))
    return words if words.startswith("`") else words[:1].upper() + words[1:]


async def digest(tx: Tx, task: FullTask) -> str:
    """A short hash of what people act on."""
    return card_text.digest(task, (await _read_with_brand(tx, task)).context)


async def boxes(tx: Tx, task: FullTask) -> list[Box]:
    """The checkboxes that the card of the task as it is now has."""
    blockers, _ = await ready.waiting_for(tx, task["installation_id"], task["issue_id"] or 0)
    context = CardContext(
        blockers=["…" for each in blockers if relations.is_blocking(each)],
        run=await _run(tx, task),
        gate=await card_gate.of_task(tx, task),
        plan=await _plan(tx, task),
        workflow=await card_workflow.of_task(tx, task),
    )
    return await _boxes(tx, task, context)


async def awaits_approval(tx: Tx, task: FullTask) -> bool:
    """Whether the task is a gate that can be decided, or its holder proposes a plan."""
    gate = await card_gate.of_task(tx, task)
    if gate is not None:
        return gate.can_be_decided
    return await _plan(tx, task) is not None


async def _plan(tx: Tx, task: FullTask) -> PlanProposalRow | None:
    """The plan of the holder that waits."""
    if task["lease_id"] is None:
        return None
    return await plan_proposals.waiting(tx, task["installation_id"], task["id"])


async def _boxes(tx: Tx, task: FullTask, context: CardContext) -> list[Box]:
    if context.gate is not None:
        return card_boxes.DECIDE if context.gate.can_be_decided else []
    workflow, run = context.workflow, context.run
    if card_workflow.is_done_by_tool(task, workflow):
        return [card_boxes.HOLD, *card_boxes.DECISIONS]
    is_parent = card_workflow.is_waiting_parent(task, workflow)
    is_blocked = is_parent or bool(context.blockers)
    templates: list[str] = []
    is_free = task["state"] == "pending" and not task["held"] and not is_blocked
    if is_free and (run is None or not run.is_live):
        settings = await repository_settings.of(tx, task["installation_id"], task["repository_id"])
        # Those with a schedule are seldom made for one task.
        found = [name for name, each in settings.templates.items() if each.schedule is None]
        templates = sorted(found)[:MOST_TEMPLATES]
    failed = is_parent and workflow is not None and workflow.state == "failed"
    boxes = card_boxes.boxes(
        task, is_blocked=is_blocked, templates=templates, workflow_failed=failed
    )
    return [*card_boxes.DECIDE_PLAN, *boxes] if context.plan is not None else boxes


@dataclass(frozen=True)
class _Read:
    context: CardContext
    lease: LeaseRow | None
    pull: PullRequestRow | None


async def _read_with_brand(tx: Tx, task: FullTask) -> _Read:
    """What the card shows, under the name of its account."""
    read = await _read(tx, task)
    look = await own_settings.look_of(tx, task["installation_id"])
    return replace(read, context=replace(read.context, brand=look.name))


async def _read(tx: Tx, task: FullTask) -> _Read:
    pull = await lookup.pull_request(tx, task)
    workflow = await card_workflow.of_task(tx, task)
    if task["state"] not in OPEN:
        result = replace(await _result_context(tx, task, pull), workflow=workflow)
        return _Read(result, None, pull)
    here = (tx, task["installation_id"])
    blockers, children = await ready.waiting_for(*here, task["issue_id"] or 0)
    lease = await leases.get(*here, task["lease_id"]) if task["lease_id"] else None
    paths = leases.paths_of(lease) if lease else []
    context = CardContext(
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
        verdicts=await _verdicts(tx, pull),
        approvals_needed=await _approvals_needed(tx, task) if pull else 0,
        messages=await messages.on_card(*here, task["id"]),
        spend=await _spend(tx, task),
        caps=await spend_holds.matching(
            *here,
            repository_id=task["repository_id"],
            agent_id=task["holder"] or "",
            task_id=task["id"],
        ),
        run=await _run(tx, task),
        gate=await card_gate.of_task(tx, task),
        plan=await _plan(tx, task),
        workflow=workflow,
        files=await _files(tx, task),
    )
    return _Read(context, lease, pull)


async def _files(tx: Tx, task: FullTask) -> list[str]:
    """Their names only: everybody who reads the issue sees the card."""
    found = await attached_to(tx, task["installation_id"], "task", [task["id"]])
    return [each["name"] for each in found]


async def _verdicts(tx: Tx, pull: PullRequestRow | None) -> list[Verdict]:
    """Those on the pull request, as long as it is open."""
    return await review_verdicts.of_pull(tx, pull) if pull and pull["state"] == "open" else []


async def _approvals_needed(tx: Tx, task: FullTask) -> int:
    here = (tx, task["installation_id"], task["repository_id"])
    return (await repository_settings.of(*here)).check.approvals


async def _spend(tx: Tx, task: FullTask) -> list[UsageSumRow]:
    key = SumKey("task", task["id"])
    return (await usage.sums(tx, task["installation_id"], [key]))[key]


async def _run(tx: Tx, task: FullTask) -> ShownRun | None:
    """The newest run for the task. The answer to its dispatch has the address of its page."""
    here = (tx, task["installation_id"])
    run = await runs.of_task(*here, task["id"])
    if run is None:
        return None
    write = await writes.get(*here, run["write_id"]) if run["write_id"] else None
    return ShownRun(run, (write["result"] or {}).get("url") if write else None)


async def _result_context(tx: Tx, task: FullTask, pull: PullRequestRow | None) -> CardContext:
    here = (tx, task["installation_id"])
    shown = await messages.on_card(*here, task["id"])
    return CardContext(
        last_holder=task["last_holder"],
        merged=pull is not None and pull["merged_at"] is not None,
        run=await _run(tx, task),
        spend=await _spend(tx, task),
        files=await _files(tx, task),
        messages=[each for each in shown if each["sent_at"] >= (task["ended_at"] or 0)],
    )


async def _details(tx: Tx, task: FullTask, read: _Read) -> CardDetails:
    here = (tx, task["installation_id"])
    steps = await events.of_subject(*here, task["id"], EVENTS_READ)
    pull = read.pull if read.pull and read.pull["state"] == "open" else None
    return CardDetails(
        boxes=await _boxes(tx, task, read.context),
        lease=read.lease,
        checks=await _checks(tx, pull) if pull else None,
        is_draft=pull is not None and bool(pull["draft"]),
        asked=_people_asked(steps) if task["question"] else [],
        outcomes=await _outcomes(tx, task),
        history=[each for each in steps if each["kind"] in card_history.KINDS],
        plugins=await plugin_installations.lines_of(*here, task["id"]),
    )


def _people_asked(steps: Sequence[LoggedEvent]) -> list[str]:
    """Whom the newest question mentions."""
    asked = next((each["data"] for each in steps if each["kind"] == "task.asked"), {})
    found: list[str] = asked.get("asked", [])
    return found


async def _checks(tx: Tx, pull: PullRequestRow) -> merge_readiness.Checks:
    here = (pull["installation_id"], pull["repository_id"])
    return merge_readiness.checks(await pulls.check_runs(tx, *here, pull["head_sha"]))


async def _outcomes(tx: Tx, task: FullTask) -> Sequence[CommandRow]:
    """How the ticks of the last edit ended, for a day."""
    if task["card_comment_id"] is None:
        return []
    here = (tx, task["installation_id"])
    found = await commands.newest_of(*here, card_boxes.SOURCE, task["card_comment_id"])
    since = await tx.now() - DAY
    return [each for each in found if (each["answered_at"] or 0) > since]
