"""`hubbub login`, `hubbub call` and `hubbub logout`: people on the command line."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web  # noqa: TID251 - an ingress is a server
from aiohttp.test_utils import RawTestServer

from bot.cli import login
from bot.errors import Refused
from bot.settings import Settings, WrongSettings
from tests.support.command_line import hubbub
from tests.support.login import open_login_server
from tests.support.person_at_terminal import CommandLine
from tests.support.story import Workspace


class Ingress:
    """Stands before the server. It answers with a page of its own while the server is away."""

    def __init__(self, person: CommandLine) -> None:
        self._person, self._url = person, person.server.url
        self._is_away = False

    def leave(self, _: str) -> None:
        self._is_away = True

    def come_back(self, _: str) -> None:
        self._is_away = False

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._is_away:
            return web.Response(status=502, text="<h1>Bad gateway", content_type="text/html")
        body, form = await request.read(), {"Content-Type": request.content_type}
        sent = self._person.server.client.post(self._url + request.path, data=body, headers=form)
        async with sent as found:
            return web.json_response(await found.json(), status=found.status)


@asynccontextmanager
async def open_ingress(person: CommandLine) -> AsyncIterator[Ingress]:
    made = Ingress(person)
    server = RawTestServer(made.answer)
    await server.start_server()
    url = str(server.make_url("")).rstrip("/")
    person.settings = Settings(_env_file=None, url=url)
    yield made
    await server.close()


@pytest.fixture
async def person(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CommandLine]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("HUBBUB_TOKEN", raising=False)
    async with open_login_server(workspace) as server:
        yield CommandLine(server, tmp_path)


def wait(_: str) -> None:
    """The person has not entered the code yet."""


async def test_a_person_logs_in_calls_and_logs_out(person: CommandLine) -> None:
    task = await person.server.workspace.task()
    person.meanwhile = [wait, person.enter()]
    assert await person.log_in() == "@octocat"
    page = f"{person.server.github.url}/login/device"
    assert person.said[0].startswith(f"Open {page} and enter the code ")
    assert person.slept == [5, 5]
    claimed = await person.call("claim_task", task=person.server.workspace.name(task))
    assert claimed["task"]["holder"] == "@octocat"
    kept = person.session()
    assert await asyncio.to_thread(login.log_out, person.settings)
    assert json.loads(person.file.read_text()) == {}
    with pytest.raises(WrongSettings, match="hubbub login"):
        await person.call("list_tasks")
    with pytest.raises(Refused, match="revoked"):
        await person.server.tokens.authenticate(kept["access_token"])
    assert not await asyncio.to_thread(login.log_out, person.settings)


async def test_the_session_is_for_the_person_alone(person: CommandLine) -> None:
    person.meanwhile = [person.enter()]
    await person.log_in()
    assert stat.S_IMODE(person.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(person.file.parent.stat().st_mode) == 0o700
    assert {each.name for each in person.file.parent.iterdir()} == {"sessions.json", "lock"}
    assert person.server.github.world.sign_ins.tokens == {}, "nobody keeps GitHub's token"


async def test_an_old_access_token_is_renewed_once_however_many_commands_run(
    person: CommandLine,
) -> None:
    person.meanwhile = [person.enter()]
    await person.log_in()
    before = person.session()
    person.age_session()
    await asyncio.gather(*(person.call("list_tasks") for _ in range(4)))
    after = person.session()
    assert after["refresh_token"] != before["refresh_token"]
    assert "_1-" in after["refresh_token"], "of the first generation after the login"


async def test_a_session_that_has_ended_is_forgotten(person: CommandLine) -> None:
    person.meanwhile = [person.enter()]
    await person.log_in()
    person.server.github.revoke_authorization("octocat")
    await person.server.workspace.settle()
    person.age_session()
    with pytest.raises(Refused, match="You are not logged in"):
        await person.call("list_tasks")
    assert json.loads(person.file.read_text()) == {}


async def test_a_token_in_the_settings_comes_first(person: CommandLine) -> None:
    person.meanwhile = [person.enter()]
    await person.log_in()
    person.settings = Settings(_env_file=None, url=person.server.url, token="hubbub_0123_nobodys")
    with pytest.raises(Refused, match="does not know the token in HUBBUB_TOKEN"):
        await person.call("list_tasks")


async def test_a_call_with_a_session_that_ended_elsewhere_says_to_log_in(
    person: CommandLine,
) -> None:
    person.meanwhile = [person.enter()]
    await person.log_in()
    person.server.github.revoke_authorization("octocat")
    await person.server.workspace.settle()
    with pytest.raises(Refused, match="You are not logged in"):
        await person.call("list_tasks")


async def test_who_asks_too_often_waits_longer(person: CommandLine) -> None:
    def too_early(_: str) -> None:
        person.server.workspace.clock.forward(-4)

    person.meanwhile = [wait, too_early, wait, person.enter()]
    await person.log_in()
    assert person.slept == [5, 5, 10, 10]


async def test_a_server_that_is_away_for_a_moment_ends_no_login(person: CommandLine) -> None:
    async with open_ingress(person) as ingress:
        person.meanwhile = [ingress.leave, wait, ingress.come_back, person.enter()]
        assert await person.log_in() == "@octocat"
    assert person.slept == [5, 10, 15, 15]


async def test_a_server_that_stays_away_ends_the_login(person: CommandLine) -> None:
    async with open_ingress(person) as ingress:
        person.meanwhile = [ingress.leave]
        assert "is not Hubbub (502" in await person.refusal()
    assert person.slept == [5, 10, 15, 20, 25, 30]


async def test_a_denied_login_says_so(person: CommandLine) -> None:
    person.meanwhile = [person.enter(None)]
    assert await person.refusal() == "The login was denied on GitHub."
    assert not person.file.exists()


async def test_a_code_that_nobody_enters_expires(person: CommandLine) -> None:
    person.meanwhile = [lambda _: person.server.workspace.clock.forward(900)]
    assert await person.refusal() == "The code has expired. Start the login again."


async def test_a_stranger_gets_no_session(person: CommandLine) -> None:
    person.server.github.person("stranger")
    person.meanwhile = [person.enter("stranger")]
    assert "@stranger, but you have no role in any repository" in await person.refusal()


async def test_who_has_access_to_several_accounts_names_one(person: CommandLine) -> None:
    github = person.server.github
    github.repository("beta/app", private=True)
    github.person("octocat", {"beta/app": "write"})
    github.install("beta", ["beta/app"])
    await person.server.workspace.settle()
    person.meanwhile = [person.enter()]
    assert await person.refusal() == (
        "You have access to several accounts: acme, beta. Choose one, such as "
        "`hubbub login --installation acme`."
    )
    person.meanwhile = [person.enter()]
    assert await person.refusal("gamma") == (
        "You have no access to that account. You have access to acme, beta."
    )
    person.meanwhile = [person.enter()]
    await person.log_in("Beta")
    listed = await person.call("list_tasks")
    assert listed["tasks"] == []


async def test_a_switched_off_device_flow_names_the_switch(person: CommandLine) -> None:
    person.server.github.app.device_flow = False
    assert "tick Enable Device Flow" in await person.refusal()
    given = {"HUBBUB_URL": person.server.url}
    code, _, err = await hubbub("login", folder=person.file.parents[1], **given)
    assert code == 1
    assert "tick Enable Device Flow" in err, "the command shows the answer of the server"


async def test_another_client_cannot_use_the_flow(person: CommandLine) -> None:
    async with person.server.client.post(
        f"{person.server.url}/oauth/device_authorization", data={"client_id": "other"}
    ) as response:
        assert (response.status, (await response.json())["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize("code", ["x", "é", "0123.AAAA", ""])
async def test_a_made_up_device_code_is_refused(person: CommandLine, code: str) -> None:
    given = {"client_id": login.CLIENT, "grant_type": login.DEVICE_GRANT, "device_code": code}
    async with person.server.client.post(
        f"{person.server.url}/oauth/token", data=given
    ) as response:
        assert response.status == 400
        assert (await response.json())["error"] in ("invalid_grant", "invalid_request")


async def test_a_server_address_is_needed(tmp_path: Path) -> None:
    del tmp_path
    nowhere = Settings(_env_file=None)
    with pytest.raises(WrongSettings, match="HUBBUB_URL is not set"):
        login.log_in(nowhere, "", print)
