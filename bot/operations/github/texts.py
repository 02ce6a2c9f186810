"""Texts from GitHub, with their author and whether the author is trusted. Texts are only data."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypedDict

from pydantic import BaseModel, Field

from bot.comments import authorship
from bot.comments.posted_texts import Posted, posted_text
from bot.identity.actors import ROLES, TRUSTED
from bot.kernel.operation import Context
from bot.times import stamp
from store.agents import agents
from store.mirror.stored_issues import ThreadText

# What GitHub's `author_association` is for people.
AGENT = "AGENT"
# Agents from this role on change files and issues, as collaborators do.
MAY_WRITE = ROLES.index("developer")


class Text(BaseModel):
    id: int = Field(description="GitHub's id of the text")
    author: str = Field(description="a GitHub login, or an agent's id")
    association: str = Field(AGENT, description="GitHub's word, or AGENT for one of your agents")
    trusted: bool = Field(
        description="whether an owner, member or collaborator wrote it, or an agent that may "
        "write to the repository"
    )
    text: str
    shortened: bool = False
    written_at: str


class WrittenRow(TypedDict):
    """What rows of the mirror that have an author and a text have in common."""

    author: str
    author_id: int
    author_association: str
    body: str


@dataclass(frozen=True)
class Reading:
    """A text as agents read it. `by_hubbub`: it is a card, or an answer to a command."""

    author: str
    association: str
    trusted: bool
    text: str
    by_hubbub: bool = False


async def readings(ctx: Context, rows: Sequence[WrittenRow]) -> list[Reading]:
    """The texts without Hubbub's marks. What Hubbub posted for an agent has the agent as author."""
    bot = authorship.bot_in(ctx.state)
    ours = [posted_text(row["author"], row["author_id"], row["body"], bot) for row in rows]
    names = {each.agent for each in ours if each and each.agent}
    roles = await agents.roles(ctx.tx, ctx.installation_id, names) if names else {}
    writers = {name for name, role in roles.items() if ROLES.index(role) >= MAY_WRITE}
    return [_reading(row, found, writers) for row, found in zip(rows, ours, strict=True)]


def _reading(row: WrittenRow, ours: Posted | None, writers: Collection[str]) -> Reading:
    if ours and ours.agent:
        return Reading(ours.agent, AGENT, ours.agent in writers, ours.text)
    return Reading(
        author=authorship.shown_author(row["author"]),
        association=row["author_association"],
        trusted=row["author_association"] in TRUSTED,
        text=ours.text if ours else row["body"],
        by_hubbub=ours is not None,
    )


def text_view(row: ThreadText, read: Reading, longest: int | None = None) -> Text:
    return Text(
        id=row["id"],
        author=read.author,
        association=read.association,
        trusted=read.trusted,
        text=read.text[:longest],
        shortened=longest is not None and len(read.text) > longest,
        written_at=stamp(row["created_at"]),
    )


async def body_view(ctx: Context, first: ThreadText | None) -> Text | None:
    """The first text of an issue."""
    if first is None:
        return None
    (read,) = await readings(ctx, [first])
    return text_view(first, read)
