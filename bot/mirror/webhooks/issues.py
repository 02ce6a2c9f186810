"""Issues, their comments, labels and milestones."""

from typing import cast

from bot.comments import authorship
from bot.github import payloads
from bot.github.payloads import Json, at
from bot.mirror import reads
from bot.mirror.changes import BotCommentEdit, Changes, Transfer
from bot.mirror.rows import issue_rows
from bot.mirror.webhooks.event import (
    Event,
    body_texts,
    command_texts,
    edits,
    milestone_of,
    sender_of,
)
from store.tables.mirror import IssueRow


def issues(event: Event) -> Changes:
    issue = at(event.payload, "issue")
    # The new repository sends its own event about a transferred issue.
    gone = event.is_deletion or event.action == "transferred"
    row = issue_rows.issue(*event.here, issue, deleted=gone)
    before = at(event.payload, "changes", "body", "from")
    older = {**row.row, "body": payloads.text(before)}
    earlier = (cast("IssueRow", older),) if before else ()
    return Changes(
        (row, *milestone_of(event, issue)),
        earlier=earlier,
        transfers=_transfer(event) if event.action == "transferred" else (),
        texts=body_texts(event, "issue", issue),
        edits=edits(event, "opening", row.row["number"]),
        sender=sender_of(event),
    )


def _transfer(event: Event) -> tuple[Transfer, ...]:
    new = at(event.payload, "changes", "new_issue")
    return (
        Transfer(
            issue_id=payloads.number(at(event.payload, "issue", "id"), "issue.id"),
            repository_id=event.repository_id,
            number=payloads.number(at(event.payload, "issue", "number"), "issue.number"),
            new_issue_id=payloads.number(at(new, "id"), "changes.new_issue.id"),
            new_repository_id=payloads.number(
                at(event.payload, "changes", "new_repository", "id"), "changes.new_repository.id"
            ),
            new_number=payloads.number(at(new, "number"), "changes.new_issue.number"),
            title=payloads.text(at(new, "title"), 1024),
        ),
    )


def issue_comment(event: Event) -> Changes:
    issue, comment = at(event.payload, "issue"), at(event.payload, "comment")
    on = payloads.number(at(issue, "number"), "issue.number")
    row = issue_rows.comment(*event.here, on, comment, deleted=event.is_deletion)
    return Changes(
        (issue_rows.issue(*event.here, issue), row, *milestone_of(event, issue)),
        edits=edits(event, "comment", on, row.row["id"]),
        texts=command_texts(event, "comment", comment, on, actions=("created", "edited")),
        bot_comment_edits=_bot_comment_edits(event, comment, on),
    )


def _bot_comment_edits(event: Event, comment: Json, on: int) -> tuple[BotCommentEdit, ...]:
    """The edit, if a person changed the text of a bot's comment."""
    before, sender = at(event.payload, "changes", "body", "from"), at(event.payload, "sender")
    author = payloads.text(at(comment, "user", "login"), 100)
    if event.action != "edited" or before is None or not authorship.is_bot(author):
        return ()
    by = sender_of(event)
    if not by.login or at(sender, "type") == "Bot" or authorship.is_bot(by.login):
        return ()
    return (
        BotCommentEdit(
            comment_id=payloads.number(at(comment, "id"), "comment.id"),
            author=author,
            author_id=payloads.maybe_number(at(comment, "user", "id")) or 0,
            repository_id=event.repository_id,
            number=on,
            before=payloads.text(before),
            body=payloads.text(at(comment, "body")),
            editor=by.login,
            editor_id=by.id,
            edited_at=payloads.time(at(comment, "updated_at")),
        ),
    )


def label(event: Event) -> Changes:
    row = issue_rows.label(*event.here, at(event.payload, "label"), deleted=event.is_deletion)
    return Changes((row,), reads=(reads.repository("labels", event.repository_id),))


def milestone(event: Event) -> Changes:
    value = at(event.payload, "milestone")
    return Changes((issue_rows.milestone(*event.here, value, deleted=event.is_deletion),))
