"""The sentences of the card about the task itself."""

from collections.abc import Sequence

from bot import secret_formats
from bot.comments import card_gate, card_workflow, cleaning
from bot.comments.card_context import CardContext
from bot.comments.replies import block_quote, lease_end
from bot.kernel.sentences import code, inline, shorten, with_full_stop
from bot.quotas.money import with_currency
from bot.tasks import task_decisions
from bot.tasks.path_overlap import Overlap
from bot.tasks.spend_caps import PERCENT
from bot.times import minute
from store.tables.inbox import CommandRow
from store.tables.tasks import LeaseRow
from store.tables.usage import DRAIN, STOP, WARN, SpendHoldRow
from store.tasks.tasks import FullTask

LONGEST_PATH = 200
LONGEST_ANSWER = 300
MOST_BLOCKERS = 10
WHOSE_CAP = {
    "task": "on this task",
    "agent": "of its holder today",
    "repository": "on this repository's tasks today",
    "installation": "of all agents today",
}
CAP_EFFECT = {
    WARN: "At the cap agents can claim no more.",
    DRAIN: "Agents can claim no more until the cap is raised.",
    STOP: "Agents can claim no more, and their writes wait, until the cap is raised.",
}


def attention(task: FullTask, context: CardContext, asked: Sequence[str] = ()) -> list[str]:
    """What needs a person, or was decided by one."""
    lines = []
    if task["question"]:
        lines += _question(task, asked)
    if context.gate is not None:
        lines += card_gate.lines(task, context.gate)
    elif card_workflow.is_done_by_tool(task, context.workflow):
        why = inline(task["held_why"] or "waits for its turn")
        lines.append(f"**Done by a tool:** this step {why}. Nobody needs to claim it.")
    elif task["held"]:
        why = f": {inline(task['held_why'])}" if task["held_why"] else ""
        by = code(task["held_by"] or "somebody")
        lines.append(f"**On hold** by {by}{why}. `/resume` ends the hold.")
    if task["loop_between"]:
        two = " and ".join(code(each) for each in task["loop_between"].split(" and "))
        lines.append(
            f"Hubbub stopped comments by {two} here, because they only answered each other. "
            "A comment by anybody else lets them continue."
        )
    return lines + [_cap(each) for each in context.caps]


def _question(task: FullTask, asked: Sequence[str]) -> list[str]:
    """The comment with the question mentions people; an edit of the card would notify nobody."""
    who = f" It asked {', '.join(code(each) for each in asked)}." if asked else ""
    first = (
        f"**{code(task['holder'] or 'The holder')} waits for an answer** in a comment here.{who}"
    )
    return [first, block_quote(task["question"] or "")]


def _cap(hold: SpendHoldRow) -> str:
    """With an amount only for this task: other caps are not for everybody who reads it."""
    whose, percent = WHOSE_CAP[hold["scope"]], PERCENT[hold["level"]]
    of = f" of {with_currency(hold['cap'], hold['currency'])}" if hold["scope"] == "task" else ""
    effect = CAP_EFFECT[hold["level"]]
    return f"The reported spend {whose} reached {percent} % of its cap{of}. {effect}"


def outcomes(rows: Sequence[CommandRow]) -> list[str]:
    """How each tick of the last edit ended."""
    return [_outcome(each) for each in rows]


def _outcome(row: CommandRow) -> str:
    who, what, when = code(f"@{row['asker']}"), code(row["text"]), minute(row["answered_at"] or 0)
    answer = shorten(" ".join(cleaning.message(row["answer"] or "").text.split()), LONGEST_ANSWER)
    if row["state"] == "done":
        return f"{who} ran {what} on {when}. {answer}".rstrip()
    why = answer.partition("`: ")[2] or "the tick reached Hubbub more than a day late"
    return f"**Not done:** {what} by {who} on {when}: {with_full_stop(why)}"


def ownership(task: FullTask, lease: LeaseRow | None = None) -> list[str]:
    """Who has claimed the task, since when and until when, and for whom it is reserved."""
    lines = []
    if task["holder"]:
        lines.append(f"Claimed by {code(task['holder'])}.{_times(lease)}")
    elif task["assigned_to"]:
        lines.append(f"Reserved for {code(task['assigned_to'])}.")
    elif task["state"] == "pending" and not task["held"]:
        lines.append("Any agent can claim this task. `/claim` claims it for you.")
    if task["stuck_at"] and not task["held"]:
        lines.append(_failures(task))
    if task["decision"] and not task["holder"]:
        lines.append(f"Last decision: {inline(task['decision'])}.")
    return lines


def _times(lease: LeaseRow | None) -> str:
    if lease is None:
        return ""
    until = lease_end(lease["expires_at"]) if lease["state"] != "parked" else ""
    return f" Since {minute(lease['granted_at'])}.{until or ' The claim does not end by itself.'}"


def _failures(task: FullTask) -> str:
    n = task["failures"]
    return f"{n} leases on it expired or failed. `/retry` gives it to agents again."


def blockers(context: CardContext) -> list[str]:
    """An issue may be open a moment longer than its step: a gate waits only for votes by then."""
    if context.gate is not None and context.gate.can_be_decided:
        return []
    found = context.blockers[:MOST_BLOCKERS]
    return [f"Blocked by {', '.join(found)}."] if found else []


def progress(task: FullTask, context: CardContext) -> list[str]:
    """What the holder of now reported, and how far the sub-issues are."""
    lines = []
    if is_current_report(task) and task["progress"]:
        lines.append(f"Progress: {task['progress']}%.")
    if context.total:
        lines.append(f"Sub-issues: {context.done} of {context.total} done.")
    return lines


def is_current_report(task: FullTask) -> bool:
    """Whether the holder of now reported note and progress, not somebody before."""
    return task["lease_id"] is not None and task["reported_under"] == task["lease_id"]


def spend(context: CardContext) -> list[str]:
    """What agents reported, which Hubbub cannot check."""
    return [
        f"Reported spend: {with_currency(each['cost'], each['currency'])}, "
        f"{each['input_tokens'] + each['output_tokens'] + each['cached_tokens']:,} tokens. "
        "Agents report it; Hubbub cannot check it."
        for each in context.spend
    ]


def files(context: CardContext) -> list[str]:
    if not context.files:
        return []
    names = ", ".join(code(secret_formats.mask(each)[0]) for each in context.files)
    return [f"Files for agents and on the page: {names}."]


def overlaps(context: CardContext) -> list[str]:
    return [_overlap(each) for each in context.overlaps]


def _overlap(found: Overlap) -> str:
    if found.task is None:
        other = f"Pull request #{found.pull_request}"
    else:
        other = f"{code(found.holder or '')} on #{found.task.rpartition('#')[2]}"
    paths = ", ".join(code(each[:LONGEST_PATH]) for each in found.paths)
    return f"{other} touches the same paths: {paths}.{_symbols(found)}"


def _symbols(found: Overlap) -> str:
    same = ", ".join(code(each[:LONGEST_PATH]) for each in found.same_symbols)
    apart = ", ".join(code(each[:LONGEST_PATH]) for each in found.different_symbols)
    said = f" Both change {same}." if same else ""
    return said + (f" They change different parts of {apart}." if apart else "")


def messages(context: CardContext) -> list[str]:
    return [
        f"{code(each['sender'])} to {code(each['recipient'])}:\n\n{block_quote(each['body'])}"
        for each in context.messages
    ]


def result(task: FullTask, context: CardContext) -> list[str]:
    """How a task ended: by whom, with which pull request, when."""
    lines = _ending(task, context)
    if task["pull_number"]:
        how = ", merged" if context.merged else ""
        lines.append(f"Pull request: #{task['pull_number']}{how}.")
    if task["state"] == "failed":
        lines += [_failures(task)] if task["stuck_at"] else []
        lines += [block_quote(task["note"])] if task["note"] else []
    if task["result"]:
        lines.append(block_quote(task["result"]))
    return lines


def _ending(task: FullTask, context: CardContext) -> list[str]:
    """Who ended the task, when and why, and who held it last if that is another."""
    end = task_decisions.ending(task)
    who = end.by if end else context.last_holder
    by = f" by {code(who)}" if who else ""
    when = f" on {minute(task['ended_at'])}" if task["ended_at"] else ""
    why = f": {inline(end.why)}" if end and end.why else ""
    lines = [f"{task['state'].capitalize()}{by}{when}{why}."]
    if context.last_holder not in (None, who):
        lines.append(f"{code(context.last_holder or '')} held it last.")
    return lines
