"""Where a notification may go: which web and mail addresses are accepted."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.errors import Refused

LONGEST = 1000
# Letters that an address in a request may have: no spaces, no control characters.
WEB = re.compile(r"https?://[!-~]+")
HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
MAIL = re.compile(
    r"[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
MOST_RECIPIENTS = 20


@dataclass(frozen=True)
class WebAddress:
    """`is_trusted`: the operator allowed its origin, so it may be private, and may use http."""

    url: str
    is_trusted: bool


EXCEPTION = (
    "The operator of the server can allow others: set HUBBUB_NOTIFY_ORIGINS=http://host:port, and "
    "restart `hubbub serve`"
)


def origin(url: str) -> str:
    """`https://host:port`, without what is the default."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def check_web(url: str, trusted: Collection[str]) -> WebAddress:
    """Raise Refused unless Hubbub may send to this address. `trusted`: the operator's origins."""
    if len(url) > LONGEST or not WEB.fullmatch(url):
        raise _refusal("it must begin with https:// and have no spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise _refusal("it cannot be read") from exc
    if "@" in parts.netloc or "#" in url or "\\" in url:
        raise _refusal("it must not have a user name, a fragment or a backslash")
    if origin(url) in trusted:
        return WebAddress(url, is_trusted=True)
    if parts.scheme != "https":
        raise _refusal(f"it must begin with https://. {EXCEPTION}")
    if port not in (None, 443) or not HOST.fullmatch((parts.hostname or "").lower()):
        raise _refusal(f"it must be a host on the internet, without a port. {EXCEPTION}")
    return WebAddress(url, is_trusted=False)


def check_mail(text: str) -> tuple[str, ...]:
    """The recipients, separated by commas. Raise Refused."""
    found = tuple(each.strip() for each in text.split(",") if each.strip())
    if not 1 <= len(found) <= MOST_RECIPIENTS:
        raise _refusal(f"pass 1 to {MOST_RECIPIENTS} mail addresses, separated by commas")
    for each in found:
        if len(each) > 254 or not MAIL.fullmatch(each):
            raise _refusal(f"{each!r} is not a mail address such as ada@example.com")
    return found


def _refusal(why: str) -> Refused:
    return Refused("invalid_arguments", f"The address cannot be used: {why}.")
