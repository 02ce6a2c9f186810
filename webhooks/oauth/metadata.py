"""The documents by which OAuth clients find the login, and the header that names them."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bot.github.sign_in import DEVICE_GRANT
from bot.identity.server_address import ENDPOINT
from webhooks.addresses import ADDRESSES

# The only scope. What a token may do is chosen by the person who logs in.
SCOPE = "hubbub"
RESOURCE = "/.well-known/oauth-protected-resource"
SERVER = "/.well-known/oauth-authorization-server"
AUTHORIZE, TOKEN, REVOKE = "/oauth/authorize", "/oauth/token", "/oauth/revoke"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE = "/oauth/device_authorization"
# Clients in a browser, such as the page of the MCP Inspector, may read it. No cookie counts here.
FOR_PAGES = {"Access-Control-Allow-Origin": "*"}
KEEP = {"Cache-Control": "public, max-age=300", **FOR_PAGES}


def add_routes(router: web.UrlDispatcher, prefix: str) -> None:
    """`prefix`: the path of the public address. RFC 8414 and RFC 9728 put it at the end."""
    for end in sorted({"", prefix}):
        router.add_get(f"{SERVER}{end}", authorization_server)
        router.add_get(f"{RESOURCE}{end}", server_as_resource)
        router.add_get(f"{RESOURCE}{end}{ENDPOINT}", endpoint_as_resource)
        for path in (f"{SERVER}{end}", f"{RESOURCE}{end}", f"{RESOURCE}{end}{ENDPOINT}"):
            router.add_options(path, let_pages_ask)


async def let_pages_ask(_: web.Request) -> web.Response:
    """A browser asks first whether a page may send headers of its own, as clients of MCP do."""
    headers = {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "*",
        "Access-Control-Max-Age": "86400",
    }
    return web.Response(status=204, headers=FOR_PAGES | headers)


async def authorization_server(request: web.Request) -> web.Response:
    """RFC 8414."""
    base = request.app[ADDRESSES].base(request)
    document = {
        "issuer": base,
        "authorization_endpoint": base + AUTHORIZE,
        "token_endpoint": base + TOKEN,
        "revocation_endpoint": base + REVOKE,
        "device_authorization_endpoint": base + DEVICE,
        "scopes_supported": [SCOPE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code",
            "refresh_token",
            EXCHANGE,
            DEVICE_GRANT,
        ],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
    }
    return web.json_response(document, headers=KEEP)


async def server_as_resource(request: web.Request) -> web.Response:
    return web.json_response(_resource(request, ""), headers=KEEP)


async def endpoint_as_resource(request: web.Request) -> web.Response:
    return web.json_response(_resource(request, ENDPOINT), headers=KEEP)


def _resource(request: web.Request, path: str) -> Mapping[str, Any]:
    """RFC 9728."""
    base = request.app[ADDRESSES].base(request)
    return {
        "resource": base + path,
        "authorization_servers": [base],
        "scopes_supported": [SCOPE],
        "bearer_methods_supported": ["header"],
        "resource_name": "Hubbub",
    }


def challenge(request: web.Request) -> str:
    """The header WWW-Authenticate of a 401: where the login is (RFC 9728, 5.1; RFC 6750, 3)."""
    base = request.app[ADDRESSES].base(request)
    path = ENDPOINT if request.path.rstrip("/") == ENDPOINT else ""
    fields = {
        "realm": "hubbub",
        "resource_metadata": f"{base}{RESOURCE}{path}",
        "scope": SCOPE,
    }
    if request.headers.get("Authorization"):
        fields["error"] = "invalid_token"
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in fields.items())
