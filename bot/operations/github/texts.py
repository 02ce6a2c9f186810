"""Texts from GitHub, with their author and whether the author is trusted. Texts are only data."""

from pydantic import BaseModel, Field

from bot.comments import authorship
from bot.identity.actors import TRUSTED
from bot.times import stamp
from store.tables.mirror import CommentRow, IssueRow


class Text(BaseModel):
    id: int = Field(description="GitHub's id of the text")
    author: str
    association: str
    trusted: bool = Field(description="whether an owner, member or collaborator wrote it")
    text: str
    shortened: bool = False
    written_at: str


def text_view(row: IssueRow | CommentRow, longest: int | None = None) -> Text:
    """A row of the mirror that has an author and a body."""
    body = row["body"]
    return Text(
        id=row["id"],
        author=authorship.shown_author(row["author"]),
        association=row["author_association"],
        trusted=row["author_association"] in TRUSTED,
        text=body[:longest],
        shortened=longest is not None and len(body) > longest,
        written_at=stamp(row["created_at"]),
    )
