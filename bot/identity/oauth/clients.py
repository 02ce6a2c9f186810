"""OAuth clients, and the addresses to which a client's code may be sent."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from bot.settings import WrongSettings

LONGEST_REDIRECT = 2000
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# Printable ASCII without what browsers read in their own way: a space, a quote, a backslash.
ADDRESS = re.compile(r"[!#-&(-;=?-\[\]_a-z~]+")
# No program of a person registers these, and a browser may act on them.
FORBIDDEN_SCHEMES = frozenset(
    {"about", "blob", "data", "file", "filesystem", "ftp", "javascript", "vbscript", "view-source"}
    | {"ws", "wss", "mailto", "tel", "sms"}
)
# It goes into a header of the consent page, where other characters would have a meaning.
NETLOC = re.compile(r"([A-Za-z0-9.-]+|\[::1\])(:\d{1,5})?")
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class Client:
    """A public client. `id` is a name of the settings, or the address of a metadata document."""

    id: str
    name: str
    redirect_uris: tuple[str, ...]

    @property
    def has_document(self) -> bool:
        return self.id.startswith("https://")


def registered_clients(setting: str) -> dict[str, Client]:
    """The clients in HUBBUB_OAUTH_CLIENTS. Raise WrongSettings."""
    redirects: dict[str, list[str]] = {}
    for each in setting.split():
        name, _, redirect = each.partition("=")
        problem = redirect_problem(redirect)
        if not NAME.fullmatch(name) or problem:
            raise WrongSettings(
                f"HUBBUB_OAUTH_CLIENTS: {each!r} must be a name and a redirect address, such as "
                f"inspector=http://127.0.0.1:6274/oauth/callback{f' ({problem})' * bool(problem)}"
            )
        redirects.setdefault(name, []).append(redirect)
    return {name: Client(name, name, tuple(each)) for name, each in redirects.items()}


def redirect_problem(uri: str) -> str | None:
    """Why no code may be sent to this address, whatever the client says. None if it may."""
    if not uri or len(uri) > LONGEST_REDIRECT or not ADDRESS.fullmatch(uri):
        return "the redirect address is empty, too long or has a character that is not allowed"
    if (parts := _split(uri)) is None or not parts.scheme:
        return "the redirect address is not an address"
    if "#" in uri:
        return "the redirect address has a fragment"
    if parts.scheme in FORBIDDEN_SCHEMES:
        return f"the scheme {parts.scheme} is not allowed"
    return _web_problem(parts) if parts.scheme in ("http", "https") else None


def _web_problem(parts: SplitResult) -> str | None:
    if not NETLOC.fullmatch(parts.netloc):
        return "the redirect address has no plain host, or a user name"
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return "http is allowed only for this computer; use https"
    return None


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_loopback(uri: str) -> bool:
    """Whether a program on the person's own computer gets the code."""
    parts = urlsplit(uri)
    return parts.scheme == "http" and parts.hostname in LOOPBACK


def may_redirect(allowed: Iterable[str], uri: str) -> bool:
    """Whether the address is one of the client's.

    On loopback the port may differ, because a program gets a free one when it starts
    (RFC 8252, 7.3).
    """
    if redirect_problem(uri):
        return False
    return any(uri == each or _differ_by_port(each, uri) for each in allowed)


def _differ_by_port(one: str, other: str) -> bool:
    if redirect_problem(one) or not (is_loopback(one) and is_loopback(other)):
        return False
    return _without_port(one) == _without_port(other)


def _without_port(uri: str) -> tuple[str | None, str, str]:
    """An empty path is the same as `/` (RFC 3986, 6.2.3), and programs write both."""
    parts = urlsplit(uri)
    return parts.hostname, parts.path or "/", parts.query


def origin_of(uri: str) -> str:
    """What a person is shown of the address: its origin, or the scheme of a program."""
    parts = urlsplit(uri)
    web = parts.scheme in ("http", "https")
    return f"{parts.scheme}://{parts.netloc}" if web else f"{parts.scheme}:"


def policy_source(uri: str) -> str | None:
    """The address as a source of a Content-Security-Policy, which has no form for IPv6.

    None for a page on the web. Chrome checks also where that page leads on, such as to the scheme
    of a program, and nobody can list that. https://github.com/PrefectHQ/fastmcp/pull/3372
    """
    origin = origin_of(uri)
    if origin.startswith("https:"):
        return None
    return "http:" if "[" in origin else origin
