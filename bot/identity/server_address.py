"""The names and the address of this server, which access tokens name as their audience."""

from urllib.parse import urlsplit

from bot.settings import Settings, split_list

# The endpoint of MCP. Its address is what OAuth calls the resource.
ENDPOINT = "/mcp"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


def address_of(loaded: Settings) -> str:
    """HUBBUB_PUBLIC_URL, or the address on this machine."""
    return loaded.public_url or f"http://127.0.0.1:{loaded.port}"


def audience_of(address: str) -> str:
    """The audience of the access tokens for the server at this address."""
    return f"{address}{ENDPOINT}"


def names_of(loaded: Settings) -> frozenset[str]:
    """The hosts, without ports, by which clients may name this server in the header Host.

    A web page can give the server a name of its own, and then reach it from the user's browser.
    """
    named = {loaded.host.lower(), *(each.lower() for each in split_list(loaded.allowed_hosts))}
    if loaded.public_url:
        named.add(urlsplit(loaded.public_url).hostname or "")
    return LOOPBACK | (named - {""})
