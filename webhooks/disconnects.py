"""Whether the client of a request still waits for the answer."""

from aiohttp import web


def is_gone(request: web.Request) -> bool:
    """Whether the connection of the request is closed."""
    return request.transport is None or request.transport.is_closing()
