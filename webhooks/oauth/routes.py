"""The routes of the authorization server."""

from aiohttp import web

from webhooks.oauth import authorize, token
from webhooks.oauth.metadata import AUTHORIZE, DEVICE, REVOKE, TOKEN, let_pages_ask
from webhooks.oauth.server import OAUTH, OAuthServer


def add_routes(app: web.Application, server: OAuthServer) -> None:
    app[OAUTH] = server
    app.router.add_get(AUTHORIZE, authorize.show)
    app.router.add_post(AUTHORIZE, authorize.decide)
    app.router.add_post(TOKEN, token.token)
    app.router.add_post(DEVICE, token.authorize_device)
    app.router.add_post(REVOKE, token.revoke)
    for path in (TOKEN, REVOKE):
        app.router.add_options(path, let_pages_ask)
