"""`/api/v1/docs`: the operations by REST, to read and to try out with a token."""

from aiohttp import web

from webhooks.page import answers, rendering

# Icons in the style of Swagger UI are data.
POLICY = answers.POLICY.replace("img-src 'self'", "img-src 'self' data:")


async def show(request: web.Request) -> web.Response:
    page = answers.html(rendering.render(request, "api.html", {}))
    page.headers["Content-Security-Policy"] = POLICY
    return page
