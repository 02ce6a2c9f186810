"""Every sentence that Hubbub writes on GitHub, but for those of the card."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bot import secret_formats
from bot.comments import cleaning
from bot.kernel.operation import Operation, Slash
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


def code(text: str) -> str:
    """Inline code, in which GitHub sees no mention and Hubbub no command."""
    return f"`{text.replace('`', chr(0x2BC)).strip()}`"


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


def inline(text: str) -> str:
    """Somebody's words inside a sentence by Hubbub, which has its own full stop."""
    masked, _ = secret_formats.mask(text)
    return code(" ".join(masked.split())[:300].removesuffix("."))


def with_author(body: str, author: str) -> str:
    """An agent's text, with its author, because all agents share one GitHub account.

    The author stands first, so that nothing in the text can hide it.
    """
    return f"<sub>{code(author)} via Hubbub</sub>\n\n{body}"


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


def help_text(
    operations: Iterable[Operation], needed: Callable[[str], Permission], permission: str
) -> str:
    """The commands that a person with this permission may write.

    `needed` gives the permission that a verb takes.
    """
    slashes = [slash for each in operations for slash in each.slashes]
    mine = [each for each in slashes if allows(permission, needed(each.verb))]
    rest = [f"`/{each.verb}` ({needed(each.verb)})" for each in slashes if each not in mine]
    rows = [f"| {code(usage(each))} | {each.help} |" for each in mine]
    more = f" With a higher permission also {', '.join(rest)}." if rest else ""
    where = "at the start of a line, in an issue, a pull request or a comment"
    return "\n".join(
        [
            f"Write a command {where}. `<word>` must be there, `[word]` may.",
            "",
            "| command | what it does |",
            "|---|---|",
            *rows,
            "| `/help` | list the commands |",
            "",
            f"You have the permission {permission} on this repository.{more}",
        ]
    )


def usage(slash: Slash) -> str:
    *first, last = [*slash.arguments] or [""]
    shown = [*first, slash.shown or last]
    form = "<{}>" if slash.required else "[{}]"
    return " ".join([f"/{slash.verb}", *(form.format(each) for each in shown if each)])


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
    """A holder's question to people. It may mention those whom the task knows."""
    return (
        "**Question.** The agent is waiting. It continues when somebody answers here.\n\n"
        f"{quote(question)}"
    )


def orphaned_pull(issue_number: int) -> str:
    """For the open pull request of a cancelled task."""
    return (
        f"The task of this pull request, #{issue_number}, was cancelled. Close it, or comment "
        f"`/retry` on #{issue_number}."
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
