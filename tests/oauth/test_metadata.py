"""How an OAuth client finds the login: the 401, the documents that it names, the SDK's reading."""

import httpx2
import pytest
from mcp.client.auth.utils import (
    extract_resource_metadata_from_www_auth,
    extract_scope_from_www_auth,
)
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata

from store.engine.transaction import Store
from tests.support.server_in_process import Surface, serving
from webhooks.addresses import Addresses

PUBLIC = "https://hubbub.example.com"
SERVER = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"


async def test_a_client_without_a_token_finds_the_login_step_by_step(
    sqlite_surface: Surface,
) -> None:
    refused = await sqlite_surface.send("POST", "/mcp", json={})
    response = httpx2.Response(refused.status, headers=dict(refused.headers))
    named = extract_resource_metadata_from_www_auth(response)
    assert named == f"{sqlite_surface.url}{RESOURCE}/mcp"
    assert extract_scope_from_www_auth(response) == "hubbub"
    found = await sqlite_surface.send("GET", named.removeprefix(sqlite_surface.url))
    resource = ProtectedResourceMetadata.model_validate(found.data)
    assert str(resource.resource) == f"{sqlite_surface.url}/mcp"
    (issuer,) = map(str, resource.authorization_servers)
    assert issuer.rstrip("/") == sqlite_surface.url
    server = OAuthMetadata.model_validate((await sqlite_surface.send("GET", SERVER)).data)
    assert str(server.issuer).rstrip("/") == issuer.rstrip("/")
    assert server.code_challenge_methods_supported == ["S256"]
    assert server.client_id_metadata_document_supported
    assert server.registration_endpoint is None


@pytest.mark.parametrize(
    ("path", "metadata"),
    [
        ("/mcp", f"{RESOURCE}/mcp"),
        ("/mcp/", f"{RESOURCE}/mcp"),
        ("/api/v1/list_tasks", RESOURCE),
    ],
)
async def test_a_401_names_the_metadata_and_says_if_a_token_was_wrong(
    sqlite_surface: Surface, path: str, metadata: str
) -> None:
    bare = await sqlite_surface.send("POST", path, json={})
    headers = {"Authorization": "Bearer hubbub_x_y"}
    wrong = await sqlite_surface.send("POST", path, json={}, headers=headers)
    where = f'resource_metadata="{sqlite_surface.url}{metadata}"'
    assert bare.headers["WWW-Authenticate"] == f'Bearer realm="hubbub", {where}, scope="hubbub"'
    assert wrong.headers["WWW-Authenticate"] == (
        f'Bearer realm="hubbub", {where}, scope="hubbub", error="invalid_token"'
    )


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("LOCALHOST:8080", "http://localhost:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("hubbub.lan:8080", "http://hubbub.lan:8080"),
        ("evil.example:8080", "http://127.0.0.1:8080"),
        ('localhost"x', "http://127.0.0.1:8080"),
        ("localhost@evil.example", "http://127.0.0.1:8080"),
        ("127.0.0.1.evil.example", "http://127.0.0.1:8080"),
    ],
)
async def test_without_a_public_url_a_client_gets_the_name_by_which_it_came(
    sqlite_store: Store, host: str, base: str
) -> None:
    local = Addresses("http://127.0.0.1:8080", fixed=False, host="hubbub.lan")
    async with serving(sqlite_store, 1, addresses=local) as server:
        found = await server.send("GET", SERVER, headers={"Host": host})
        assert found.data["issuer"] == base


async def test_the_public_url_counts_whatever_the_header_host_says(sqlite_store: Store) -> None:
    async with serving(sqlite_store, 1, addresses=Addresses(PUBLIC)) as server:
        found = await server.send("GET", SERVER, headers={"Host": "evil.example"})
        refused = await server.send("POST", "/mcp", json={}, headers={"Host": "evil.example"})
    assert found.data["issuer"] == PUBLIC
    assert found.data["token_endpoint"] == f"{PUBLIC}/oauth/token"
    assert f'"{PUBLIC}{RESOURCE}/mcp"' in refused.headers["WWW-Authenticate"]


async def test_behind_a_path_the_documents_are_where_the_standards_put_them(
    sqlite_store: Store,
) -> None:
    async with serving(sqlite_store, 1, addresses=Addresses(f"{PUBLIC}/tools")) as server:
        issuers = [
            (await server.send("GET", f"{SERVER}{end}")).data["issuer"] for end in ("", "/tools")
        ]
        resource = await server.send("GET", f"{RESOURCE}/tools/mcp")
    assert issuers == [f"{PUBLIC}/tools"] * 2
    assert resource.data["resource"] == f"{PUBLIC}/tools/mcp"


async def test_each_resource_document_names_the_address_under_which_it_stands(
    sqlite_surface: Surface,
) -> None:
    found = {
        end: (await sqlite_surface.send("GET", RESOURCE + end)).data["resource"]
        for end in ("", "/mcp")
    }
    assert found == {"": sqlite_surface.url, "/mcp": f"{sqlite_surface.url}/mcp"}


async def test_a_page_in_a_browser_may_read_what_its_client_needs(sqlite_surface: Surface) -> None:
    asked = {
        "Origin": "http://localhost:6274",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "mcp-protocol-version",
    }
    for path in (SERVER, RESOURCE, f"{RESOURCE}/mcp"):
        allowed = await sqlite_surface.send("OPTIONS", path, headers=asked)
        assert (allowed.status, allowed.headers["Access-Control-Allow-Headers"]) == (204, "*")
        found = await sqlite_surface.send("GET", path, headers=asked)
        assert found.headers["Access-Control-Allow-Origin"] == "*"
    refused = await sqlite_surface.send("OPTIONS", "/mcp", headers=asked)
    assert "Access-Control-Allow-Origin" not in refused.headers, "no page calls operations"
