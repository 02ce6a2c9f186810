"""Slack's incoming webhooks: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.

Texts of others are `plain_text`, in which Slack sees no mention, no link and no formatting.
"""

from typing import Any

from bot.notifications.entries import Entry
from bot.notifications.message import Message, line, one_line

# Slack's limits: blocks of a message, and characters of a section and of a header.
MOST_BLOCKS, LONGEST_TEXT, LONGEST_HEADER = 50, 3000, 150
# An entry takes two blocks. The headline, the remainder and the link to the page take three.
MOST_ENTRIES = (MOST_BLOCKS - 3) // 2


def escape(text: str) -> str:
    """Text for mrkdwn: these three characters begin mentions, links and entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def payload(message: Message) -> dict[str, Any]:
    shown = message.entries[:MOST_ENTRIES]
    left = message.more + len(message.entries) - len(shown)
    blocks = [_header(message)]
    for each in shown:
        blocks += _blocks(message, each)
    if left:
        blocks.append(_section(f"And {left} more."))
    if message.links.page:
        blocks.append(_link(message.links.page, "Open Hubbub"))
    return {
        "text": escape(one_line(message.headline)),
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _header(message: Message) -> dict[str, Any]:
    text = one_line(message.headline)[:LONGEST_HEADER]
    return {"type": "header", "text": {"type": "plain_text", "text": text, "emoji": False}}


def _section(text: str) -> dict[str, Any]:
    cut = text[:LONGEST_TEXT]
    return {"type": "section", "text": {"type": "plain_text", "text": cut, "emoji": False}}


def _blocks(message: Message, entry: Entry) -> list[dict[str, Any]]:
    link = message.links.of(entry.name)
    return [_section(line(entry)), *([_link(link, entry.name)] if link else [])]


def _link(url: str, name: str) -> dict[str, Any]:
    """`verbatim`: Slack looks for nothing else in it."""
    text = f"<{escape(url).replace('|', '%7C')}|{escape(one_line(name))}>"
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}
