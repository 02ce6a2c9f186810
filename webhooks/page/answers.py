"""Answers for a browser: they load nothing from elsewhere, and no other site can frame them."""

from aiohttp import web

# No inline script or style, and nothing from another host.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # With no-referrer, a browser would send no origin with a form.
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, Accept",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)


def see_other(address: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": address})
