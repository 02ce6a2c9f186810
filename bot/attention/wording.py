"""What is wrong and what a person can do, in one sentence each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.kernel.sentences import shorten
from bot.quotas.money import amount
from bot.tasks.priorities import PRIORITIES
from bot.times import minute
from store.attention.troubles import Trouble
from store.engine import json_text
from store.tables.usage import STOP

Severity: TypeAlias = Literal["info", "warning", "urgent"]
HIGH = PRIORITIES.index("high")
# Characters of a text of others.
QUOTED = 120


@dataclass(frozen=True)
class Words:
    """`plain`: the title without names and texts of the repository."""

    title: str
    plain: str
    action: str
    severity: Severity = "warning"


def quotation(text: str | None) -> str:
    """A text of others in one line, in quotation marks."""
    return f"“{shorten(' '.join((text or '').split()), QUOTED)}”"


def name(row: Trouble) -> str:
    """`owner/repo#12` of the issue or pull request; before it has a number the task's id."""
    if row["number"] is None:
        return str(row["task_id"] or row["full_name"] or "")
    return f"{row['full_name']}#{row['number']}"


def _task(row: Trouble) -> str:
    """The task with its title, unless somebody outside of the repository wrote that."""
    shown = f" {quotation(row['title'])}" if row["title"] and not row["outsider"] else ""
    return f"{name(row)}{shown}"


def _of_task(row: Trouble) -> Severity:
    return "urgent" if row["priority"] == HIGH else "warning"


def _question_words(row: Trouble) -> Words:
    who = row["agent"] or "An agent"
    return Words(
        f"{who} asks on {_task(row)}: {quotation(row['detail'])}",
        "An agent asks a question and waits for the answer.",
        "Answer in a comment on the issue; the agent goes on with the first answer.",
        _of_task(row),
    )


def _gate_words(row: Trouble) -> Words:
    return Words(
        f"{_task(row)} {row['detail'] or 'waits for an approval'}.",
        "A gate of a workflow waits for an approval.",
        "Comment /approve or /reject on the issue.",
        _of_task(row),
    )


def _plan_words(row: Trouble) -> Words:
    tasks = "one task" if row["amount"] == 1 else f"{row['amount']} tasks"
    return Words(
        f"{row['agent']} proposes a plan of {tasks} for {_task(row)}.",
        "An agent proposes a plan for its task.",
        "Read it on the issue, and comment /approve, or /reject with a note.",
        _of_task(row),
    )


def _failure_words(row: Trouble) -> Words:
    why = f": {quotation(row['detail'])}" if row["detail"] else "."
    return Words(
        f"{_task(row)} failed{why}",
        "A task failed.",
        "Retry it with /retry, or close its issue.",
        _of_task(row),
    )


def _stuck_words(row: Trouble) -> Words:
    return Words(
        f"{_task(row)} is on hold: {row['detail'] or 'its leases keep failing'}.",
        "A task is on hold, because its leases keep failing.",
        "Make the issue clearer, then /resume it; or /cancel it.",
        _of_task(row),
    )


def _away_words(row: Trouble) -> Words:
    return Words(
        f"{_task(row)} is kept for {row['detail']}, which is not here.",
        "A step of a workflow is kept for an agent that is not here.",
        "Let the agent register or go on, or /assign the task to another one.",
        _of_task(row),
    )


def _damage_words(row: Trouble) -> Words:
    return Words(
        f"The context of the workflow {row['detail']} on {_task(row)} is damaged.",
        "The context of a workflow is damaged.",
        f"Look at {row['subject']}: restore an older version, or retry the steps whose outputs are "
        "missing with retry_workflow.",
        _of_task(row),
    )


def _death_words(row: Trouble) -> Words:
    last = minute(row["amount"] or row["since"])
    title = f"{row['agent']} has not called since {last}, and its lease expired."
    return Words(title, title, "Look at the agent and start it again, or unregister it.")


def _deadlock_words(row: Trouble) -> Words:
    names = sorted(set((row["detail"] or "").split(",")))
    title = f"{', '.join(names[:-1])} and {names[-1]} wait for each other."
    return Words(
        title,
        title,
        "Look at their tasks and messages on the page: /release one of the tasks, or tell one of "
        "them to answer.",
    )


def _run_words(end: str, action: str) -> Callable[[Trouble], Words]:
    def words(row: Trouble) -> Words:
        of = f" for {_task(row)}" if row["task_id"] else f" in {row['full_name']}"
        why = f": {quotation(row['detail'])}" if row["detail"] else "."
        return Words(
            f"The run of {row['agent']}{of} {end}{why}",
            f"An agent run {end}.",
            action,
            _of_task(row),
        )

    return words


def _write_words(state: str, action: str, severity: Severity) -> Callable[[Trouble], Words]:
    def words(row: Trouble) -> Words:
        error = json_text.value(row["detail"]) if row["detail"] else None
        why = f": {quotation(error['message'])}" if error and error.get("message") else "."
        on = f" on {name(row)}" if row["task_id"] else f" in {row['full_name']}"
        return Words(
            f"{state.format(row['agent'])}{on}{why}",
            f"{state.format(row['agent'])}.",
            action,
            severity,
        )

    return words


def _cap_words(row: Trouble) -> Words:
    of = {"task": "the task", "agent": str(row["agent"]), "repository": "the repository"}
    stops = row["level"] == STOP
    whose = of.get(row["subject"], "the installation")
    exact = {"task": _task(row), "repository": str(row["full_name"])}.get(row["subject"], whose)
    does = "its writes wait" if stops else "no new task is claimed"
    cap = f"The spend cap of {amount(row['amount'] or 0)} {row['detail']} on"
    return Words(
        f"{cap} {exact} is reached: {does}.",
        f"{cap} {whose} is reached: {does}.",
        "Raise the cap, or wait for its next day.",
        "urgent" if stops else "warning",
    )


def _team_budget_words(row: Trouble) -> Words:
    limit = f"a cost of {amount(row['amount'])}" if row["amount"] else f"{row['level']} tokens"
    title = (
        f"The budget of {row['agent']} and the agents below it, {limit}, is used up: they claim no "
        "new task."
    )
    return Words(title, title, "Raise it with update_agent, or let them finish what they hold.")


def _code_words(row: Trouble) -> Words:
    title = f"A code that moves {row['agent']} was used again from elsewhere, and was refused."
    return Words(
        title,
        title,
        "If nobody of you did that, revoke the tokens of the agent: somebody else has its code.",
        "urgent",
    )


def _budget_words(row: Trouble) -> Words:
    title = f"GitHub's limit {row['subject']} is used up until {minute(row['amount'] or 0)}."
    return Words(title, title, "Nothing is lost: Hubbub goes on by itself. Fewer agents help.")


def _delivery_words(row: Trouble) -> Words:
    of = f" of {row['full_name']}" if row["full_name"] else ""
    return Words(
        f"Hubbub could not process a webhook ({row['detail']}){of}.",
        f"Hubbub could not process a webhook ({row['detail']}).",
        f"Run `hubbub deliveries show {row['subject']}`, then replay it.",
    )


def _check_words(row: Trouble) -> Words:
    return Words(
        f"Hubbub's check fails on {name(row)}.",
        "Hubbub's check fails on a pull request.",
        "Read the check on the pull request; /override lets it pass.",
        "info",
    )


def _tool_words(row: Trouble) -> Words:
    did = "changed" if row["amount"] else "added"
    return Words(
        f"{row['agent']}__{row['subject']} waits for a decision: its server {did} it.",
        "A tool of another server waits for a decision.",
        "Read the difference on the page, under Tool servers, then accept or reject it.",
    )


def _flag_words(row: Trouble) -> Words:
    title = f"Hubbub turned the feature {row['subject']} off, because more calls failed with it."
    return Words(
        title,
        title,
        "Nothing is urgent: the plain path is in use. Let the operator of the server look at "
        "`hubbub flags list`.",
        "info",
    )


def _dead_notification_words(row: Trouble) -> Words:
    title = f"Hubbub gave up a notification to {quotation(row['agent'])}: {row['detail']}."
    return Words(title, title, "Run `hubbub notify test`, and mend what it says.")


def _target_words(row: Trouble) -> Words:
    title = f"Notifications to {quotation(row['agent'])} stopped: {row['detail']}."
    return Words(
        title, title, "Add the new address by `hubbub notify add`, and remove the old one."
    )


def _plugin_words(row: Trouble) -> Words:
    title = f"Hubbub turned the plug-in {row['subject']} off: {quotation(row['detail'])}"
    return Words(
        title,
        f"Hubbub turned the plug-in {row['subject']} off.",
        "Tell its author, or let the operator update it. Then turn it on again.",
        "warning",
    )


def _forward_words(row: Trouble) -> Words:
    title = f"Hubbub gave up deliveries to the app {row['subject']}"
    return Words(
        f"{title}: {quotation(row['detail'])}",
        f"{title}.",
        "Mend the app, then send them again on the plug-in's page or by manage_plugin.",
    )


def _unreachable_words(row: Trouble) -> Words:
    title = f"{row['agent']} cannot be reached: {row['detail']}."
    return Words(
        title,
        f"{row['agent']} cannot be reached.",
        "Mend its endpoint, then test it on the agent's page or by manage_agent_endpoint.",
    )


def _tracker_words(row: Trouble) -> Words:
    return Words(
        f"The tracker {row['subject']} fails: {row['detail']}.",
        f"The tracker {row['subject']} fails.",
        "Look at its page, and set another token by manage_tracker or pause it.",
    )


WORDS: dict[str, Callable[[Trouble], Words]] = {
    "question": _question_words,
    "gate": _gate_words,
    "plan": _plan_words,
    "task_failed": _failure_words,
    "task_stuck": _stuck_words,
    "step_agent_away": _away_words,
    "deadlock": _deadlock_words,
    "context_damaged": _damage_words,
    "agent_died": _death_words,
    "run_failed": _run_words(
        "failed", "Look at the workflow run in GitHub Actions, then /retry the task."
    ),
    "run_not_started": _run_words(
        "did not start", "Look at the template and its workflow, then /retry the task."
    ),
    "write_refused": _write_words(
        "GitHub refused a write of {}", "Read why, mend it, and let the agent write again.", "info"
    ),
    "write_unknown": _write_words(
        "Whether a write of {} reached GitHub is unknown",
        "Wait: Hubbub looks for it. Look on GitHub if it takes longer than ten minutes.",
        "info",
    ),
    "write_dead": _write_words(
        "Hubbub gave up a write of {}", "Look on GitHub, and make the change by hand.", "warning"
    ),
    "spend_cap": _cap_words,
    "team_budget": _team_budget_words,
    "move_code_reused": _code_words,
    "budget_exhausted": _budget_words,
    "delivery_dead": _delivery_words,
    "check_failed": _check_words,
    "agent_unreachable": _unreachable_words,
    "tracker_failing": _tracker_words,
    "tool_parked": _tool_words,
    "plugin_failing": _plugin_words,
    "forward_dead": _forward_words,
    "flag_fell_back": _flag_words,
    "notification_dead": _dead_notification_words,
    "target_stopped": _target_words,
}
