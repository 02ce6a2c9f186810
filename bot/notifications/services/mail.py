"""A mail in plain text."""

import re
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from bot.notifications.entries import Entry
from bot.notifications.message import Message, line, one_line

LONGEST_SUBJECT = 150
LINK = re.compile(r"(:|www)(//|\.)", re.IGNORECASE)


def mail(message: Message, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Message-ID is the same in every attempt. The headers have no line ends of texts of others."""
    made = EmailMessage(policy=SMTP)
    made["From"] = sender
    made["To"] = ", ".join(recipients)
    made["Subject"] = one_line(message.headline)[:LONGEST_SUBJECT]
    made["Date"] = formatdate(message.at)
    made["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2].rstrip('>')}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content("\n\n".join(_parts(message)) + "\n")
    return made


def _parts(message: Message) -> list[str]:
    parts = [_part(message, each) for each in message.entries]
    page = f"Hubbub: {message.links.page}" if message.links.page else ""
    return [each for each in (*parts, message.remainder, page) if each]


def _part(message: Message, entry: Entry) -> str:
    shown = without_links(line(entry))
    return "\n".join(each for each in (shown, message.links.of(entry.name)) if each)


def without_links(text: str) -> str:
    """The text with a space in each web address, so that mail programs make no link of it."""
    return LINK.sub(r"\1 \2", text)
