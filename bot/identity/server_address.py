"""The address of this server, which access tokens name as their audience."""

from bot.settings import Settings

# The endpoint of MCP. Its address is what OAuth calls the resource.
ENDPOINT = "/mcp"


def address_of(loaded: Settings) -> str:
    """HUBBUB_PUBLIC_URL, or the address on this machine."""
    return loaded.public_url or f"http://127.0.0.1:{loaded.port}"


def audience_of(address: str) -> str:
    """The audience of the access tokens for the server at this address."""
    return f"{address}{ENDPOINT}"
