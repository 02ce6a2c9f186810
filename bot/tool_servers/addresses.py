"""Web addresses that somebody else chose: which are accepted before anything is sent there."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.errors import Refused

LONGEST = 1000
# Letters that an address in a request may have: no spaces, no control characters.
WEB = re.compile(r"https?://[!-~]+")
HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
# The setting with the origins that the operator allows.
TRUSTED = "HUBBUB_TRUSTED_ORIGINS"


@dataclass(frozen=True)
class WebAddress:
    """`is_trusted`: the operator allowed its origin, so it may be private, and may use http."""

    url: str
    is_trusted: bool


def origin(url: str) -> str:
    """`https://host:port`, without what is the default."""
    parts = urlsplit(url)
    whole = f"{parts.scheme}://{parts.netloc}".lower()
    return whole.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))


def check_web(
    url: str, trusted: Collection[str], setting: str = TRUSTED, argument: str = "url"
) -> WebAddress:
    """Raise Refused unless Hubbub may send to this address. `trusted`: the operator's origins.

    `argument`: which one the error is about.
    """
    if len(url) > LONGEST or not WEB.fullmatch(url):
        raise unusable("it must begin with https:// and have no spaces", argument)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise unusable("it cannot be read", argument) from exc
    if "@" in parts.netloc or "#" in url or "\\" in url:
        raise unusable("it must not have a user name, a fragment or a backslash", argument)
    if origin(url) in trusted:
        return WebAddress(url, is_trusted=True)
    exception = (
        f"The operator of the server can allow others: set {setting}=http://host:port, and "
        "restart `hubbub serve`"
    )
    if parts.scheme != "https":
        raise unusable(f"it must begin with https://. {exception}", argument)
    if port not in (None, 443) or not HOST.fullmatch((parts.hostname or "").lower()):
        raise unusable(f"it must be a host on the internet, without a port. {exception}", argument)
    return WebAddress(url, is_trusted=False)


def unusable(why: str, argument: str = "") -> Refused:
    errors = {"errors": [{"argument": argument, "problem": why}]} if argument else {}
    return Refused("invalid_arguments", f"The address cannot be used: {why}.", **errors)
