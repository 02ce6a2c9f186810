"""Search in the mirrored issues, pull requests, comments and reviews."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from bot.errors import Refused
from bot.kernel.operation import Answer, Context, RepositoryName, operation
from bot.kernel.pagination import Cursor, Limit, decode_number, encode, wrong_cursor
from bot.operations.arguments import Label
from bot.operations.github.snippets import snippet
from bot.operations.github.text_trust import judge_of
from bot.operations.github.texts import AGENT, Reading, Trust, author_of, readings
from bot.operations.tasks.access import visible_repository
from bot.times import stamp
from store.mirror import search_index, search_terms
from store.mirror.search_index import HitText, Kind
from store.mirror.text_edits import TextKey
from store.mirror.threads import TextKind

Words: TypeAlias = Annotated[
    str, Field(max_length=1000, description="words of three characters or more")
]
# The most words of a query.
MOST_WORDS = 40


class Found(Trust):
    task: str = Field(description="owner/repo#12; github_get_thread returns the whole conversation")
    kind: Kind
    comment_id: int | None = Field(None, description="of a comment or a review")
    title: str = Field(description="the title of the issue or pull request")
    author: str = Field(description="a GitHub login, or an agent's id")
    association: str = Field(AGENT, description="GitHub's word, or AGENT for an agent of yours")
    title_trusted: bool = Field(True, exclude_if=lambda trusted: trusted)
    snippet: str
    written_at: str


class FoundTexts(Answer):
    results: list[Found]
    next_cursor: str | None = None


@operation(reads_only=True)
async def github_search(
    ctx: Context,
    query: Words,
    repository: RepositoryName | None = None,
    kind: Annotated[Kind | None, Field(description="only this kind")] = None,
    state: Annotated[
        Literal["open", "closed"] | None, Field(description="only in this state")
    ] = None,
    label: Label | None = None,
    author: Annotated[
        str, Field(min_length=1, max_length=100, description="a GitHub login or an agent's id")
    ]
    | None = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> FoundTexts:
    """Search issues, pull requests, comments and reviews that have all the words, newest first.

    `state` and `label` are those of the issue or pull request.
    """
    words = _words(query)
    where = await visible_repository(ctx, repository) if repository else None
    asked = search_index.Query(
        terms=list(dict.fromkeys(map(search_terms.term, words))),
        repository_id=where["id"] if where else None,
        kind=kind,
        state=state,
        label=label,
        author=author,
        reach=ctx.actor.repositories,
        before=_position(cursor),
    )
    rows, before = await search_index.find(ctx.tx, ctx.installation_id, asked, limit)
    texts = await search_index.texts(ctx.tx, ctx.installation_id, rows)
    return FoundTexts(
        results=await _results(ctx, texts, words),
        next_cursor=None if before is None else encode(str(before)),
    )


async def _results(ctx: Context, texts: list[HitText], words: list[str]) -> list[Found]:
    """The hits, without those that are withheld: they would tell which words a text has."""
    keys = [_key(row) for row in texts]
    openers = [author_of(row["opener"], key) for row, key in zip(texts, keys, strict=True)]
    titles = [TextKey.of_opening(*key[:2]) for key in keys]
    judge = await judge_of(ctx, {*openers, *map(author_of, texts, keys)}, {*keys, *titles})
    read = await readings(ctx, texts, keys, judge)
    return [
        _result(row, each, judge.label(opener, row["title"], title), words)
        for row, each, opener, title in zip(texts, read, openers, titles, strict=True)
        if each.withheld is None
    ]


def _key(row: HitText) -> TextKey:
    kind: TextKind = "opening" if row["row_id"] == 0 else row["kind"]  # type: ignore[assignment]
    return TextKey(row["repository_id"], row["number"], kind, row["row_id"])


def _words(query: str) -> list[str]:
    words = list(dict.fromkeys(search_terms.words(query)))
    if not words:
        raise Refused(
            "invalid_arguments",
            "`query` needs a word of three characters or more. Shorter words and punctuation "
            "are ignored.",
        )
    if len(words) > MOST_WORDS:
        raise Refused(
            "invalid_arguments",
            f"`query` has {len(words)} words; pass at most {MOST_WORDS}.",
        )
    return words


def _position(cursor: str | None) -> int | None:
    place = decode_number(cursor)
    if place is not None and place > search_index.LAST:
        raise wrong_cursor()
    return place


def _result(row: HitText, read: Reading, title: tuple[str, bool], words: list[str]) -> Found:
    text = read.text
    if row["row_id"] == 0:
        text = f"{title[0]}\n{text}"
    return Found(
        **read.trust,
        task=f"{row['full_name']}#{row['number']}",
        kind=row["kind"],
        comment_id=row["row_id"] or None,
        title=title[0],
        title_trusted=title[1],
        author=read.author,
        association=read.association,
        snippet=snippet(text, words),
        written_at=stamp(row["written_at"]),
    )
