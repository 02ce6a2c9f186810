"""What a card shows that is not in the task's own row, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.comments.card_boxes import Box
from bot.comments.card_gate import ShownGate
from bot.comments.card_runs import ShownRun
from bot.comments.card_workflow import ShownWorkflow
from bot.pulls.review_verdicts import Verdict
from bot.tasks.merge_readiness import Checks
from bot.tasks.path_overlap import Overlap
from bot.tenants.look import OWN_NAME
from store.events import LoggedEvent
from store.messages.messages import CardMessage
from store.tables.approvals import PlanProposalRow
from store.tables.inbox import CommandRow
from store.tables.tasks import LeaseRow
from store.tables.usage import SpendHoldRow, UsageSumRow


@dataclass(frozen=True)
class CardContext:
    """What decides whether people have something new to act on, and what stands beside it."""

    blockers: Sequence[str] = ()
    done: int = 0
    total: int = 0
    overlaps: Sequence[Overlap] = ()
    # Of the task's open pull request.
    verdicts: Sequence[Verdict] = ()
    # How many agents must approve it. 0: the settings ask for none.
    approvals_needed: int = 0
    # Only those whose sender wants people to see them; of an ended task, those since its end.
    messages: Sequence[CardMessage] = ()
    # Who held an ended task last.
    last_holder: str | None = None
    merged: bool = False
    # The newest one for the task.
    run: ShownRun | None = None
    # What agents reported for the task, one row for each currency.
    spend: Sequence[UsageSumRow] = ()
    # If the task is a gate that is not decided.
    gate: ShownGate | None = None
    # The plan of the holder that waits for an approval.
    plan: PlanProposalRow | None = None
    # Of which the task is a step or the parent.
    workflow: ShownWorkflow | None = None
    # Names of the files that are attached to the task.
    files: Sequence[str] = ()
    # The caps that are near or reached, of the task and of its holder.
    caps: Sequence[SpendHoldRow] = ()
    # The name under which the account shows cards.
    brand: str = OWN_NAME


@dataclass(frozen=True)
class CardDetails:
    """What only the drawn card needs. A change of these alone is not worth an edit."""

    boxes: Sequence[Box] = ()
    lease: LeaseRow | None = None
    # Of the head of the open pull request.
    checks: Checks | None = None
    is_draft: bool = False
    # Whom the comment with the open question mentions.
    asked: Sequence[str] = ()
    # How the ticks of the last edit by a person ended.
    outcomes: Sequence[CommandRow] = ()
    # The newest first.
    history: Sequence[LoggedEvent] = ()
    # By plug-in.
    plugins: Mapping[str, Sequence[str]] = field(default_factory=dict)
