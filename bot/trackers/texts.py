"""Every sentence that Hubbub writes for issues of foreign trackers, here and there."""

import hashlib
import re

from bot.comments import cleaning
from bot.comments.posted_texts import SLASH
from bot.kernel.sentences import code
from bot.trackers import references
from bot.trackers.foreign import LONGEST_BODY, Content

# A text with more lines, backticks and line ends is cleaned without being parsed.
MOST_PARSED = 2000
FENCE = "~" * 10
LONG_RUN = re.compile(rf"{FENCE}~*")
COMMENTS = {
    "in_progress": "An agent works on this",
    "in_review": "This is in review",
    "completed": "This was completed",
    "failed": "An agent tried this and failed",
    "cancelled": "This was cancelled",
}


def author_of(kind: str, name: str) -> str:
    """For whom Hubbub posts it on GitHub. The colon keeps it apart from agents."""
    return f"{kind}:{name}"


def outsider_of(author: str) -> str:
    """Who wrote the title of the task. Like texts of other Apps, it is not trusted."""
    return f"{author}[bot]"


def issue_title(content: Content) -> str:
    return cleaning.title(content.title).text.strip() or "No title"


def issue_body(content: Content, name: str, url: str) -> str:
    """The text there, without mentions and commands, below where it is from."""
    text = content.body.replace("\r\n", "\n").replace("\r", "\n")
    heavy = cleaning.weight(text) > MOST_PARSED
    clean = (cleaning.unparsed_markdown if heavy else cleaning.markdown)(text).text
    clean = references.with_links(clean, url, is_parsed=not heavy)
    if len(clean) > LONGEST_BODY + references.MOST_ADDED:
        clean = _as_code(cleaning.note(text).text)
    more = f"\n\n[The rest is there]({url})" if len(content.body) >= LONGEST_BODY else ""
    return (
        f"> Copied from [{name}]({url}), where {code(content.author)} opened it. Later edits there "
        f"appear here until somebody edits this text.\n\n{clean.rstrip()}{more}"
    ).rstrip()


def _as_code(text: str) -> str:
    """Nothing in code is a mention, a reference or a command. For texts that are full of them."""
    return f"{FENCE}\n{LONG_RUN.sub(FENCE[1:], text)}\n{FENCE}"


def body_hash(text: str) -> str:
    """Equal for texts that GitHub shows alike."""
    same = SLASH.sub("/", text.replace("\r\n", "\n")).strip()
    return hashlib.sha256(same.encode()).hexdigest()


def marker(report_id: str) -> str:
    return f"<!-- hubbub:report:{report_id} -->"


def comment(state: str, task: str, url: str, report_id: str) -> str:
    """What people read there. `task`: owner/repo#12."""
    where = f" as [{task}]({url})" if url else ""
    return f"{COMMENTS[state]}{where}.\n\n{marker(report_id)}"
