"""Pull requests, reviews, and the comments and threads on their lines."""

from bot.github import payloads
from bot.github.payloads import at
from bot.mirror.changes import Changes, ReviewRequest
from bot.mirror.rows import pull_rows
from bot.mirror.webhooks.event import (
    Event,
    body_texts,
    command_texts,
    edits,
    milestone_of,
    sender_of,
)


def pull_request(event: Event) -> Changes:
    value = at(event.payload, "pull_request")
    row = pull_rows.pull_request(*event.here, value)
    return Changes(
        (row, *milestone_of(event, value)),
        edits=edits(event, "opening", row.row["number"]),
        texts=body_texts(event, "pull_request", value),
        sender=sender_of(event),
        review_requests=_review_requests(event, row.row["number"]),
    )


def _review_requests(event: Event, number: int) -> tuple[ReviewRequest, ...]:
    login = payloads.text(at(event.payload, "requested_reviewer", "login"), 100)
    slug = payloads.text(at(event.payload, "requested_team", "slug"), 100)
    if event.action != "review_requested" or not (login or slug):
        return ()
    owner = payloads.text(at(event.payload, "repository", "owner", "login"), 100)
    reviewer = f"@{login}" if login else f"{owner}/{slug}"
    return (ReviewRequest(event.repository_id, number, reviewer, sender_of(event)),)


def pull_request_review(event: Event) -> Changes:
    review, pull = at(event.payload, "review"), at(event.payload, "pull_request")
    on = payloads.number(at(pull, "number"), "pull_request.number")
    row = pull_rows.review(*event.here, on, review)
    return Changes(
        (pull_rows.pull_request(*event.here, pull), row),
        edits=edits(event, "review", on, row.row["id"]),
        texts=command_texts(event, "review", review, on, actions=("submitted", "edited")),
    )


def pull_request_review_comment(event: Event) -> Changes:
    comment, pull = at(event.payload, "comment"), at(event.payload, "pull_request")
    on = payloads.number(at(pull, "number"), "pull_request.number")
    row = pull_rows.review_comment(*event.here, on, comment, deleted=event.is_deletion)
    return Changes(
        (pull_rows.pull_request(*event.here, pull), row),
        edits=edits(event, "review_comment", on, row.row["id"]),
        texts=command_texts(event, "review_comment", comment, on, actions=("created", "edited")),
    )


def pull_request_review_thread(event: Event) -> Changes:
    pull = at(event.payload, "pull_request")
    thread = pull_rows.review_thread(
        *event.here,
        pull,
        at(event.payload, "thread"),
        resolved=event.action == "resolved",
        when=at(event.payload, "updated_at"),
        received_at=event.received_at,
    )
    return Changes((pull_rows.pull_request(*event.here, pull), thread))
