"""Cookies that no script, no other host and no form of another site can use."""

from aiohttp import web

from webhooks.addresses import ADDRESSES


def get(request: web.Request, name: str) -> str:
    """The cookie's content, or an empty text."""
    return request.cookies.get(_full_name(request, name), "")


def starting_with(request: web.Request, start: str) -> dict[str, str]:
    """The contents of the cookies whose name starts so, by name."""
    full = _full_name(request, start)
    found = request.cookies.items()
    return {start + name.removeprefix(full): each for name, each in found if name.startswith(full)}


def put(request: web.Request, response: web.Response, name: str, value: str, lasts_s: int) -> None:
    response.set_cookie(
        _full_name(request, name),
        value,
        max_age=lasts_s,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="Lax",
    )


def drop(request: web.Request, response: web.Response, name: str) -> None:
    put(request, response, name, "", 0)


def _is_secure(request: web.Request) -> bool:
    return request.app[ADDRESSES].base(request).startswith("https:")


def _full_name(request: web.Request, name: str) -> str:
    """With `__Host-` no other host or path can set the cookie."""
    return f"__Host-{name}" if _is_secure(request) else name
