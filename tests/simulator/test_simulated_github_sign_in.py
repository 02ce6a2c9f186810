"""How people sign in through the App on the simulated GitHub, and what their tokens show."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import encode_basic_auth

from tests.support.github_client import Acme, Answer

CALLBACK = "https://hubbub.example.com/login/callback"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
VERIFIER = "a" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)


@pytest.fixture(autouse=True)
def callback(acme: Acme) -> None:
    acme.github.app.callback_urls = [CALLBACK]


async def browse(acme: Acme, login: str, **changed: str) -> Answer:
    """Open the page where `login` lets the App act for them."""
    query = {
        "client_id": acme.github.app.client_id,
        "redirect_uri": CALLBACK,
        "state": "s1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changed
    async with acme.session.get(
        f"{acme.github.url}/login/oauth/authorize",
        params=query,
        cookies=acme.github.sign_in(login),
        allow_redirects=False,
    ) as response:
        return Answer(response.status, response.headers, await response.text())


def callback_query(answer: Answer) -> dict[str, str]:
    assert answer.status == 302
    return {name: value for name, (value,) in parse_qs(_query(answer)).items()}


def _query(answer: Answer) -> str:
    return urlsplit(str(answer.headers["Location"])).query


async def post(acme: Acme, path: str, **given: str) -> dict[str, Any]:
    """An answer in JSON, whose errors have status 200 too."""
    async with acme.session.post(
        acme.github.url + path, data=given, headers={"Accept": "application/json"}
    ) as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


async def exchange(acme: Acme, **given: str) -> dict[str, Any]:
    app = acme.github.app
    ids = {"client_id": app.client_id, "client_secret": app.client_secret}
    return await post(acme, "/login/oauth/access_token", **(ids | given))


async def code_of(acme: Acme, login: str) -> str:
    acme.github.world.sign_ins.authorized.add(acme.github.person(login).account)
    return callback_query(await browse(acme, login))["code"]


async def sign_in(acme: Acme, login: str) -> dict[str, Any]:
    return await exchange(acme, code=await code_of(acme, login), code_verifier=VERIFIER)


async def revoke(acme: Acme, token: str, secret: str) -> int:
    client_id = acme.github.app.client_id
    async with acme.session.delete(
        f"{acme.github.url}/applications/{client_id}/token",
        json={"access_token": token},
        headers={"Authorization": encode_basic_auth(client_id, secret)},
    ) as response:
        return response.status


async def as_user(acme: Acme, token: str, path: str) -> Answer:
    return await acme.send("GET", path, Authorization=f"Bearer {token}")


async def test_a_code_becomes_a_token_once_and_only_with_its_verifier(acme: Acme) -> None:
    wrong = await exchange(acme, code=await code_of(acme, "ada"), code_verifier="b" * 43)
    assert wrong["error"] == "bad_verification_code"
    code = await code_of(acme, "ada")
    given = await exchange(acme, code=code, code_verifier=VERIFIER, redirect_uri=CALLBACK)
    assert (given["token_type"], given["scope"], given["expires_in"]) == ("bearer", "", 28800)
    assert given["access_token"].startswith("ghu_")
    assert given["refresh_token"].startswith("ghr_")
    again = await exchange(acme, code=code, code_verifier=VERIFIER)
    assert again["error"] == "bad_verification_code"


async def test_a_code_expires_after_ten_minutes(acme: Acme) -> None:
    code = await code_of(acme, "ada")
    acme.clock.forward(600)
    late = await exchange(acme, code=code, code_verifier=VERIFIER)
    assert late["error_description"] == "The code passed is incorrect or expired."


async def test_a_new_person_sees_a_page_and_may_decline(acme: Acme) -> None:
    page = await browse(acme, "ada")
    assert page.status == 200
    assert 'name="authorize"' in page.data

    async def press(button: str) -> dict[str, str]:
        query = {"client_id": acme.github.app.client_id, "state": "s1", "authorize": button}
        async with acme.session.post(
            f"{acme.github.url}/login/oauth/authorize",
            data=query,
            cookies=acme.github.sign_in("ada"),
            allow_redirects=False,
        ) as response:
            return callback_query(Answer(response.status, response.headers, ""))

    denied = await press("0")
    assert (denied["error"], denied["state"]) == ("access_denied", "s1")
    assert set(await press("1")) == {"code", "state"}


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"client_id": "other"}, 404), ({"redirect_uri": "https://evil.example/"}, 400)],
)
async def test_an_unknown_app_or_address_gets_no_code(
    acme: Acme, changed: Mapping[str, str], status: int
) -> None:
    assert (await browse(acme, "ada", **changed)).status == status


async def test_a_browser_without_a_person_is_sent_to_sign_in(acme: Acme) -> None:
    found = await acme.send("GET", f"/login/oauth/authorize?client_id={acme.github.app.client_id}")
    assert (found.status, found.headers["Location"][:17]) == (302, "/login?return_to=")


async def test_a_wrong_secret_gets_an_error_with_status_200(acme: Acme) -> None:
    refused = await exchange(acme, code="x", client_secret="wrong")
    assert refused["error"] == "incorrect_client_credentials"


async def test_without_accept_the_answer_is_a_form(acme: Acme) -> None:
    async with acme.session.post(f"{acme.github.url}/login/oauth/access_token") as response:
        found = parse_qs(await response.text())
    assert found["error"] == ["incorrect_client_credentials"]


async def test_a_refresh_token_counts_once_and_ends_the_old_token(acme: Acme) -> None:
    old = await sign_in(acme, "ada")
    new = await exchange(acme, grant_type="refresh_token", refresh_token=old["refresh_token"])
    assert (await as_user(acme, new["access_token"], "/user")).data["login"] == "ada"
    assert (await as_user(acme, old["access_token"], "/user")).status == 401
    again = await exchange(acme, grant_type="refresh_token", refresh_token=old["refresh_token"])
    assert again["error"] == "bad_refresh_token"


async def test_the_token_of_a_person_ends_after_eight_hours_or_when_the_app_says_so(
    acme: Acme,
) -> None:
    token, app = (await sign_in(acme, "ada"))["access_token"], acme.github.app
    assert await revoke(acme, token, "wrong") == 404
    acme.clock.forward(28799)
    assert (await as_user(acme, token, "/user")).status == 200
    acme.clock.forward(1)
    assert (await as_user(acme, token, "/user")).data["message"] == "Bad credentials"
    other = (await sign_in(acme, "ada"))["access_token"]
    assert await revoke(acme, other, app.client_secret) == 204
    assert await revoke(acme, other, app.client_secret) == 404


async def test_a_person_sees_their_installations_and_their_role_in_each_repository(
    acme: Acme,
) -> None:
    acme.github.repository("acme/api", private=True)
    acme.github.repository("acme/secret", private=True)
    acme.github.add_repositories(acme.installation, ["acme/api", "acme/secret"])
    acme.github.person("eve", {"acme/web": "triage", "acme/api": "admin"})
    token = (await sign_in(acme, "eve"))["access_token"]
    listed = (await as_user(acme, token, "/user/installations")).data
    assert [each["id"] for each in listed["installations"]] == [acme.installation.id]
    path = f"/user/installations/{acme.installation.id}/repositories"
    found = (await as_user(acme, token, path)).data
    held = {
        each["full_name"]: [name for name, is_held in each["permissions"].items() if is_held]
        for each in found["repositories"]
    }
    assert held == {
        "acme/web": ["pull", "triage"],
        "acme/api": ["pull", "triage", "push", "maintain", "admin"],
    }


async def test_a_stranger_sees_no_installation_and_opens_nothing_else(acme: Acme) -> None:
    acme.github.person("stranger")
    token = (await sign_in(acme, "stranger"))["access_token"]
    assert (await as_user(acme, token, "/user/installations")).data["total_count"] == 0
    path = f"/user/installations/{acme.installation.id}/repositories"
    assert (await as_user(acme, token, path)).status == 404
    assert (await as_user(acme, token, "/repos/acme/web")).status == 403
    assert (await acme.call("GET", "/user")).status == 403


async def test_a_device_waits_slows_down_and_gets_its_token_once(acme: Acme) -> None:
    ids = {"client_id": acme.github.app.client_id}
    device = await post(acme, "/login/device/code", **ids)
    assert (device["expires_in"], device["interval"]) == (900, 5)

    async def poll() -> dict[str, Any]:
        given = {**ids, "grant_type": DEVICE, "device_code": device["device_code"]}
        return await post(acme, "/login/oauth/access_token", **given)

    assert (await poll())["error"] == "authorization_pending"
    slow = await poll()
    assert (slow["error"], slow["interval"]) == ("slow_down", 10)
    acme.clock.forward(10)
    acme.github.enter_user_code(device["user_code"], "ada")
    given = await poll()
    assert (await as_user(acme, given["access_token"], "/user")).data["id"] == acme.ada.id
    assert (await poll())["error"] == "incorrect_device_code"


async def test_a_device_may_be_denied_expire_or_be_switched_off(acme: Acme) -> None:
    ids = {"client_id": acme.github.app.client_id}
    denied, late = [await post(acme, "/login/device/code", **ids) for _ in range(2)]
    acme.github.enter_user_code(denied["user_code"], None)

    async def poll(device: dict[str, Any]) -> str:
        given = {**ids, "grant_type": DEVICE, "device_code": device["device_code"]}
        return str((await post(acme, "/login/oauth/access_token", **given))["error"])

    assert await poll(denied) == "access_denied"
    acme.clock.forward(900)
    assert await poll(late) == "expired_token"
    acme.github.app.device_flow = False
    off = await post(acme, "/login/device/code", **ids)
    assert off["error"] == "device_flow_disabled"


async def test_a_person_enters_the_code_of_a_device_on_its_page(acme: Acme) -> None:
    acme.github.person("ada")
    client_id = acme.github.app.client_id
    device = await post(acme, "/login/device/code", client_id=client_id)
    page = device["verification_uri"]
    assert page == f"{acme.github.url}/login/device"
    async with acme.session.get(page) as asked:
        assert 'value="ada"' in await asked.text()
    form = {"login": "ada", "user_code": device["user_code"].lower()}
    for changed in ({"login": "nobody"}, {"user_code": "x"}):
        async with acme.session.post(page, data=form | changed) as refused:
            assert refused.status == 400
    async with acme.session.post(page, data=form) as entered:
        assert await entered.text() == "ada is signed in on the device.\n"
    acme.clock.forward(device["interval"])
    given = {"grant_type": DEVICE, "device_code": device["device_code"]}
    assert (await exchange(acme, **given))["access_token"].startswith("ghu_")


async def test_a_browser_in_which_nobody_is_signed_in_asks_who_and_goes_back(acme: Acme) -> None:
    acme.github.person("ada")
    query = {"client_id": acme.github.app.client_id, "state": "s1"}
    start = f"{acme.github.url}/login/oauth/authorize"
    async with acme.session.get(start, params=query) as choice:
        back = choice.url.query["return_to"]
        assert 'value="ada"' in await choice.text()
    sign_in_page = f"{acme.github.url}/login"
    for elsewhere in ("//evil.example/", "https://evil.example/"):
        form = {"login": "ada", "return_to": elsewhere}
        async with acme.session.post(sign_in_page, data=form) as refused:
            assert refused.status == 400
    form = {"login": "ada", "return_to": back}
    async with acme.session.post(sign_in_page, data=form, allow_redirects=False) as done:
        assert (done.status, done.headers["Location"]) == (302, back)
        assert "user_session" in done.cookies
