"""Makes the task and the issue of an issue there."""

from bot.repository import repository_settings
from bot.repository.mirror_settings import Mirror
from bot.tasks import task_labels
from bot.trackers import rules, texts
from bot.trackers.foreign import Content, content_of
from bot.trackers.rules import Fields
from store.engine.transaction import Tx
from store.outbox import writes
from store.tables.trackers import TrackerLinkRow, TrackerRow
from store.tasks import tasks
from store.trackers import links


def author_of(tracker: TrackerRow) -> str:
    return texts.author_of(tracker["kind"], tracker["name"])


def source_name(tracker: TrackerRow, link: TrackerLinkRow) -> str:
    """As people there call the issue."""
    return f"{tracker['project_name']}#{link['number']}"


def wanted_fields(tracker: TrackerRow, link: TrackerLinkRow, mirror: Mirror) -> tuple[Fields, str]:
    """What the issue should have here, and its whole text."""
    content: Content = content_of(link["content"])
    body = texts.issue_body(content, source_name(tracker, link), link["url"])
    gone = link["state"] == "gone"
    return (
        Fields(
            title=texts.issue_title(content),
            body=texts.body_hash(body),
            labels=rules.labels_here(content, mirror),
            state="cancelled" if gone else rules.wanted_state(content, mirror),
        ),
        body,
    )


async def make(tx: Tx, tracker: TrackerRow, foreign_id: str, mirror: Mirror) -> bool:
    """Make the task of a waiting issue and queue the issue. False: it is not wanted any more."""
    link = await links.lock(tx, tracker["installation_id"], tracker["id"], foreign_id)
    if link is None or link["state"] != "waiting":
        return False
    fields, body = wanted_fields(tracker, link, mirror)
    if fields.state != "open":
        await links.remove(tx, link)
        return False
    i, where, author = tracker["installation_id"], tracker["repository_id"], author_of(tracker)
    settings = await repository_settings.of(tx, i, where)
    labels = list(dict.fromkeys([settings.task_label, *fields.labels]))
    task_id = await tasks.create(
        tx,
        i,
        repository_id=where,
        title=fields.title,
        outsider=texts.outsider_of(author),
        **task_labels.task_fields(labels),
    )
    write_id = await writes.queue(
        tx,
        i,
        kind="issue",
        repository_id=where,
        target=f"task {task_id}",
        arguments={"title": fields.title, "body": body, "labels": labels, "task_id": task_id},
        author=author,
        task_id=task_id,
    )
    pending = {"write_id": write_id, "fields": fields.as_json, "adds": labels, "removes": []}
    await links.change(
        tx,
        link,
        state="linked",
        task_id=task_id,
        written=fields.as_json,
        pending=pending,
        due_at=await tx.now(),
    )
    return True
