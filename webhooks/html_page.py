"""A page of HTML: it needs no script and loads nothing, and no other site can put it in a frame."""

import base64
import hashlib
from html import escape

from aiohttp import web

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:40rem;padding:0 1rem;"
    "overflow-wrap:anywhere}"
    "fieldset{border:1px solid #999;margin:1rem 0}label{display:block;margin:.3rem 0}"
    ".warning{border-left:4px solid #b35900;padding:.3rem 1rem}"
    "button{font:inherit;margin:0 1rem 0 0}pre{white-space:pre-wrap}"
)


def _hash(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


STYLE_HASH = _hash(STYLE)


def page(
    title: str, body: str, status: int = 200, form_target: str | None = "'self'", script: str = ""
) -> web.Response:
    """`title` is a text. `body` is HTML, whose texts are escaped.

    `form_target`: where its forms lead; None: anywhere. A browser checks it also for the redirects
    that follow. `script`: a constant that runs at the end. The page must work without it.
    """
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)} · Hubbub</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main>{_script(script)}</body></html>"
    )
    response = web.Response(text=text, status=status, content_type="text/html")
    return protect(response, form_target, script)


def _script(script: str) -> str:
    return f"<script>{script}</script>" if script else ""


def protect(
    response: web.Response, form_target: str | None = "'self'", script: str = ""
) -> web.Response:
    """Add the headers to an answer for a browser, and return it."""
    scripts = f"script-src 'sha256-{_hash(script)}'; " if script else ""
    forms = "" if form_target is None else f"form-action {form_target}; "
    response.headers.update(
        {
            "Cache-Control": "no-store",
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; "
            f"{scripts}{forms}frame-ancestors 'none'; base-uri 'none'",
            # With no-referrer, a browser would send no origin with a form.
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
        }
    )
    return response
