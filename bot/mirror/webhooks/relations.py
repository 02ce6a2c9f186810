"""Sub-issues and dependencies: both ends send an event, and a read of the whole set settles it."""

from typing import Literal

from bot.github import payloads
from bot.github.payloads import Json, at
from bot.mirror import reads
from bot.mirror.changes import Changes, Relation
from bot.mirror.webhooks.event import Event, sender_of

# The payload's keys for the two ends of a relation, source first.
ENDS: dict[str, tuple[Literal["parent", "blocked_by"], str, str]] = {
    "sub_issues": ("parent", "sub_issue", "parent_issue"),
    "issue_dependencies": ("blocked_by", "blocked_issue", "blocking_issue"),
}


def sub_issues(event: Event) -> Changes:
    parent = _end(event, "parent_issue")
    return _changes(event, "sub_issues", _reads("sub_issues", parent))


def issue_dependencies(event: Event) -> Changes:
    blocked = _end(event, "blocked_issue")
    return _changes(event, "issue_dependencies", _reads("blocked_by", blocked))


def _changes(event: Event, name: str, wanted: tuple[reads.Read, ...]) -> Changes:
    kind, source, target = ENDS[name]
    ends = _end(event, source), _end(event, target)
    if not all(each.get("id") for each in ends):
        # GitHub may leave out the other end; the answer to the read has it.
        return Changes(reads=wanted)
    relation = Relation(
        kind,
        ends[0]["id"],
        ends[1]["id"],
        ends[0]["name"],
        ends[0]["state"],
        ends[1]["name"],
        ends[1]["state"],
    )
    sender = sender_of(event)
    if event.action.endswith("_removed"):
        return Changes(relations_removed=(relation,), reads=wanted, sender=sender)
    return Changes(relations_added=(relation,), reads=wanted, sender=sender)


def _end(event: Event, word: str) -> dict[str, Json]:
    issue = at(event.payload, word)
    repository = at(event.payload, f"{word}_repo")
    # GitHub names no repository for the end that is in the event's own.
    if repository is None and _is_here(event, issue):
        repository = at(event.payload, "repository")
    return {
        "id": payloads.maybe_number(at(event.payload, f"{word}_id"))
        or payloads.maybe_number(at(issue, "id")),
        "number": payloads.maybe_number(at(issue, "number")),
        "repository_id": payloads.maybe_number(at(repository, "id")),
        "name": issue_name(issue),
        "state": payloads.text(at(issue, "state"), 20),
    }


def _is_here(event: Event, issue: Json) -> bool:
    here = payloads.text(at(event.payload, "repository", "full_name"))
    return bool(here) and repository_of(issue).casefold() == here.casefold()


def _reads(kind: str, end: dict[str, Json]) -> tuple[reads.Read, ...]:
    if end["repository_id"] is None or end["number"] is None:
        return ()
    return (reads.relations(kind, end["repository_id"], end["number"], end["id"]),)


def repository_of(issue: Json) -> str:
    """owner/repo, from the issue's `repository_url`."""
    return "/".join(payloads.text(at(issue, "repository_url")).split("/")[-2:])


def issue_name(issue: Json) -> str:
    number = payloads.maybe_number(at(issue, "number"))
    return f"{repository_of(issue)}#{number}"[:300] if number else ""
