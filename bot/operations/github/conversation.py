"""Shortens a long conversation to a size limit: which texts to keep, and how much of each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import Field

from bot.comments import authorship
from bot.mirror.rows.pull_rows import hunk_end
from bot.operations.github.text_trust import WITHHELD
from bot.operations.github.texts import Reading, Text
from bot.operations.token_sizes import fit, size
from bot.times import stamp
from store.mirror.search_index import written_at
from store.mirror.threads import TextKind, ThreadRow

# The bytes that each text gets first, before any text gets more.
STUB = 160
# Characters of a hunk that an answer shows.
MOST_HUNK = 300


class ThreadText(Text):
    kind: TextKind = "comment"
    state: str | None = Field(None, description="the verdict of a review")
    path: str | None = Field(None, description="the file that a review comment is about")
    line: int | None = None
    thread: int | None = Field(None, description="the first comment of its review thread")
    resolved: bool | None = Field(None, description="whether somebody resolved the thread")
    hunk: str | None = Field(None, description="the end of the diff that the thread is about")
    left_out: int = Field(0, description="how many characters were cut from the end of the text")


@dataclass(frozen=True)
class Entry:
    row: ThreadRow
    read: Reading


def thread_text(entry: Entry, resolved: Collection[int] = ()) -> ThreadText:
    """The whole text of an entry. `resolved`: the first comments of the resolved threads."""
    row, read = entry.row, entry.read
    on_line = row["kind"] == "review_comment"
    thread = (row.get("in_reply_to_id") or row["id"]) if on_line else None
    is_first = thread == row["id"] and on_line
    return ThreadText(
        id=row["id"],
        kind=row["kind"],
        **read.trust,
        author=read.author,
        association=read.association,
        text=read.text,
        shortened=bool(read.left_out),
        written_at=stamp(written_at(row)),
        state=row["state"] if row["kind"] == "review" else None,
        path=row.get("path"),
        line=row.get("line"),
        thread=thread,
        resolved=thread in resolved if is_first else None,
        hunk=hunk_end(row.get("diff_hunk") or "", MOST_HUNK) or None if is_first else None,
        left_out=read.left_out,
    )


def without_code(text: ThreadText) -> ThreadText:
    """Without what the author of the pull request wrote: the file's name and its lines."""
    return text.model_copy(update={"path": text.path and WITHHELD, "hunk": None})


# --- The order ------------------------------------------------------------------------------------


def by_relevance(entries: Sequence[Entry], askers: set[str]) -> list[Entry]:
    """The most relevant first. `askers` wrote commands."""
    newest_first = sorted(
        entries, key=lambda each: (written_at(each.row), each.row["id"]), reverse=True
    )
    words = [each for each in newest_first if each.row["kind"] != "opening" and not _is_bot(each)]
    last = words[0] if words else None
    return sorted(newest_first, key=lambda each: 1 if each is last else _rank(each, askers))


def _rank(entry: Entry, askers: set[str]) -> int:
    row, read = entry.row, entry.read
    if row["kind"] == "opening":
        return 0
    if _is_bot(entry):
        return 5
    wants_changes = row["kind"] == "review" and row["state"] == "changes_requested"
    if wants_changes or read.author.casefold() in askers:
        return 2
    return 3 if read.trusted else 4


def _is_bot(entry: Entry) -> bool:
    """Whether another App wrote it. What agents wrote counts as theirs."""
    return authorship.is_bot(entry.read.author)


# --- The size -------------------------------------------------------------------------------------


def fit_texts(texts: Sequence[ThreadText], room: int) -> list[ThreadText]:
    """As much of the texts as fits into `room`, in bytes of a JSON list. The first matter most.

    First each text gets a short beginning, until half of the room is used. Then each text in turn
    gets half of what is left, so that one long text cannot use up the room. Then each gets all.
    """
    # If not even the first text fits into half of the room, it gets all of it.
    kept = _stubs(texts, room // 2) or _stubs(texts[:1], room)
    left = room - sum(map(_cost, kept))
    for share in (2, 1):
        for n, whole in enumerate(texts[: len(kept)]):
            more = _longer(whole, kept[n], left // share)
            left -= _cost(more) - _cost(kept[n])
            kept[n] = more
    return kept + _stubs(texts[len(kept) :], left)


def _cost(each: ThreadText) -> int:
    # One more for the comma in the list.
    return size(each.model_dump(mode="json")) + 1


def _stubs(texts: Sequence[ThreadText], room: int) -> list[ThreadText]:
    kept: list[ThreadText] = []
    for whole in texts:
        stub = _shorten(whole, STUB)
        room -= _cost(stub)
        if room < 0:
            break
        kept.append(stub)
    return kept


def _longer(whole: ThreadText, now: ThreadText, more: int) -> ThreadText:
    """The text with up to `more` additional bytes."""
    if now.left_out == whole.left_out or more <= 0:
        return now
    # A text that becomes whole says false instead of true in `shortened`: one byte more.
    return _shorten(whole, size(now.text) - 2 + more - 1)


def _shorten(whole: ThreadText, longest: int) -> ThreadText:
    text = fit(whole.text, longest)
    if not (cut := len(whole.text) - len(text)):
        return whole
    left_out = whole.left_out + cut
    return whole.model_copy(update={"text": text, "shortened": True, "left_out": left_out})
