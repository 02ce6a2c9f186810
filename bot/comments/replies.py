"""Every sentence that Hubbub writes on GitHub."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bot.kernel.operation import Operation, Slash
from bot.tasks.path_overlap import Overlap
from bot.times import minute
from store.messages.messages import CardMessage
from store.tasks.tasks import FullTask

AT = re.compile(r"@(?=\w)")
STATE_WORDS = {
    "pending": "waiting for an agent",
    "assigned": "reserved",
    "in_progress": "in progress",
    "in_review": "in review",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


def code(text: str) -> str:
    """Inline code, in which GitHub sees no mention and Hubbub no command."""
    return f"`{text.replace('`', chr(0x2BC)).strip()}`"


@dataclass(frozen=True)
class CardContext:
    """What a card shows that is not in the task's own row."""

    blockers: Sequence[str] = ()
    done: int = 0
    total: int = 0
    overlaps: Sequence[Overlap] = ()
    # Only the messages whose sender wants people to see them.
    messages: Sequence[CardMessage] = ()


# GitHub accepts 65,536 characters; the marker that Hubbub adds must fit too.
LONGEST_CARD = 60_000
LONGEST_PATH = 200


def card(task: FullTask, context: CardContext) -> str:
    """The one comment that shows people the state of a task; Hubbub edits it in place."""
    lines = [f"**Hubbub** · {STATE_WORDS[task['state']]}", *_ownership(task)]
    if context.blockers:
        lines.append(f"Blocked by {', '.join(context.blockers[:10])}.")
    if context.total:
        lines.append(f"Sub-issues: {context.done} of {context.total} done.")
    if task["pull_number"]:
        lines.append(f"Pull request: #{task['pull_number']}.")
    if task["progress"]:
        lines.append(f"Progress: {task['progress']}%.")
    if task["loop_between"]:
        two = " and ".join(code(each) for each in task["loop_between"].split(" and "))
        lines.append(
            f"Hubbub stopped comments by {two} here, because they only answered each other. "
            "A comment by anybody else lets them continue."
        )
    if task["question"]:
        lines.append("The holder has a question, and waits for an answer in a comment here:")
        lines.append(block_quote(task["question"]))
    if task["note"]:
        lines.append(block_quote(task["note"]))
    lines += [_overlap(each) for each in context.overlaps]
    lines += [
        f"{code(each['sender'])} to {code(each['recipient'])}:\n\n{block_quote(each['body'])}"
        for each in context.messages
    ]
    return _within_limit(lines)


def _within_limit(lines: list[str]) -> str:
    """The lines as one comment. A line that would make it too long for GitHub is left out."""
    kept: list[str] = []
    for each in lines:
        if sum(map(len, kept)) + 2 * len(kept) + len(each) <= LONGEST_CARD:
            kept.append(each)
    return "\n\n".join(kept)


def _ownership(task: FullTask) -> list[str]:
    """Who put the task on hold, who has claimed it, and for whom it is reserved."""
    lines = []
    if task["held"]:
        why = f": {_inline(task['held_why'])}" if task["held_why"] else ""
        by = code(task["held_by"] or "somebody")
        lines.append(f"**On hold** by {by}{why}. `/resume` ends the hold.")
    if task["holder"]:
        lines.append(f"Claimed by {code(task['holder'])}.{_lease_end(task['expires_at'])}")
    elif task["assigned_to"]:
        lines.append(f"Reserved for {code(task['assigned_to'])}.")
    elif task["state"] == "pending" and not task["held"]:
        lines.append("Any agent can claim this task. `/claim` claims it for you.")
    if task["stuck_at"] and not task["held"]:
        n = task["failures"]
        lines.append(f"{n} leases on it expired or failed. `/retry` gives it to agents again.")
    if task["decision"] and not task["holder"]:
        lines.append(f"Last decision: {_inline(task['decision'])}.")
    return lines


def _lease_end(expires_at: int | None) -> str:
    """People read a comment much later, so it has an absolute time."""
    return f" The lease ends at {minute(expires_at)} unless renewed." if expires_at else ""


def _overlap(found: Overlap) -> str:
    if found.task is None:
        other = f"Pull request #{found.pull_request}"
    else:
        other = f"{code(found.holder or '')} on #{found.task.rpartition('#')[2]}"
    paths = ", ".join(code(each[:LONGEST_PATH]) for each in found.paths)
    return f"{other} touches the same paths: {paths}."


# Agents share one GitHub account, and GitHub does not let an account review its own pull requests.
VERDICTS = {"APPROVE": "**Approved.**", "REQUEST_CHANGES": "**Changes requested.**"}


def block_quote(text: str) -> str:
    """An agent's words inside a comment by Hubbub. A slash command in a quote does not run."""
    return "\n".join(f"> {line}" for line in without_mentions(text[:2000]).splitlines())


def without_mentions(text: str) -> str:
    """A word joiner after each `@` keeps GitHub from notifying the people and teams named."""
    return AT.sub("@\u2060", text)


def _inline(text: str) -> str:
    """Somebody's words inside a sentence by Hubbub, which has its own full stop."""
    return code(" ".join(text.split())[:300].removesuffix("."))


def with_author(body: str, author: str) -> str:
    """An agent's text, with its author, because all agents share one GitHub account.

    The author stands first, so that nothing in the text can hide it.
    """
    return f"<sub>{code(author)} via Hubbub</sub>\n\n{body}"


def task_status(
    *,
    state: str,
    holder: str | None,
    expires_at: int | None,
    progress: int,
    pull_number: int | None,
    note: str | None,
) -> str:
    first = f"This task is **{STATE_WORDS[state]}**."
    if holder:
        first += f" It is claimed by {code(holder)}.{_lease_end(expires_at)}"
    parts = [first]
    if progress:
        parts.append(f"Progress: {progress}%.")
    if pull_number:
        parts.append(f"Pull request: #{pull_number}.")
    if note:
        parts.append("Last note:\n\n" + block_quote(note))
    return "\n\n".join(parts)


def help_text(operations: Iterable[Operation], needed: Callable[[str], str]) -> str:
    """The table of commands. `needed` gives the permission that a verb takes."""
    rows = [
        f"| {code(usage(slash))} | {slash.help} | {needed(slash.verb)} |"
        for each in operations
        for slash in each.slashes
    ]
    rows.append("| `/help` | list the commands | everybody |")
    return "\n".join(
        [
            "Write a command at the start of a line, in an issue, a pull request or a comment.",
            "",
            "| command | what it does | minimum permission |",
            "|---|---|---|",
            *rows,
            "",
            "The minimum permission is the one that you need on this repository.",
        ]
    )


def usage(slash: Slash) -> str:
    if slash.shown:
        return f"/{slash.verb} {slash.shown}"
    return " ".join([f"/{slash.verb}", *(f"[{name}]" for name in slash.arguments)])


def refusal(asker: str, text: str, why: str) -> str:
    return f"@{asker}, Hubbub did not run {code(text[:200])}: {why}"


def confirmation(asker: str, text: str) -> str:
    """For a command in a place where no reaction can confirm it."""
    return f"@{asker}, Hubbub ran {code(text[:200])}."


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


def question_comment(question: str) -> str:
    """A holder's question to people."""
    return (
        "**Question.** The agent is waiting. It continues when somebody answers here.\n\n"
        f"{block_quote(question)}"
    )


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
