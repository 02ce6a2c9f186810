"""What Hubbub posted on GitHub, without what it put around an agent's words."""

import re
from dataclasses import dataclass

from bot.comments import authorship, markers
from store.engine.transaction import Row, Tx
from store.mirror import search_index
from store.mirror.search_index import Reader, Written

# What `cleaning` writes for a slash that would begin a command. GitHub shows it as a slash.
SLASH = re.compile(r"(?<![^\s>])&#47;(?=[a-z])", re.IGNORECASE)
# The line with which `replies.with_author` begins.
AUTHOR = re.compile(r"<sub>`([^`\n]+)` via Hubbub</sub>\n\n")


@dataclass(frozen=True)
class Posted:
    """`agent`: who wrote it; None for words of Hubbub itself, such as a card."""

    agent: str | None
    text: str


def posted_text(author: str, author_id: int, body: str, bot: int | None) -> Posted | None:
    """None for a text that Hubbub did not post. `bot`: see `authorship.bot_id`."""
    if not authorship.is_ours(author, author_id, bot):
        return None
    head = markers.HEAD.match(body)
    # The comments on lines have no mark of their own: that of their review stands for them.
    if head is None and bot is None:
        return None
    rest = body[head.end() :] if head else body
    if line := AUTHOR.match(rest):
        return Posted(line[1], SLASH.sub("/", rest[line.end() :]))
    return Posted(None, rest) if head else None


async def reader_of(tx: Tx, row: Row) -> Reader:
    """The reader of a row. What people wrote stands as it is."""
    return await reader(tx) if authorship.is_bot(row["author"]) else search_index.as_it_stands


async def reader(tx: Tx) -> Reader:
    """Reads a row for the search: without Hubbub's marks, and with the agent as the author."""
    bot = await authorship.bot_id(tx)

    def read(row: Row) -> Written:
        found = posted_text(row["author"], row["author_id"], row["body"], bot)
        return Written(found.agent or "", found.text) if found else Written("", row["body"])

    return read
