"""Every sentence that Hubbub writes on GitHub, but for those of the card."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.comments import cleaning
from bot.kernel.operation import Slash
from bot.kernel.sentences import code, inline
from bot.repository.repository_settings import Permission, allows
from bot.times import minute

STATE_WORDS = {
    "blocked": "waiting for other issues",
    "pending": "waiting for an agent",
    "assigned": "reserved",
    "in_progress": "in progress",
    "in_review": "in review",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


def lease_end(expires_at: int | None) -> str:
    """People read a comment much later, so it has an absolute time."""
    return f" The lease ends at {minute(expires_at)} unless renewed." if expires_at else ""


# Agents share one GitHub account, and GitHub does not let an account review its own pull requests.
VERDICTS = {"APPROVE": "**Approved.**", "REQUEST_CHANGES": "**Changes requested.**"}


def block_quote(text: str) -> str:
    """Somebody's words inside a comment by Hubbub, without mentions and secrets."""
    return quote(cleaning.message(text).text)


def quote(text: str) -> str:
    """The first lines of a text. A slash command in a quote does not run."""
    return "\n".join(f"> {line}" for line in text[:2000].splitlines())


def with_author(body: str, author: str) -> str:
    """An agent's text, with its author, because all agents share one GitHub account.

    The author stands first, so that nothing in the text can hide it.
    """
    return f"<sub>{code(author)} via Hubbub</sub>\n\n{body}"


def first_words(question: str) -> str:
    """The first lines of a person's question, as an answer quotes them."""
    words = question.strip()
    return words if len(words) <= LONGEST_ASKED else f"{words[:LONGEST_ASKED].rstrip()}…"


LONGEST_ASKED = 300


def answer(asker: str, asked: str, text: str) -> str:
    """An agent's answer to the question that a person asked it. `asker`: with the @."""
    return f"{asker}, to your question:\n\n{block_quote(asked)}\n\n{text}"


def with_short_names(text: str, full_name: str) -> str:
    """Issues of this repository as `#12`, as people write them there."""
    return re.sub(rf"(?<![\w./-]){re.escape(full_name)}(?=#\d)", "", text, flags=re.IGNORECASE)


@dataclass(frozen=True)
class Status:
    """What `/status` shows."""

    state: str
    priority: str
    holder: str | None = None
    expires_at: int | None = None
    reserved_for: str | None = None
    held_by: str | None = None
    held_why: str | None = None
    blocked_by: Sequence[str] = ()
    progress: int = 0
    pull_number: int | None = None
    question: str | None = None
    note: str | None = None


def task_status(shown: Status) -> str:
    first = f"This task is **{STATE_WORDS[shown.state]}**. Its priority is {shown.priority}."
    if shown.holder:
        first += f" It is claimed by {code(shown.holder)}.{lease_end(shown.expires_at)}"
    if shown.reserved_for:
        first += f" It is reserved for {code(shown.reserved_for)}."
    parts = [first]
    if shown.held_by:
        why = f": {inline(shown.held_why)}" if shown.held_why else ""
        parts.append(f"**On hold** by {code(shown.held_by)}{why}. `/resume` ends the hold.")
    if shown.blocked_by:
        parts.append(f"It waits for {', '.join(shown.blocked_by)}.")
    if shown.progress:
        parts.append(f"Progress: {shown.progress}%.")
    if shown.pull_number:
        parts.append(f"Pull request: #{shown.pull_number}.")
    if shown.question:
        parts.append("The holder waits for an answer:\n\n" + block_quote(shown.question))
    if shown.note:
        parts.append("Last note:\n\n" + block_quote(shown.note))
    return "\n\n".join(parts)


HELP = Slash("help", "list the commands that you may write here, or explain one", ("command",))


def help_text(slashes: Sequence[Slash], permission: str, about: str | None) -> str:
    """The commands that a person may write in a place.

    `about`: why there are few of them, because the place has no task.
    """
    rows = [f"| {code(usage(each))} | {each.help} |" for each in (*slashes, HELP)]
    where = "at the start of a line, in an issue, a pull request or a comment"
    return "\n".join(
        [
            *([about, ""] if about else []),
            f"Write a command {where}. `<word>` must be there, `[word]` may.",
            "",
            "| command | what it does |",
            "|---|---|",
            *rows,
            "",
            (
                f"These are the commands that you may use here now, with the permission "
                f"{permission} on this repository. `/help hold` explains one command."
            ),
        ]
    )


def without_task(*, is_pull: bool, label: str) -> str:
    """Why most commands are missing from a list."""
    if is_pull:
        return (
            "This pull request belongs to no task, or the holder of its task did not open it. "
            "Write commands about a task on the task's issue."
        )
    return f"This issue is not a task. Add the label {code(label)} to make it one."


def help_of(slash: Slash, needed: Permission | None, permission: str, *, fits: bool) -> str:
    """What one command does, and whether the person who asks can use it here now."""
    if needed is None or allows(permission, needed):
        now = (
            "You can use it here now."
            if fits
            else "You have the permission for it, but as things are here it would change nothing."
        )
    else:
        now = f"You cannot use it, because you have the permission {permission}."
    need = f"It needs the permission {needed}." if needed else "Everybody may use it."
    return f"{code(usage(slash))}: {slash.help}.\n\n{need} {now}"


def usage(slash: Slash) -> str:
    first, *more = [*slash.arguments] or [""]
    words = [f"<{slash.shown or first}>" if slash.required else f"[{slash.shown or first}]"]
    if slash.rest:
        more[-1] = slash.rest
    words += [f"[{each}]" for each in more]
    return " ".join([f"/{slash.verb}", *(words if first else [])])


def refusal(asker: str, text: str, why: str) -> str:
    return f"@{asker}, Hubbub did not run {code(text[:200])}: {why}"


def unknown_command(asker: str, text: str, meant: str | None) -> str:
    question = f" Did you mean `/{meant}`?" if meant else ""
    why = f"there is no such command.{question} `/help` lists the commands."
    return refusal(asker, text, why)


def too_many_commands(asker: str, found: int, most: int) -> str:
    return (
        f"@{asker}, this comment has {found} commands, and a comment may have at most {most}. "
        "Hubbub ran none of them. Split them over several comments."
    )


def no_permission(asker: str, text: str) -> str:
    return refusal(
        asker,
        text,
        "you have no permission on this repository. Ask somebody with write access to do it.",
    )


def permission_unknown(asker: str, text: str) -> str:
    return refusal(
        asker,
        text,
        "GitHub did not tell Hubbub your permission on this repository in time. Write the command "
        "again.",
    )


def login_changed(asker: str, text: str) -> str:
    return refusal(
        asker,
        text,
        "another person has the login of its author by now. Write the command again under your new "
        "login.",
    )


def overtaken(asker: str, text: str, later: str) -> str:
    return refusal(
        asker,
        text,
        f"it reached Hubbub late, and {code(later[:200])}, which was written after it, has run. "
        "Write the command again if you still want it.",
    )


def outdated_card(asker: str, text: str) -> str:
    """For a tick on a card that shows something else by now."""
    why = (
        "the task or its card had changed before the tick. Read it again, and tick again if you "
        "still want it."
    )
    return refusal(asker, text, why)


def failure(asker: str, text: str) -> str:
    return refusal(
        asker, text, "Hubbub failed several times, and logged why. Tell the person who runs it."
    )


SETTINGS_ISSUE = "`.github/hubbub.yml` cannot be read"
# The characters that GitHub allows in a person's login.
LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def settings_problems(committer: str, problems: Iterable[str]) -> str:
    """The body of the issue. `committer` is a login, or empty when it is unknown."""
    to, whose = (f"@{committer}, ", "your") if LOGIN.fullmatch(committer) else ("", "the")
    found = "\n".join(f"- {code(each)}" for each in problems)
    return (
        f"{to}Hubbub did not apply {whose} last change to `.github/hubbub.yml`:\n\n{found}\n\n"
        "The last valid settings stay in force, or the defaults if there were none. The page "
        "*Repository settings* of Hubbub's documentation (`docs/reference/repository-settings.md`) "
        "describes each setting. Correct the file on the default branch, then close this issue."
    )


WORKFLOWS_ISSUE = "Workflow files of Hubbub cannot be used"
# Files whose problems one issue lists.
MOST_FILES = 10


def workflow_problems(committer: str, found: Mapping[str, Iterable[str]]) -> str:
    """The body of the issue: the problems by the path of the file."""
    to = f"@{committer}, " if LOGIN.fullmatch(committer) else ""
    shown = "\n".join(
        f"- {code(path)}\n" + "\n".join(f"  - {code(each)}" for each in problems)
        for path, problems in list(found.items())[:MOST_FILES]
    )
    more = len(found) - MOST_FILES
    rest = f"\n- and {more} more files" if more > 0 else ""
    return (
        f"{to}Hubbub cannot use the last version of these workflow files:\n\n{shown}{rest}\n\n"
        "The last valid version of each file stays in use, if there was one. The page *Workflows* "
        "of Hubbub's documentation (`docs/reference/workflows.md`) describes each key. Correct "
        "the files on the default branch, then close this issue."
    )


BOARD_ISSUE = "Hubbub cannot use the project board"
BOARD_OF_USER = (
    "The repository belongs to a person, and GitHub gives Apps no access to projects of people and "
    "sends no events about them. Use a project of an organization."
)


def board_problem(project: int, problem: str) -> str:
    return (
        f"The tasks of this repository are not shown on project {project} at the moment, and moves "
        f"of its items change nothing. {problem}\n\nHubbub looks again every few hours, and "
        "when `.github/hubbub.yml` changes. Close this issue when the board is right."
    )


def moved_back(asker: str, status: str, why: str) -> str:
    to = f" to {code(status)}" if status else ""
    return f"@{asker}: moved back{to} on the board: {why}"


def board_conflict(other: str, times: int) -> str:
    return (
        f"{code(other)} moves this item on the board against the state of the task. Hubbub moved "
        f"it back {times} times, and does not do so again today."
    )


def question_comment(question: str, people: Sequence[str] = ()) -> str:
    """A holder's question, which mentions the people who should answer.

    It may also mention others whom the task knows.
    """
    to = f" for {_in_words([f'@{each}' for each in people])}" if people else ""
    return (
        f"**Question{to}.** The agent is waiting. It continues when somebody answers here.\n\n"
        f"{quote(question)}"
    )


def _in_words(names: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def orphaned_pull(issue_number: int) -> str:
    """For the open pull request of a cancelled task."""
    return (
        f"The task of this pull request, #{issue_number}, was cancelled. Close it, or comment "
        f"`/retry` on #{issue_number}."
    )


def plan_line(
    issue: str, title: str, state: str, *, holder: str | None, more: str, pull_number: int | None
) -> str:
    """One issue of a plan."""
    named = f" {inline(title)}" if title else ""
    who = f", {code(holder)}" if holder else ""
    pull = f", pull request #{pull_number}" if pull_number else ""
    return f"{issue}{named}: {state}{who}{pull}{more}"


def plan_waits(steps: int) -> str:
    return f"A plan of {steps} steps waits for `/approve` or `/reject`: the card here shows it."


def plan_list(
    lines: Sequence[tuple[int, str]], ready: Sequence[str], done: int, total: int, *, more: bool
) -> str:
    """The sub-issues of a task, each with its level, in their order."""
    if not lines:
        return "This task has no sub-issues. A plan is a task with sub-issues on GitHub."
    first = f"**{done} of {total} done.**"
    first += f" Ready to be claimed: {', '.join(ready)}." if ready else " Nothing is ready now."
    rows = [f"{'  ' * (level - 1)}- {line}" for level, line in lines]
    rest = ["", f"There are more sub-issues than these {len(lines)}."] if more else []
    return "\n".join([first, "", *rows, *rest])


class UsedMoney(Protocol):
    @property
    def cost(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cached_tokens(self) -> int: ...


def money(used: Sequence[UsedMoney]) -> str:
    """What agents reported, one amount for each currency."""
    return "; ".join(
        f"{each.cost} {each.currency}, "
        f"{each.input_tokens + each.output_tokens + each.cached_tokens:,} tokens"
        for each in used
    )


def spend_table(agents: Sequence[tuple[str, int, int, str]], total: str, own_writes: int) -> str:
    """Of each agent its calls, its writes and the money that it reported."""
    own = f"{own_writes} write{'' if own_writes == 1 else 's'}"
    if not agents:
        return f"No agent has worked on this task. Hubbub itself sent {own} for it."
    rows = [f"| {code(who)} | {calls} | {n} | {used} |" for who, calls, n, used in agents]
    reported = f"Reported in all: {total}." if total else "No agent has reported what it spent."
    explained = (
        f"Hubbub itself sent {own} for this task, such as its card. Calls that only read are not "
        "counted, and Hubbub cannot check what agents report."
    )
    head = ["| agent | calls | writes on GitHub | reported |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, "", f"{reported} {explained}"])


MOST_AGENTS_SHOWN = 50


def agent_table(found: Sequence[tuple[str, str, Sequence[str]]], *, more: bool) -> str:
    """Each agent with its status, and those of its tasks that may be named here."""
    if not found:
        return "No agent has registered yet."
    rows = [
        f"| {code(name)} | {status} | {', '.join(code(each) for each in holds)} |"
        for name, status, holds in found[:MOST_AGENTS_SHOWN]
    ]
    left_out = more or len(found) > MOST_AGENTS_SHOWN
    rest = (
        ["", f"These are the first {MOST_AGENTS_SHOWN}; there are more agents."] if left_out else []
    )
    return "\n".join(["| agent | status | claimed tasks |", "|---|---|---|", *rows, *rest])


def run_started(run_id: str, template: str, model: str, place: int | None) -> str:
    """The answer to `/assign` with a template. `place`: in the queue."""
    with_model = f" with {code(model)}" if model else ""
    what = f"{code(template)}{with_model}: run {code(run_id)}"
    if place is None:
        return f"Hubbub is starting {what} in GitHub Actions."
    return (
        f"Hubbub will start {what} in GitHub Actions when there is a place: it is number {place} "
        "in the queue. `/assign` without a name stops it."
    )


def invitation(agent: str, role: str, page: str | None) -> str:
    """How the person who invites an agent gets the code, which no comment may show."""
    invited = f"{code(agent)} is invited as {role}, for this repository."
    if page:
        return f"{invited} [Get the code]({page}) within an hour: only you can see it."
    how = code("hubbub token invite --help")
    return (
        f"{invited} People cannot log in to this server yet, so it cannot show you the code. The "
        f"operator of the server can make one: see {how}."
    )
