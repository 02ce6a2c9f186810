"""What each service gets: its documented form, its limits, and nothing that texts of others do."""

import json
import re
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest

from bot.notifications.entries import Entry
from bot.notifications.message import Links, Message
from bot.notifications.services import discord, slack, teams
from bot.notifications.services.mail import mail

PAGE = "https://hubbub.example.com"
# All that a service could take for a mention, a link, formatting or the end of a header.
HOSTILE = (
    "@everyone @here <!channel> <!here|x> <@U123> <#C1> <@&99> <https://evil.example|click> "
    "[click](https://evil.example) https://evil.example www.evil.example **bold** `code` "
    "```block``` ||spoiler|| # big\r\nBcc: victim@example.com\n<at>Ada</at> <b>x</b> &amp; \u202e"
)


def message(n: int = 1, title: str = "It failed.", **more: Any) -> Message:
    entries = [
        Entry(
            key=f"task_failed:{k}",
            kind="task_failed",
            change="began",
            severity="warning",
            title=title,
            action="Retry it.",
            name=f"acme/rocket#{k + 1}",
            since="2026-11-30T12:00:00Z",
        )
        for k in range(n)
    ]
    given: dict[str, Any] = {"more": 0, "account": "acme", "links": Links(page=PAGE)}
    return Message("n_1", 1_800_000_000, tuple(entries), **{**given, **more})


def texts(value: Any, key: str = "text") -> list[str]:
    """All texts under a key, in any depth."""
    if isinstance(value, list):
        return [each for item in value for each in texts(item, key)]
    if not isinstance(value, dict):
        return []
    own = [value[key]] if isinstance(value.get(key), str) else []
    return own + [each for item in value.values() for each in texts(item, key)]


# --- Slack ---------------------------------------------------------------------------------------


def test_slack_gets_blocks_with_a_link_for_each_item() -> None:
    assert slack.payload(message(1, more=2)) == {
        "text": "Hubbub: 3 things need a person in acme",
        "blocks": [
            {
                "type": "header",
                "text": {
                    "type": "plain_text",
                    "text": "Hubbub: 3 things need a person in acme",
                    "emoji": False,
                },
            },
            {
                "type": "section",
                "text": {"type": "plain_text", "text": "🟠 It failed. Retry it.", "emoji": False},
            },
            {
                "type": "context",
                "elements": [
                    {
                        "type": "mrkdwn",
                        "text": "<https://github.com/acme/rocket/issues/1|acme/rocket#1>",
                        "verbatim": True,
                    }
                ],
            },
            {
                "type": "section",
                "text": {"type": "plain_text", "text": "And 2 more.", "emoji": False},
            },
            {
                "type": "context",
                "elements": [
                    {
                        "type": "mrkdwn",
                        "text": "<https://hubbub.example.com|Open Hubbub>",
                        "verbatim": True,
                    }
                ],
            },
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_slack_takes_no_text_of_others_for_a_mention_or_a_link() -> None:
    found = slack.payload(message(1, HOSTILE, account="<!channel>"))
    for block in found["blocks"]:
        for part in [block.get("text"), *block.get("elements", ())]:
            if part and part["type"] == "mrkdwn":
                assert re.fullmatch(r"<https://[^<>|]+\|[^<>|]+>", part["text"])
    assert found["text"] == "Hubbub: 1 thing needs a person in &lt;!channel&gt;"


@pytest.mark.parametrize("n", [1, 23, 50])
def test_slack_gets_no_more_than_it_takes(n: int) -> None:
    found = slack.payload(message(n, HOSTILE * 20, more=9))
    assert len(found["blocks"]) <= 50
    sections = [each for each in found["blocks"] if each["type"] == "section"]
    assert all(1 <= len(each["text"]["text"]) <= 3000 for each in sections)
    shown = sum("It" in t or "@everyone" in t for t in texts(sections))
    left = n + 9 - shown
    assert f"And {left} more." in texts(sections)


# --- Discord -------------------------------------------------------------------------------------


def test_discord_gets_embeds_and_may_mention_nobody() -> None:
    assert discord.payload(message(1)) == {
        "content": "Hubbub\\: 1 thing needs a person in acme\n<https://hubbub.example.com>",
        "embeds": [
            {
                "description": "🟠 It failed\\. Retry it\\.",
                "color": 0xBC4C00,
                "title": "acme/rocket\\#1",
                "url": "https://github.com/acme/rocket/issues/1",
            }
        ],
        "allowed_mentions": {"parse": []},
    }


def test_discord_takes_no_text_of_others_for_a_mention_a_link_or_formatting() -> None:
    found = discord.payload(message(1, HOSTILE))
    (embed,) = found["embeds"]
    bare = re.sub(r"\\.", "", embed["description"])
    assert not re.search(r"[@<>\[\]()`*_~|#:]", bare)
    assert "\n" not in embed["description"]


@pytest.mark.parametrize("n", [1, 10, 50])
def test_discord_gets_no_more_than_it_takes(n: int) -> None:
    found = discord.payload(message(n, HOSTILE * 20, more=9))
    assert len(found["content"]) <= 2000
    assert len(found["embeds"]) <= 10
    lengths = [(len(each["title"]), len(each["description"])) for each in found["embeds"]]
    assert all(title <= 256 and text <= 4096 for title, text in lengths)
    assert sum(map(sum, lengths)) <= 6000
    assert f"And {n + 9 - len(lengths)} more." in found["content"]


# --- Teams ---------------------------------------------------------------------------------------


def test_teams_gets_an_adaptive_card() -> None:
    assert teams.payload(message(1)) == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": [
                        {
                            "type": "RichTextBlock",
                            "inlines": [
                                {
                                    "type": "TextRun",
                                    "text": "Hubbub: 1 thing needs a person in acme",
                                    "weight": "Bolder",
                                    "size": "Medium",
                                }
                            ],
                        },
                        {
                            "type": "RichTextBlock",
                            "inlines": [{"type": "TextRun", "text": "🟠 It failed. Retry it."}],
                        },
                    ],
                    "actions": [
                        {"type": "Action.OpenUrl", "url": PAGE, "title": "Open Hubbub"},
                        {
                            "type": "Action.OpenUrl",
                            "url": "https://github.com/acme/rocket/issues/1",
                            "title": "acme/rocket#1",
                        },
                    ],
                },
            }
        ],
    }


def test_teams_shows_texts_of_others_in_no_part_that_has_markdown() -> None:
    (attachment,) = teams.payload(message(3, HOSTILE))["attachments"]
    card = attachment["content"]
    assert {each["type"] for each in card["body"]} == {"RichTextBlock"}
    assert {each["type"] for block in card["body"] for each in block["inlines"]} == {"TextRun"}
    assert "msteams" not in card
    assert all(each["url"].startswith(("https://github.com/", PAGE)) for each in card["actions"])


def test_teams_gets_no_more_than_it_takes() -> None:
    found = teams.payload(message(50, "é" * 400, more=9))
    assert len(json.dumps(found, ensure_ascii=False).encode()) <= 28 * 1024
    (more,) = [each for each in texts(found) if each.startswith("And ")]
    assert int(more.split()[1]) > 9


# --- Mail ----------------------------------------------------------------------------------------


def test_a_mail_is_plain_text_with_the_id_of_the_message() -> None:
    made = mail(message(2, more=3), "hubbub@example.com", ["ada@example.com", "bob@example.com"])
    assert {name: str(value) for name, value in made.items() if name != "Date"} == {
        "From": "hubbub@example.com",
        "To": "ada@example.com, bob@example.com",
        "Subject": "Hubbub: 5 things need a person in acme",
        "Message-ID": "<n_1@example.com>",
        "Auto-Submitted": "auto-generated",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "8bit",
        "MIME-Version": "1.0",
    }
    assert made.get_content() == (
        "🟠 It failed. Retry it.\nhttps://github.com/acme/rocket/issues/1\n\n"
        "🟠 It failed. Retry it.\nhttps://github.com/acme/rocket/issues/2\n\n"
        "And 3 more.\n\nHubbub: https://hubbub.example.com\n"
    )


def test_no_text_of_others_becomes_a_header_or_a_link() -> None:
    hostile = message(1, HOSTILE, account="acme\r\nBcc: victim@example.com")
    made = mail(hostile, "hubbub@example.com", ["ada@example.com"])
    read = BytesParser(policy=default).parsebytes(bytes(made))
    assert read["Bcc"] is None
    assert read["Subject"] == "Hubbub: 1 thing needs a person in acme Bcc: victim@example.com"
    links = re.findall(r"https?://\S+|www\.\S+", read.get_content())
    assert links == ["https://github.com/acme/rocket/issues/1", PAGE]
    assert "\nBcc" not in read.get_content()


def test_what_is_over_is_told_as_resolved() -> None:
    entry = message(1).entries[0].model_copy(update={"change": "ended", "action": ""})
    found = slack.payload(Message("n_1", 1, (entry,), 0, "acme", Links()))
    assert texts(found["blocks"]) == [
        "Hubbub: 1 resolved in acme",
        "✅ Resolved: It failed.",
        "<https://github.com/acme/rocket/issues/1|acme/rocket#1>",
    ]
