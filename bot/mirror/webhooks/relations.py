"""Sub-issues and dependencies: told from both ends, and settled by a read of the whole set."""

from typing import Literal

from bot.github import payloads
from bot.github.payloads import Json, at
from bot.mirror import reads
from bot.mirror.changes import Changes, Relation
from bot.mirror.webhooks.event import Event

# The words of each event for the two ends of a relation: source first.
ENDS: dict[str, tuple[Literal["parent", "blocked_by"], str, str]] = {
    "sub_issues": ("parent", "sub_issue", "parent_issue"),
    "issue_dependencies": ("blocked_by", "blocked_issue", "blocking_issue"),
}


def sub_issues(event: Event) -> Changes:
    parent = _end(event, "parent_issue")
    return _changed(event, "sub_issues", _asked("sub_issues", parent))


def issue_dependencies(event: Event) -> Changes:
    blocked = _end(event, "blocked_issue")
    return _changed(event, "issue_dependencies", _asked("blocked_by", blocked))


def _changed(event: Event, name: str, wanted: tuple[reads.Read, ...]) -> Changes:
    kind, source, target = ENDS[name]
    ends = _end(event, source), _end(event, target)
    if not all(each.get("id") for each in ends):
        return Changes(reads=wanted)  # GitHub may leave out the far side; the read has it
    relation = Relation(
        kind,
        ends[0]["id"],
        ends[1]["id"],
        ends[0]["name"],
        ends[0]["state"],
        ends[1]["name"],
        ends[1]["state"],
    )
    if event.action.endswith("_removed"):
        return Changes(relations_removed=(relation,), reads=wanted)
    return Changes(relations_added=(relation,), reads=wanted)


def _end(event: Event, word: str) -> dict[str, Json]:
    issue = at(event.payload, word)
    repository = at(event.payload, f"{word}_repo")
    # The end that the event is about stands in the event's own repository.
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


def _asked(kind: str, end: dict[str, Json]) -> tuple[reads.Read, ...]:
    if end["repository_id"] is None or end["number"] is None:
        return ()
    return (reads.relations(kind, end["repository_id"], end["number"], end["id"]),)


def repository_of(issue: Json) -> str:
    """owner/repo, as the issue's own address has it."""
    return "/".join(payloads.text(at(issue, "repository_url")).split("/")[-2:])


def issue_name(issue: Json) -> str:
    number = payloads.maybe_number(at(issue, "number"))
    return f"{repository_of(issue)}#{number}"[:300] if number else ""
