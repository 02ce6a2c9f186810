"""The style sheet with the colour of an account."""

from aiohttp import web

from webhooks.page import answers, pages
from webhooks.page.visit import Visit


async def style(request: web.Request) -> web.StreamResponse:
    return await pages.answer(request, _style)


async def _style(visit: Visit) -> web.Response:
    color, on_color = visit.look.color, visit.look.on_color if visit.look.color else ""
    text = f":root {{ --accent: {color}; --on-accent: {on_color}; }}\n" if color else ""
    headers = {**answers.HEADERS, "Cache-Control": "private, max-age=300"}
    return web.Response(text=text, content_type="text/css", headers=headers)
