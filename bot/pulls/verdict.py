"""The verdict of Hubbub's check on a pull request: from what is known, one answer. Pure."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from bot.kernel.sentences import code, inline
from bot.pulls.review_verdicts import Approvals
from bot.pulls.workflow_files import WorkflowFile, line_of
from bot.repository.repository_settings import Check, Outcome
from bot.repository.settings_file import PATH

# The name of the check run.
NAME = "Hubbub"
Rule: TypeAlias = Literal[
    "second_pull", "not_holder", "unclaimed", "reserved_paths", "workflow_files", "workflow_tools"
]
RULES: tuple[Rule, ...] = get_args(Rule)
# `waiting`: the changed files are not known yet.
Conclusion: TypeAlias = Literal["failure", "waiting", "neutral", "success"]
# From the worst to the best.
WORST_FIRST: tuple[Conclusion, ...] = get_args(Conclusion)
# Problems that a text names.
MOST_NAMED = 10
# GitHub takes 65,535 characters.
LONGEST = 8_000
# GitHub takes so many in one request.
MOST_ANNOTATIONS = 50


@dataclass(frozen=True)
class TaskOfPull:
    """A task that the pull request is for.

    `is_own`: the task has it as its pull request. `other_pull`: another one came before it.
    """

    number: int
    is_own: bool = False
    holder: str | None = None
    other_pull: int | None = None
    # How the task ended, if it has.
    ended: str | None = None


@dataclass(frozen=True)
class Reservation:
    """Paths that the pull request changes, and that the claim of another task reserved."""

    task: int | None
    holder: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Override:
    """A person decided that these rules do not matter here."""

    by: str
    note: str
    rules: frozenset[str]


@dataclass(frozen=True)
class Facts:
    """What is known of an open pull request. `maker`: an agent's id, or a person's @login.

    `reservations` None: they depend on the changed files, which are not known yet.
    """

    number: int
    maker: str
    tasks: tuple[TaskOfPull, ...] = ()
    reservations: tuple[Reservation, ...] | None = ()
    override: Override | None = None
    workflow_files: tuple[WorkflowFile, ...] = ()
    # None if the settings ask for none.
    approvals: Approvals | None = None


@dataclass(frozen=True)
class Annotation:
    """What GitHub shows beside a line of a changed file."""

    path: str
    line: int
    text: str
    is_failure: bool = False


@dataclass(frozen=True)
class Problem:
    rule: Rule
    title: str
    text: str
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What the check run shows. `failing`: the rules because of which it fails."""

    conclusion: Conclusion
    title: str
    summary: str
    failing: tuple[Rule, ...] = ()
    annotations: tuple[Annotation, ...] = ()

    @property
    def digest(self) -> str:
        text = f"{self.conclusion}\n{self.title}\n{self.summary}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def verdict(facts: Facts, settings: Check) -> Verdict:
    """The verdict on one pull request."""
    found = [each for each in problems(facts) if _outcome(settings, each.rule) != "ignore"]
    waived = facts.override.rules if facts.override else frozenset[str]()
    standing = [each for each in found if each.rule not in waived]
    failing = [each for each in standing if _outcome(settings, each.rule) == "fail"]
    if failing:
        return _failure(failing, standing)
    if waiting := _waiting(facts, settings, standing):
        return waiting
    if standing:
        return Verdict(
            "neutral", _title(standing), _list(standing), annotations=_annotations(standing)
        )
    if found and facts.override:
        return _overridden(facts.override, found)
    return _success(facts)


def _waiting(facts: Facts, settings: Check, standing: Sequence[Problem]) -> Verdict | None:
    """None if the check waits for nothing."""
    if facts.reservations is None and settings.reserved_paths != "ignore":
        return WAITING
    if settings.workflow_files != "ignore" and _are_unread(facts):
        return READING_WORKFLOWS
    if facts.approvals is not None and facts.approvals.missing and _is_wanted(facts):
        return _wait_for_approvals(facts.approvals, standing)
    return None


def problems(facts: Facts) -> list[Problem]:
    """All that the rules find, whatever the settings make of it."""
    live = [each for each in facts.tasks if each.ended is None]
    found = [rule(facts, each) for each in live for rule in TASK_RULES]
    reserved = [_reserved_paths(each) for each in facts.reservations or ()]
    workflows = [_wrong_file(each) for each in facts.workflow_files]
    tools = [_absent_tools(each) for each in facts.workflow_files]
    return [each for each in (*found, *reserved, *workflows, *tools) if each is not None]


def _are_unread(facts: Facts) -> bool:
    return any(each.problems is None for each in facts.workflow_files)


def _is_wanted(facts: Facts) -> bool:
    """Whether it is for no task, or for one that has not ended."""
    return not facts.tasks or any(each.ended is None for each in facts.tasks)


def _wait_for_approvals(found: Approvals, standing: Sequence[Problem]) -> Verdict:
    """The check runs until enough agents have approved, so that a required check waits too."""
    text = (
        f"{found.agents} of {found.needed} agents approved the present head. The check passes when "
        f"{found.missing} more approve{'s' if found.missing == 1 else ''} it, or a person does."
    )
    more = f"\n\n{_list(list(standing))}" if standing else ""
    title = f"{found.agents} of {found.needed} agents approved"
    return Verdict("waiting", title, f"{text}{more}"[:LONGEST], annotations=_annotations(standing))


def _outcome(settings: Check, rule: Rule) -> Outcome:
    found: Outcome = getattr(settings, rule)
    return found


def is_same(one: str, other: str) -> bool:
    """Whether two names are those of one agent or person. GitHub's logins have no letter case."""
    return one.casefold() == other.casefold()


def _second_pull(_: Facts, task: TaskOfPull) -> Problem | None:
    if task.other_pull is None:
        return None
    title = f"#{task.number} has the open pull request #{task.other_pull} already"
    text = f"{title}. A task has one at a time: close one of the two."
    return Problem("second_pull", title, text)


def _not_holder(facts: Facts, task: TaskOfPull) -> Problem | None:
    if task.is_own or task.holder is None or is_same(task.holder, facts.maker):
        return None
    return Problem(
        "not_holder",
        f"{task.holder} holds #{task.number}",
        f"{code(task.holder)} holds #{task.number}, and {code(facts.maker)} opened this pull "
        f"request. Close it, or let {code(facts.maker)} take the task: `/release` on "
        f"#{task.number} takes it from its holder.",
    )


def _no_holder(_: Facts, task: TaskOfPull) -> Problem | None:
    if task.is_own or task.holder is not None:
        return None
    title = f"Nobody holds #{task.number}"
    text = f"{title}. Claim it, so that nobody else does the same: people with `/claim` on it."
    return Problem("unclaimed", title, text)


def _reserved_paths(found: Reservation) -> Problem:
    task = f"#{found.task}" if found.task else "a new task"
    paths = ", ".join(map(code, found.paths[:MOST_NAMED]))
    frees = f" Somebody with write access can end the claim: `/release` on {task}."
    return Problem(
        "reserved_paths",
        f"It changes paths that {found.holder} reserved for {task}",
        f"{code(found.holder)} reserved paths for {task} that this pull request changes: {paths}. "
        f"{code(found.holder)} frees them by claiming {task} again with other `paths`, or by "
        f"ending its claim.{frees if found.task else ''}",
    )


def _wrong_file(found: WorkflowFile) -> Problem | None:
    if not found.problems:
        return None
    shown = "\n".join(f"  - {code(each)}" for each in found.problems)
    name = found.path.rpartition("/")[2]
    kind = "settings" if found.path == PATH else "workflow"
    article = "the" if found.path == PATH else "a"
    return Problem(
        "workflow_files",
        f"{name} is no valid {kind} file",
        f"{code(found.path)} cannot be used as {article} {kind} file:\n{shown}",
        tuple(Annotation(found.path, *line_of(each)) for each in found.problems),
    )


def _absent_tools(found: WorkflowFile) -> Problem | None:
    if found.problems or not found.tool_problems:
        return None
    shown = "\n".join(f"  - {code(each)}" for each in found.tool_problems[:MOST_NAMED])
    left_out = len(found.tool_problems) - MOST_NAMED
    more = f"\n  - and {left_out} more" if left_out > 0 else ""
    return Problem(
        "workflow_tools",
        f"{found.path.rpartition('/')[2]} calls tools that cannot be called so now",
        f"{code(found.path)} is valid, but its tools could not be called so now:\n{shown}{more}\n\n"
        "A server may be mounted, and a tool accepted, after the merge. Re-run the check to look "
        "again.",
        tuple(Annotation(found.path, *line_of(each)) for each in found.tool_problems),
    )


TASK_RULES: Sequence[Callable[[Facts, TaskOfPull], Problem | None]] = (
    _second_pull,
    _not_holder,
    _no_holder,
)
WAITING = Verdict(
    "waiting",
    "Reading the changed files",
    "Others reserved paths here, so Hubbub reads first which files this pull request changes.",
)
READING_WORKFLOWS = Verdict(
    "waiting",
    "Reading the workflow files",
    "Hubbub reads the workflow files that this pull request changes.",
)
HOW_TO_OVERRIDE = (
    "Somebody who may write here can let it pass: a comment on this pull request with "
    "`/override` and the reason."
)


def _failure(failing: list[Problem], standing: list[Problem]) -> Verdict:
    summary = f"{_list(standing)}\n\n{HOW_TO_OVERRIDE}"
    rules = dict.fromkeys(each.rule for each in failing)
    notes = _annotations(standing, rules)
    return Verdict("failure", _title(failing), summary[:LONGEST], tuple(rules), notes)


def _annotations(
    found: Sequence[Problem], failing: Collection[Rule] = ()
) -> tuple[Annotation, ...]:
    """Those because of which it fails first."""
    notes = [
        replace(one, is_failure=each.rule in failing) for each in found for one in each.annotations
    ]
    return tuple(sorted(notes, key=lambda each: not each.is_failure))[:MOST_ANNOTATIONS]


def _title(found: list[Problem]) -> str:
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0].title}{more}"


def _list(found: list[Problem]) -> str:
    shown = found[:MOST_NAMED]
    return shown[0].text if len(shown) == 1 else "\n".join(f"- {each.text}" for each in shown)


def _overridden(override: Override, found: list[Problem]) -> Verdict:
    why = f" Reason: {inline(override.note)}." if override.note else ""
    summary = f"{code(override.by)} let it pass.{why}\n\n{_list(found)}"
    return Verdict("success", f"Overridden by {override.by}", summary[:LONGEST])


def _success(facts: Facts) -> Verdict:
    own = [each for each in facts.tasks if each.is_own]
    live = [each for each in facts.tasks if each.ended is None]
    if facts.workflow_files and not facts.tasks:
        names = ", ".join(code(each.path) for each in facts.workflow_files[:MOST_NAMED])
        is_mixed = any(each.path == PATH for each in facts.workflow_files)
        which = "files for Hubbub" if is_mixed else "workflow files"
        return Verdict("success", f"The {which} are valid", f"{names}: valid.")
    if not facts.tasks:
        return Verdict("success", "It is for no task", "This pull request is for no task.")
    if not live:
        first = facts.tasks[0]
        return Verdict(
            "success",
            f"#{first.number} is {first.ended}",
            f"Its task #{first.number} is {first.ended}, so nobody else works on it.",
        )
    names = ", ".join(f"#{each.number}" for each in (own or live)[:MOST_NAMED])
    if not own:
        return Verdict(
            "success",
            f"The first one for {names}",
            f"Nobody else has a pull request for {names}, or reserved what this one changes.",
        )
    return Verdict(
        "success",
        f"The pull request of {names}",
        f"This is the one open pull request of {names}, and no other claim reserved its paths.",
    )


def of_several(found: Sequence[tuple[int, Verdict]]) -> Verdict:
    """The verdict on a commit that is the head of several pull requests: the worst of them.

    GitHub shows a check on the commit, so they cannot have one each.
    """
    if len(found) == 1:
        return found[0][1]
    worst = min((each for _, each in found), key=lambda each: WORST_FIRST.index(each.conclusion))
    parts = [f"#{number}: {each.summary}" for number, each in found]
    failing = dict.fromkeys(rule for _, each in found for rule in each.failing)
    marks = dict.fromkeys(one for _, each in found for one in each.annotations)
    return Verdict(
        worst.conclusion,
        worst.title,
        "\n\n".join(parts)[:LONGEST],
        tuple(failing),
        tuple(marks)[:MOST_ANNOTATIONS],
    )
