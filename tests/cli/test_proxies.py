"""Requests that leave this machine go through the proxy that the environment names."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web  # noqa: TID251 - a proxy is a server
from aiohttp.test_utils import RawTestServer

from bot.github.client import open_client
from bot.github.proxies import proxy_for
from bot.github.requests import Unreachable
from bot.settings import GitHubApp
from fixtures.github.app import key_pair
from tests.support.command_line import hubbub
from tests.support.server_process import settings

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Proxy:
    """Answers every request itself, because the hosts do not exist."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.url = ""
        self.status = 200

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.hosts.append(request.host)
        return web.json_response({"agents": []}, status=self.status)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    made = Proxy()
    server = RawTestServer(made.answer)
    await server.start_server()
    made.url = str(server.make_url("")).rstrip("/")
    yield made
    await server.close()


@pytest.mark.parametrize(
    ("url", "given", "expected"),
    [
        ("https://api.github.com", {}, None),
        ("https://api.github.com", {"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ("https://api.github.com", {"https_proxy": "p:3128"}, "http://p:3128"),
        ("https://api.github.com", {"HTTP_PROXY": "http://p:3128"}, None),
        ("http://github.lan:81/api/v3", {"http_proxy": "http://p:3128"}, "http://p:3128"),
        ("http://github.lan", {"http_proxy": "http://p:3128", "NO_PROXY": "x,.lan"}, None),
        ("http://github.lan:81", {"http_proxy": "http://p:3128", "NO_PROXY": "github.lan"}, None),
        ("http://127.0.0.1:8080", {"http_proxy": "http://p:3128"}, None),
        ("http://[::1]:8080", {"http_proxy": "http://p:3128"}, None),
        ("http://localhost", {"http_proxy": "http://p:3128"}, None),
    ],
)
def test_the_environment_names_the_proxy_of_an_address(
    monkeypatch: pytest.MonkeyPatch, url: str, given: dict[str, str], expected: str | None
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == expected


async def test_a_call_at_a_server_goes_through_the_proxy(tmp_path: Path, proxy: Proxy) -> None:
    given = {"HUBBUB_URL": "http://hubbub.invalid", "HUBBUB_TOKEN": "x"}
    given |= {"http_proxy": proxy.url}
    code, _, err = await hubbub("call", "list_agents", folder=tmp_path, **given)
    assert (code, err, proxy.hosts) == (0, "", ["hubbub.invalid"])


async def test_a_call_follows_no_redirect_because_the_token_would_go_with_it(
    tmp_path: Path, proxy: Proxy
) -> None:
    async def redirect(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": proxy.url})

    async with RawTestServer(redirect) as server:
        given = {"HUBBUB_URL": str(server.make_url("/")), "HUBBUB_TOKEN": "x"}
        code, _, err = await hubbub("call", "list_agents", folder=tmp_path, **given)
    assert (code, proxy.hosts) == (1, [])
    assert "is not Hubbub (307, " in err


async def test_a_call_says_that_a_gateway_answered_for_the_server(tmp_path: Path) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"error": {"code": 502, "message": "Bad Gateway"}}, status=502)

    async with RawTestServer(answer) as gateway:
        given = {"HUBBUB_URL": str(gateway.make_url("/")), "HUBBUB_TOKEN": "x"}
        code, _, err = await hubbub("call", "list_agents", folder=tmp_path, **given)
    assert code == 1
    assert "is not Hubbub (502, application/json)" in err


async def test_requests_to_github_go_through_the_proxy(
    sqlite_url: str, tmp_path: Path, proxy: Proxy
) -> None:
    given = settings(sqlite_url) | {"HUBBUB_GITHUB_API_URL": "http://github.invalid"}
    proxy.status = 502
    await hubbub("doctor", folder=tmp_path, **given, http_proxy=proxy.url)
    assert set(proxy.hosts) == {"github.invalid"}


async def test_a_tunnel_that_the_proxy_refuses_means_that_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy
) -> None:
    monkeypatch.setenv("https_proxy", proxy.url)
    proxy.status = 403
    app = GitHubApp("4711", key_pair()[0], "", "https://github.invalid", time_out_s=5)
    async with open_client(app) as github:
        with pytest.raises(Unreachable):
            await github.app_request("POST", "/app/hook/deliveries/1/attempts")
    assert proxy.hosts == ["github.invalid"]
