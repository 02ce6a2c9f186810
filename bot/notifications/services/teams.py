"""Microsoft Teams: the webhook of a workflow, which posts an Adaptive Card.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
Texts of others are text runs, in which Teams sees no Markdown.
"""

from typing import Any

import orjson

from bot.notifications.entries import Entry
from bot.notifications.message import Message, line, one_line

# Teams refuses more bytes.
LARGEST = 28 * 1024
CARD = "application/vnd.microsoft.card.adaptive"
SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
# Actions of one card.
MOST_ACTIONS = 6


def payload(message: Message) -> dict[str, Any]:
    """With as many entries as fit."""
    shown = len(message.entries)
    while True:
        found = _payload(message, shown)
        if shown == 0 or len(orjson.dumps(found)) <= LARGEST:
            return found
        shown -= 1


def _payload(message: Message, shown: int) -> dict[str, Any]:
    left = message.more + len(message.entries) - shown
    body = [_run(one_line(message.headline), bold=True)]
    body += [_run(line(each)) for each in message.entries[:shown]]
    body += [_run(f"And {left} more.")] if left else []
    card = {
        "$schema": SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": _actions(message, message.entries[:shown]),
    }
    attachment = {"contentType": CARD, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _run(text: str, *, bold: bool = False) -> dict[str, Any]:
    run: dict[str, Any] = {"type": "TextRun", "text": text}
    if bold:
        run |= {"weight": "Bolder", "size": "Medium"}
    return {"type": "RichTextBlock", "inlines": [run]}


def _actions(message: Message, entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
    found = {message.links.of(each.name): each.name for each in entries if each.name}
    links = [({"url": url, "title": name}) for url, name in found.items() if url]
    if message.links.page:
        links.insert(0, {"url": message.links.page, "title": "Open Hubbub"})
    return [{"type": "Action.OpenUrl", **each} for each in links[:MOST_ACTIONS]]
