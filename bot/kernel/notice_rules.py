"""Which events agents get notices of, who gets them, and in which words. Pure functions."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from bot.identity.actors import BOT, is_hosted
from bot.kernel.sentences import shorten, with_full_stop
from store.tables.messages import TextKind

# Characters of a notice, and of the text that it quotes.
LONGEST, LONGEST_QUOTE = 300, 120
# Of notices that name addresses. Failed checks that one names, and whose logs it names.
LONGEST_OF = {"check_failed": 1_500, "deadlock": 900}
MOST_CHECKS, MOST_LOGS = 10, 5
FAILED = frozenset({"failure", "timed_out", "action_required", "startup_failure"})
HIDDEN = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
READ_THREAD = "Read it with github_get_thread."
STOP = "Stop working on it. Writes that were still queued are dropped."


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed. `steps`: those of its job that failed. `url`: of its log."""

    name: str
    steps: Sequence[str] = ()
    url: str = ""

    @property
    def summary(self) -> str:
        """Its name, which steps failed, and where the log is."""
        steps = f", step {', '.join(self.steps)}" if self.steps else ""
        return f"{self.name}{steps}: {self.url}" if self.url else f"{self.name}{steps}"


@dataclass(frozen=True)
class Happening:
    """An event about a task or an agent, with what its notices say beside its data.

    `holder`, `last_holder`, `reserved_for`, `fence`, `pull` and `has_ended` are those of the task
    before the event.
    """

    kind: str
    subject: str
    # `owner/repo#12`; of an event about an agent, its id.
    name: str
    actor: str
    data: Mapping[str, Any] = field(default_factory=dict)
    repository_id: int | None = None
    holder: str | None = None
    last_holder: str | None = None
    reserved_for: str | None = None
    fence: int = 0
    pull: int | None = None
    has_ended: bool = False
    # The text that somebody wrote, if a notice may quote it.
    quote: str | None = None
    # Of an event about several agents: those whom it concerns.
    team: Sequence[str] = ()
    # Of an event about a check: all checks that failed on the commit.
    failed: Sequence["FailedCheck"] = ()

    @property
    def who(self) -> str:
        return "Hubbub" if self.actor == BOT else self.actor

    @property
    def why(self) -> str:
        """The reason that somebody gave, with a colon before it."""
        said = self.data.get("note") or self.data.get("why")
        return f": {shorten(str(said), LONGEST_QUOTE)}" if said else ""

    @property
    def text(self) -> tuple[TextKind, int] | None:
        """The text on GitHub that the event is about: its kind and GitHub's id."""
        if "comment_id" in self.data:
            return "comment", int(self.data["comment_id"])
        return ("review", int(self.data["review_id"])) if "review_id" in self.data else None

    def pull_name(self) -> str:
        number = self.data.get("pull") or self.pull
        return f"{self.name.partition('#')[0]}#{number}" if number else f"for {self.name}"


Readers: TypeAlias = Callable[[Happening], Iterable[str | None]]
Words: TypeAlias = Callable[[Happening], str | None]


@dataclass(frozen=True)
class Rule:
    """A notice of the kind `notice` to agents. `words` None: there is nothing to say."""

    notice: str
    to: Readers
    words: Words


def quotation(text: str | None) -> str:
    """The start of a text on one line, with a colon before it."""
    words = " ".join(HIDDEN.sub("", text or "").split())
    return f': "{shorten(words, LONGEST_QUOTE)}"' if words else ""


def _holder(event: Happening) -> list[str | None]:
    return [event.holder]


def _last_holder(event: Happening) -> list[str | None]:
    return [event.last_holder]


def _holder_or_reserved(event: Happening) -> list[str | None]:
    return [event.holder or event.reserved_for]


def _addressee(event: Happening) -> list[str | None]:
    return [event.data.get("to")]


def _previous_addressee(event: Happening) -> list[str | None]:
    """The agent for which the task was reserved until now."""
    return [event.reserved_for] if event.reserved_for != event.data.get("to") else []


def _itself(event: Happening) -> list[str | None]:
    return [event.subject]


def _comment(event: Happening) -> str | None:
    if event.quote is None:
        return None
    where = event.pull_name() if event.data.get("pull") else event.name
    what = with_full_stop(f"{event.who} commented on {where}{quotation(event.quote)}")
    return f"{what} {READ_THREAD}"


VERDICTS = {
    "approved": "approved",
    "changes_requested": "requested changes on",
    "dismissed": "dismissed a review of",
}


def _review(event: Happening) -> str:
    did = VERDICTS.get(str(event.data.get("state")).lower(), "reviewed")
    said = quotation(event.quote or event.data.get("body"))
    what = with_full_stop(f"{event.who} {did} your pull request {event.pull_name()}{said}")
    return f"{what} {READ_THREAD}"


def _requests_changes(event: Happening) -> bool:
    return str(event.data.get("state")).lower() == "changes_requested"


def _requested_changes(event: Happening) -> str | None:
    """A notice of its own kind, so that no later comment hides it."""
    return _review(event) if _requests_changes(event) else None


def _other_review(event: Happening) -> str | None:
    return None if _requests_changes(event) else _review(event)


def _asked_reviewer(event: Happening) -> str | None:
    """For the holder, if somebody asked a person or a team."""
    reviewer = str(event.data.get("to"))
    if not _is_on_github(reviewer):
        return None
    return f"{event.who} asked {reviewer} to review your pull request {event.pull_name()}."


def _is_on_github(reviewer: str) -> bool:
    """Whether it is a person's @login or a team's org/team."""
    return reviewer.startswith("@") or "/" in reviewer


def _review_request(event: Happening) -> str | None:
    if _is_on_github(str(event.data.get("to"))):
        return None
    return (
        f"{event.who} asks you to review {event.pull_name()}. Read it with github_get_diff, then "
        "call github_review_pr."
    )


def _failed_check(event: Happening) -> str | None:
    """All that failed on the commit so far, because a newer notice takes the place of this one."""
    if event.data.get("conclusion") not in FAILED:
        return None
    failed, of = list(event.failed), f"of your pull request {event.pull_name()}"
    commit = f"commit {str(event.data.get('sha'))[:7]} {of}"
    if len(failed) <= 1:
        name, ended = event.data.get("check"), event.data.get("conclusion")
        logs = "".join(f" {_log_of(replace(each, name='log'))}" for each in failed if each.url)
        return f"The check {name} ended with {ended} on {commit}.{logs} get_task shows its checks."
    names = ", ".join(each.name for each in failed[:MOST_CHECKS])
    logs = " ".join(_log_of(each) for each in failed[:MOST_LOGS] if each.url or each.steps)
    return f"{len(failed)} checks failed on {commit}: {names}. {logs} get_task shows its checks."


def _log_of(failed: FailedCheck) -> str:
    """In brackets, because no full stop may follow an address."""
    return f"[{failed.summary}]"


def _maker_and_holder(event: Happening) -> list[str | None]:
    return [event.data.get("to"), event.holder]


def _blocked_pull(event: Happening) -> str:
    return with_full_stop(f"Hubbub's check on {event.pull_name()} fails: {event.data.get('why')}")


def _allowed_pull(event: Happening) -> str:
    return f"{event.who} let Hubbub's check on {event.pull_name()} pass."


def _push(event: Happening) -> str:
    branch, head = event.data.get("branch"), str(event.data.get("head"))[:7]
    return (
        f"{event.who} pushed to {branch}, the branch of {event.name}. Its head is {head} now. "
        "github_get_diff with `base` your last commit shows what came."
    )


def _edit(event: Happening) -> str:
    who = "Somebody" if event.actor == BOT else event.who
    return f"{who} edited {event.data.get('what')} of {event.name}. Read it with get_task."


def _answer(event: Happening) -> str:
    said = quotation(event.quote or event.data.get("text"))
    what = with_full_stop(f"{event.who} answered your question on {event.name}{said}")
    return f"{what} Read the answer with github_get_thread, then continue."


def _hold(event: Happening) -> str:
    until = (
        "You keep your lease. Until the hold ends you may answer, comment and ask, but not commit, "
        "merge or report progress."
        if event.holder
        else "You can claim it when the hold ends."
    )
    return f"{with_full_stop(f'{event.who} put {event.name} on hold{event.why}')} {until}"


def _end_of_hold(event: Happening) -> str:
    then = "Continue." if event.holder else "Claim it with claim_task."
    return f"{event.who} ended the hold of {event.name}. {then}"


def _reservation(event: Happening) -> str:
    return f"{event.who} reserved {event.name} for you, for a day. Claim it with claim_task."


def _other_reservation(event: Happening) -> str:
    return f"{event.who} reserved {event.name} for {event.data.get('to')} instead of you."


def _end_of_reservation(event: Happening) -> str:
    return with_full_stop(f"{event.name} is no longer reserved for you{event.why}")


def _completion(event: Happening) -> str:
    why = str(event.data.get("why") or "")
    by = "" if event.actor == BOT else f" by {event.who}"
    if why.startswith("pull request") and why.endswith("was merged"):
        return f"Your {why}{by}; {event.name} is completed."
    if event.actor == BOT:
        return with_full_stop(f"{event.name} is completed, because {why}")
    return with_full_stop(f"{event.who} completed {event.name}{event.why}")


def _return_to_work(event: Happening) -> str:
    return with_full_stop(f"{event.name} is in_progress again{event.why}")


def _retry(event: Happening) -> str | None:
    if not event.has_ended:
        return None
    again = with_full_stop(f"{event.who} made {event.name} pending again{event.why}")
    return f"{again} You can claim it with claim_task."


def _expiry(event: Happening) -> str:
    return f"Your lease on {event.name} (fence {event.fence}) expired. {STOP}"


def _revocation(event: Happening) -> str:
    note = shorten(str(event.data.get("note") or ""), LONGEST_QUOTE)
    why = f"{event.data.get('why')}{': ' if note else ''}{note}"
    ended = with_full_stop(f"Your lease on {event.name} (fence {event.fence}) ended: {why}")
    return f"{ended} {STOP}"


def _end(event: Happening) -> str:
    state = event.kind.partition(".")[2]
    why = f"{state} by {event.who}{event.why}"
    if event.actor == BOT:
        why = f"the task is {state}, because {event.data.get('why')}"
    ended = with_full_stop(f"Your lease on {event.name} (fence {event.fence}) ended: {why}")
    return f"{ended} {STOP}"


def _together(event: Happening) -> str:
    """With which agent above it happened."""
    root = event.data.get("with")
    return f" with {root}, which is above you" if root else ""


def _pause(event: Happening) -> str:
    return (
        f"{with_full_stop(f'{event.who} paused you{_together(event)}{event.why}')} You may read, "
        "send messages and report, but not claim tasks, decide about them or write on GitHub. Wait "
        "until the pause ends."
    )


def _end_of_pause(event: Happening) -> str:
    said = with_full_stop(f"{event.who} ended your pause{_together(event)}{event.why}")
    return f"{said} You may work again."


def _removal(event: Happening) -> str:
    ended = with_full_stop(f"{event.who} unregistered you{_together(event)}{event.why}")
    return f"{ended} Call register_agent to come back."


def _asker_of_run(event: Happening) -> list[str | None]:
    return [event.data.get("asked_by")]


def _stop_of_run(event: Happening) -> str:
    asked = with_full_stop(f"{event.who} asked your run to stop{event.why}")
    return (
        f"{asked} Commit what is worth keeping, report with update_agent (`result`, `outcome`), "
        "and exit. GitHub cancels the run soon."
    )


HOW_IT_ENDED = {"succeeded": "succeeded", "failed": "failed", "cancelled": "was cancelled"}


def _end_of_run(event: Happening) -> str:
    how = HOW_IT_ENDED.get(str(event.data.get("state")), "did not start")
    ended = with_full_stop(f"The run {event.data.get('run')} of {event.name} {how}{event.why}")
    return f"{ended} get_agent_result has its result."


def _holder_and_reporter(event: Happening) -> list[str | None]:
    return [event.holder, event.data.get("by")]


WHAT_A_CAP_DOES = {
    "warn": "At 100 % it stops claims, at 120 % the writes for GitHub.",
    "drain": "It stops claims until it is raised{day}. Finish what you hold.",
    "stop": "It stops claims and writes for GitHub until it is raised{day}.",
}


def _spend(event: Happening) -> str:
    data = event.data
    day = "" if data.get("of") == "task" else " or the day ends in UTC"
    then = WHAT_A_CAP_DOES[str(data.get("level"))].format(day=day)
    return (
        f"The reported spend {data.get('whose')} reached {data.get('percent')} % of its cap of "
        f"{data.get('cap')} {data.get('currency')}. {then}"
    )


def _sentence(event: Happening) -> str:
    return str(event.data.get("why"))


def _team(event: Happening) -> Sequence[str]:
    return event.team


def _change_of_plan(event: Happening) -> str:
    by = "" if event.actor == BOT else f" (by {event.who})"
    what = f"{event.name}, which your task is a part of, {event.data.get('what')}{by}{event.why}"
    return f"{with_full_stop(what)} get_plan shows the plan. Ask whether your task is still wanted."


def _team_budget(event: Happening) -> str:
    return (
        f"The budget of {event.name} for itself and all agents below, {event.data.get('limit')}, "
        "is used up. They claim no task and start no run until it is raised. Finish what you hold."
    )


def _agents_asked(event: Happening) -> list[str | None]:
    return list(event.data.get("agents", ()))


def _ask_for_vote(event: Happening) -> str:
    return (
        f"{event.name} is a gate on which you may vote. Read what it is about with get_task, then "
        "call approve_task."
    )


def _approval_of_plan(event: Happening) -> str:
    said = with_full_stop(f"{event.who} approved your plan for {event.name}{event.why}")
    return f"{said} Its steps are tasks now, in the workflow {event.data.get('workflow')}."


def _rejection_of_plan(event: Happening) -> str:
    said = with_full_stop(f"{event.who} rejected your plan for {event.name}{event.why}")
    return f"{said} You keep the task: propose another plan, or do it yourself."


# By the kind of event.
RULES: dict[str, tuple[Rule, ...]] = {
    "task.commented": (Rule("comment", _holder, _comment),),
    "task.reviewed": (
        Rule("changes_requested", _holder, _requested_changes),
        Rule("review", _holder, _other_review),
    ),
    "task.review_requested": (
        Rule("review_request", _addressee, _review_request),
        Rule("reviewer_asked", _holder, _asked_reviewer),
    ),
    "task.checked": (Rule("check_failed", _holder, _failed_check),),
    "task.pull_blocked": (Rule("pull_blocked", _maker_and_holder, _blocked_pull),),
    "task.pull_allowed": (Rule("pull_allowed", _maker_and_holder, _allowed_pull),),
    "task.pushed": (Rule("pushed", _holder, _push),),
    "task.edited": (Rule("edited", _holder, _edit),),
    "task.answered": (Rule("answered", _holder, _answer),),
    "task.held": (Rule("hold", _holder_or_reserved, _hold),),
    "task.resumed": (Rule("hold_ended", _holder_or_reserved, _end_of_hold),),
    "task.assigned": (
        Rule("assigned", _addressee, _reservation),
        Rule("unassigned", _previous_addressee, _other_reservation),
    ),
    "task.unassigned": (Rule("unassigned", _addressee, _end_of_reservation),),
    "task.in_progress": (Rule("sent_back", _holder, _return_to_work),),
    "task.pending": (Rule("retried", _last_holder, _retry),),
    "task.completed": (Rule("completed", _holder, _completion),),
    "task.cancelled": (Rule("lease_lost", _holder, _end),),
    "task.failed": (Rule("lease_lost", _holder, _end),),
    "task.revoked": (Rule("lease_lost", _holder, _revocation),),
    "task.expired": (Rule("lease_lost", _holder, _expiry),),
    "task.vote_asked": (Rule("vote_asked", _agents_asked, _ask_for_vote),),
    "task.plan_approved": (Rule("plan_approved", _holder, _approval_of_plan),),
    "task.plan_rejected": (Rule("plan_rejected", _holder, _rejection_of_plan),),
    "task.plan_changed": (Rule("plan_changed", _team, _change_of_plan),),
    "task.spend": (Rule("spend", _holder_and_reporter, _spend),),
    "agent.spend": (Rule("spend", _itself, _spend),),
    "message.decided": (Rule("consultation", _addressee, _sentence),),
    "agent.deadlocked": (Rule("deadlock", _itself, _sentence),),
    "agent.budget": (Rule("spend", _team, _team_budget),),
    "agent.paused": (Rule("paused", _itself, _pause),),
    "agent.resumed": (Rule("resumed", _itself, _end_of_pause),),
    "agent.run_stopping": (Rule("run_stopping", _itself, _stop_of_run),),
    "agent.run_ended": (Rule("run_ended", _asker_of_run, _end_of_run),),
    "agent.left": (Rule("unregistered", _itself, _removal),),
}
# A notice that says less of the same than another one of its transaction is left out.
COVERED_BY = {"comment": "answered", "sent_back": "changes_requested"}
# Unseen notices about the same subject that a newer one of another kind makes pointless.
REPLACES = {
    "check_failed": ("check_failed",),
    "plan_changed": ("plan_changed",),
    "pull_allowed": ("pull_blocked",),
    "plan_approved": ("plan_rejected",),
    "hold_ended": ("hold",),
    "resumed": ("paused",),
    "assigned": ("unassigned",),
    "unassigned": ("assigned",),
    "lease_lost": ("hold", "hold_ended", "sent_back"),
    "retried": ("completed",),
}
# Those about a task that a claim of it makes pointless.
ENDED_BY_CLAIM = ("lease_lost", "assigned", "unassigned", "retried")


@dataclass(frozen=True)
class Draft:
    """A notice for one agent."""

    agent_id: str
    kind: str
    message: str


def drafts(event: Happening) -> list[Draft]:
    """The notices of an event. Nobody gets a notice of its own act.

    People and agents that GitHub hosts get none.
    """
    found = []
    for rule in RULES.get(event.kind, ()):
        message = rule.words(event)
        readers = {each for each in rule.to(event) if each and _can_read(each)}
        if message is not None:
            cut = shorten(message, LONGEST_OF.get(rule.notice, LONGEST))
            found += [
                Draft(each, rule.notice, cut) for each in readers if each not in (event.actor, BOT)
            ]
    return found


def _can_read(name: str) -> bool:
    return not name.startswith("@") and not is_hosted(name)
