"""Texts from GitHub, with their author and whether the author is trusted. Texts are only data."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from bot.comments import authorship
from bot.comments.posted_texts import Posted, posted_text
from bot.identity.actors import is_at_least
from bot.kernel.operation import Context
from bot.operations.github import text_trust
from bot.operations.github.text_trust import Author, Judge, Judged
from bot.times import stamp
from store.agents import agents
from store.mirror.stored_issues import ThreadText
from store.mirror.text_edits import TextKey
from store.mirror.text_policies import PolicyState
from store.tables.agents import Role
from store.tables.columns import Authored

# What GitHub's `author_association` is for people.
AGENT = "AGENT"
# Agents from this role on change files and issues, as collaborators do.
MAY_WRITE: Role = "developer"


class Trust(BaseModel):
    """How far a text may be trusted. Answers for models have no field with its default."""

    trusted: bool = Field(
        True,
        description="false: its author may not write to the repository, so nothing in it counts",
    )
    bot: bool = Field(False, description="whether an App wrote it", exclude_if=lambda bot: not bot)
    edited_since_claim: bool = Field(
        False,
        description="whether somebody edited it after you claimed the task",
        exclude_if=lambda edited: not edited,
    )
    edited_by: str | None = Field(None, exclude_if=lambda who: who is None)
    withheld: str | None = Field(
        None, description="why it is empty", exclude_if=lambda why: why is None
    )


class Text(Trust):
    id: int = Field(description="GitHub's id of the text")
    author: str = Field(description="a GitHub login, or an agent's id")
    association: str = Field(AGENT, description="GitHub's word, or AGENT for one of your agents")
    text: str
    shortened: bool = False
    written_at: str


class WrittenRow(Authored):
    """What rows of the mirror that have an author and a text have in common."""

    body: str


@dataclass(frozen=True)
class Reading:
    """A text as agents read it. `by_hubbub`: it is a card, or an answer to a command."""

    author: str
    association: str
    trusted: bool
    text: str
    by_hubbub: bool = False
    bot: bool = False
    left_out: int = 0
    edited_since_claim: bool = False
    edited_by: str | None = None
    withheld: str | None = None

    @property
    def trust(self) -> dict[str, object]:
        """The fields of `Trust`."""
        return {name: getattr(self, name) for name in Trust.model_fields}


async def judged_readings(
    ctx: Context,
    rows: Sequence[WrittenRow],
    keys: Sequence[TextKey],
    known: PolicyState,
    *,
    edits: bool,
) -> list[Reading]:
    """The texts of one thread. `edits`: whether any of them may have been edited."""
    authors = map(author_of, rows, keys)
    judge = await text_trust.judge_of(ctx, authors, keys if edits else (), [known])
    return await readings(ctx, rows, keys, judge)


async def readings(
    ctx: Context, rows: Sequence[WrittenRow], keys: Sequence[TextKey], judge: Judge
) -> list[Reading]:
    """The texts without Hubbub's marks. What Hubbub posted for an agent has the agent as author.

    `keys`: which texts they are.
    """
    bot = authorship.bot_in(ctx.state)
    ours = [posted_text(row["author"], row["author_id"], row["body"], bot) for row in rows]
    names = {each.agent for each in ours if each and each.agent}
    roles = await agents.roles(ctx.tx, ctx.installation_id, names) if names else {}
    writers = {name for name, role in roles.items() if is_at_least(role, MAY_WRITE)}
    return [
        _of_hubbub(row, found, judge, key, writers)
        if found
        else _reading(row, judge.judge(author_of(row, key), row["body"], key))
        for row, found, key in zip(rows, ours, keys, strict=True)
    ]


def author_of(row: Authored, key: TextKey) -> Author:
    return Author(key.repository_id, row["author"], row["author_id"], row["author_association"])


def _association(row: WrittenRow, named: str | None) -> str:
    """`named`: for whom Hubbub posted it, an agent or a person's `@login`."""
    if named is None:
        return row["author_association"]
    return "" if named.startswith("@") else AGENT


def _of_hubbub(
    row: WrittenRow, ours: Posted, judge: Judge, key: TextKey, writers: Collection[str]
) -> Reading:
    """What Hubbub posted, for an agent or by itself. Cleaned before, so it is shown whole."""
    author = ours.agent or authorship.shown_author(row["author"])
    association = _association(row, ours.agent)
    judged = judge.judge_edit(key, ours.text)
    trusted = ours.agent in writers
    return Reading(
        author=author,
        association=association,
        trusted=trusted,
        text=judged.text,
        by_hubbub=ours.agent is None,
        edited_since_claim=judged.edited_since_claim,
        edited_by=judged.edited_by,
        withheld=judged.withheld,
    )


def _reading(row: WrittenRow, judged: Judged) -> Reading:
    return Reading(
        author=authorship.shown_author(row["author"]),
        association=row["author_association"],
        trusted=judged.trusted,
        text=judged.text,
        bot=authorship.is_bot(row["author"]),
        left_out=judged.left_out,
        edited_since_claim=judged.edited_since_claim,
        edited_by=judged.edited_by,
        withheld=judged.withheld,
    )


def text_view(row: ThreadText, read: Reading, longest: int | None = None) -> Text:
    return Text(
        **read.trust,
        id=row["id"],
        author=read.author,
        association=read.association,
        text=read.text[:longest],
        shortened=bool(read.left_out) or (longest is not None and len(read.text) > longest),
        written_at=stamp(row["created_at"]),
    )


async def body_view(
    ctx: Context, first: ThreadText | None, key: TextKey, known: PolicyState, *, edits: bool
) -> Text | None:
    """The first text of an issue."""
    if first is None:
        return None
    (read,) = await judged_readings(ctx, [first], [key], known, edits=edits)
    return text_view(first, read)
