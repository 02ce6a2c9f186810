"""Discord's webhooks: https://docs.discord.com/developers/resources/webhook#execute-webhook."""

import re
from typing import Any

from bot.notifications.entries import Entry
from bot.notifications.message import Message, line, one_line

# Discord's limits: embeds of a message, characters of a title, of a description, of all embeds.
MOST_EMBEDS, LONGEST_TITLE, LONGEST_TEXT, LONGEST_ALL = 10, 256, 4096, 6000
LONGEST_CONTENT = 2000
COLOURS = {"urgent": 0xD1242F, "warning": 0xBC4C00, "info": 0x0969DA}
RESOLVED = 0x1A7F37
# What is formatting in Discord's Markdown, and what begins mentions and links.
MARKUP = re.compile(r"([\\*_~`|>\[\](){}#@<:!+\-=.])")


def escape(text: str) -> str:
    return MARKUP.sub(r"\\\1", one_line(text))


def payload(message: Message) -> dict[str, Any]:
    """`allowed_mentions` without any: nobody is pinged, whatever the text contains."""
    embeds, left = _embeds(message)
    more = f"\nAnd {left} more." if left else ""
    page = f"\n<{message.links.page}>" if message.links.page else ""
    return {
        "content": f"{escape(message.headline)}{more}{page}"[:LONGEST_CONTENT],
        "embeds": embeds,
        "allowed_mentions": {"parse": []},
    }


def _embeds(message: Message) -> tuple[list[dict[str, Any]], int]:
    """As many embeds as fit, and how many entries are left."""
    embeds: list[dict[str, Any]] = []
    room = LONGEST_ALL
    for each in message.entries[:MOST_EMBEDS]:
        embed = _one_embed(message, each)
        room -= len(embed["description"]) + len(embed.get("title", ""))
        if room < 0:
            break
        embeds.append(embed)
    return embeds, message.more + len(message.entries) - len(embeds)


def _one_embed(message: Message, entry: Entry) -> dict[str, Any]:
    colour = RESOLVED if entry.change == "ended" else COLOURS[entry.severity]
    embed: dict[str, Any] = {"description": escape(line(entry))[:LONGEST_TEXT], "color": colour}
    if link := message.links.of(entry.name):
        embed |= {"title": escape(entry.name)[:LONGEST_TITLE], "url": link}
    return embed
