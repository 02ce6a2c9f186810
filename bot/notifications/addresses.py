"""Where a notification may go: which web and mail addresses are accepted."""

import re
from collections.abc import Collection

from bot.tool_servers import addresses as web_addresses
from bot.tool_servers.addresses import WebAddress, unusable

MAIL = re.compile(
    r"[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
MOST_RECIPIENTS = 20
# The setting with the origins that the operator allows.
TRUSTED = "HUBBUB_NOTIFY_ORIGINS"


def check_web(url: str, trusted: Collection[str]) -> WebAddress:
    """Raise Refused unless Hubbub may send to this address. `trusted`: the operator's origins."""
    return web_addresses.check_web(url, trusted, TRUSTED)


def check_mail(text: str) -> tuple[str, ...]:
    """The recipients, separated by commas. Raise Refused."""
    found = tuple(each.strip() for each in text.split(",") if each.strip())
    if not 1 <= len(found) <= MOST_RECIPIENTS:
        raise unusable(f"pass 1 to {MOST_RECIPIENTS} mail addresses, separated by commas")
    for each in found:
        if len(each) > 254 or not MAIL.fullmatch(each):
            raise unusable(f"{each!r} is not a mail address such as ada@example.com")
    return found
