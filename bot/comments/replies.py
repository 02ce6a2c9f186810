"""Every sentence that the bot says on GitHub."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.kernel.operation import Operation, Slash
from bot.tasks.path_overlap import Overlap
from store.engine.transaction import Row
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
    """As inline code, so that it neither mentions anybody nor is a command."""
    return f"`{text.replace('`', chr(0x2BC)).strip()}`"


def who(name: str) -> str:
    """A person without a ping, an agent by its id."""
    return code(name)


def clock(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True)
class Beside:
    """What a card tells beside the task's own row; `messages`: those meant for people too."""

    blockers: Sequence[str] = ()
    done: int = 0
    total: int = 0
    overlaps: Sequence[Overlap] = ()
    messages: Sequence[Row] = ()


# GitHub takes 65,536 characters, with the mark that we add.
LONGEST_CARD = 60_000
LONGEST_PATH = 200


def card(task: FullTask, beside: Beside) -> str:
    """What people see of a task: one comment, edited in place."""
    lines = [f"**Hubbub** · {STATE_WORDS[task['state']]}", *_whose(task)]
    if beside.blockers:
        lines.append(f"Waits for {', '.join(beside.blockers[:10])}.")
    if beside.total:
        lines.append(f"Sub-issues: {beside.done} of {beside.total} done.")
    if task["pull_number"]:
        lines.append(f"Pull request: #{task['pull_number']}.")
    if task["progress"]:
        lines.append(f"Progress: {task['progress']} %.")
    if task["loop_between"]:
        two = " and ".join(who(each) for each in task["loop_between"].split(" and "))
        lines.append(
            f"{two} only answered each other here and were stopped; a comment of anybody else "
            "lets them go on."
        )
    if task["question"]:
        lines.append("Its holder asks, and waits for an answer in a comment here:")
        lines.append(quoted(task["question"]))
    if task["note"]:
        lines.append(quoted(task["note"]))
    lines += [_overlap(each) for each in beside.overlaps]
    for each in beside.messages:
        lines.append(
            f"{who(each['sender'])} to {who(each['recipient'])}:\n\n{quoted(each['body'])}"
        )
    return _fitting(lines)


def _fitting(lines: list[str]) -> str:
    """GitHub takes no longer comment: what does not fit is left out."""
    kept: list[str] = []
    for each in lines:
        if sum(map(len, kept)) + 2 * len(kept) + len(each) <= LONGEST_CARD:
            kept.append(each)
    return "\n\n".join(kept)


def _whose(task: FullTask) -> list[str]:
    lines = []
    if task["held"]:
        why = f": {_calm(task['held_why'])}" if task["held_why"] else ""
        by = who(task["held_by"] or "somebody")
        lines.append(f"**On hold** by {by}{why}. `/resume` ends the hold.")
    if task["holder"]:
        until = f", until {clock(task['expires_at'])} unless renewed" if task["expires_at"] else ""
        lines.append(f"Held by {who(task['holder'])}{until}.")
    elif task["assigned_to"]:
        lines.append(f"Reserved for {who(task['assigned_to'])}.")
    elif task["state"] == "pending" and not task["held"]:
        lines.append("Any agent may claim it; `/claim` takes it yourself.")
    if task["decision"] and not task["holder"]:
        lines.append(f"Last decided: {_calm(task['decision'])}.")
    return lines


def _overlap(found: Overlap) -> str:
    if found.task is None:
        whose = f"Pull request #{found.pull_request}"
    else:
        whose = f"{who(found.holder or '')} on #{found.task.rpartition('#')[2]}"
    paths = ", ".join(code(each[:LONGEST_PATH]) for each in found.paths)
    return f"{whose} touches the same paths: {paths}."


# An agent's verdict on a pull request of agents: GitHub takes none on one's own.
VERDICTS = {"APPROVE": "**Approved.**", "REQUEST_CHANGES": "**Changes requested.**"}


def quoted(text: str) -> str:
    """An agent's words inside of ours: a quote runs no command."""
    return "\n".join(f"> {line}" for line in _at_nobody(text[:2000]).splitlines())


def _at_nobody(text: str) -> str:
    """With a joiner nobody is called by an `@`."""
    return AT.sub("@\u2060", text)


def _calm(text: str) -> str:
    """Somebody's words within a line of ours."""
    return code(" ".join(text.split())[:300])


def signed(body: str, author: str) -> str:
    """An agent's text says which agent wrote it: they all share one GitHub account.

    First of all, so that nothing in the text can hide it.
    """
    return f"<sub>{code(author)} via Hubbub</sub>\n\n{body}"


def task_status(
    *,
    task_id: str,
    state: str,
    holder: str | None,
    until: str | None,
    progress: int,
    pull_number: int | None,
    note: str | None,
) -> str:
    first = f"Task {code(task_id)} is **{STATE_WORDS[state]}**"
    if holder:
        first += f", held by {who(holder)}"
        first += f", until {until} unless renewed" if until else ""
    parts = [first + "."]
    if progress:
        parts.append(f"Progress: {progress} %.")
    if pull_number:
        parts.append(f"Its pull request is #{pull_number}.")
    if note:
        parts.append("The last note:\n\n" + quoted(note))
    return "\n\n".join(parts)


def help_text(operations: Iterable[Operation], needed: Callable[[str], str]) -> str:
    """`needed`: the permission that a verb takes."""
    rows = [
        f"| {code(usage(slash))} | {slash.help} | {needed(slash.verb)} |"
        for each in operations
        for slash in each.slashes
    ]
    rows.append("| `/help` | this list | everybody |")
    return "\n".join(
        [
            "Write a command at the start of a line, in a comment on an issue or pull request.",
            "",
            "| command | what it does | from which permission on |",
            "|---|---|---|",
            *rows,
            "",
            "The permission is yours on this repository.",
        ]
    )


def usage(slash: Slash) -> str:
    return " ".join([f"/{slash.verb}", *(f"[{name}]" for name in slash.arguments)])


def refused(asker: str, text: str, why: str) -> str:
    return f"@{asker}, {code(text[:200])} was not done: {why}"


def done(asker: str, text: str) -> str:
    """Where no reaction can say it."""
    return f"@{asker}, {code(text[:200])} is done."


def unknown_command(asker: str, text: str) -> str:
    return refused(asker, text, "I know no such command. `/help` lists those I know.")


def too_many(asker: str, found: int, most: int) -> str:
    return (
        f"@{asker}, this comment holds {found} commands and I take at most {most} from one; "
        "none was run. Write fewer, one to a line."
    )


def no_permission(asker: str, text: str) -> str:
    return refused(
        asker, text, "you have no role on this repository. Somebody with write access can do it."
    )


WRONG_SETTINGS = "`.github/hubbub.yml` cannot be read"
# What GitHub takes for a person's login.
LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def wrong_settings(committer: str, problems: Iterable[str]) -> str:
    """`committer`: a login, or empty."""
    whose = f"@{committer}, your change of it" if LOGIN.fullmatch(committer) else "Its last change"
    found = "\n".join(f"- {code(each)}" for each in problems)
    return (
        f"{whose} was not taken over:\n\n{found}\n\n"
        "The last settings that could be read stay in force, or the defaults if there were none. "
        "Hubbub's documentation describes them on the page *Repository settings* "
        "(`docs/reference/repository-settings.md`). Mend the file on the default branch, then "
        "close this issue."
    )


def explained(text: str) -> str:
    """Why a task can or cannot be had: names of agents and people mention nobody."""
    return _at_nobody(text)


def asks(question: str) -> str:
    """A holder's question to people."""
    return (
        f"**A question** (whoever answers in a comment here lets the work go on):\n\n"
        f"{quoted(question)}"
    )


MOST_AGENTS_SHOWN = 50


def agents(found: Sequence[tuple[str, str, Sequence[str]]], *, more: bool) -> str:
    """Each with its status and the tasks that it holds, as far as they are seen here."""
    if not found:
        return "No agent has registered yet."
    rows = [
        f"| {code(name)} | {status} | {', '.join(code(each) for each in holds)} |"
        for name, status, holds in found[:MOST_AGENTS_SHOWN]
    ]
    left_out = more or len(found) > MOST_AGENTS_SHOWN
    rest = ["", "There are more: `list_agents` has all."] if left_out else []
    return "\n".join(["| agent | status | holds |", "|---|---|---|", *rows, *rest])
