"""The simulated GitHub registers Apps as GitHub does, and refuses what GitHub refuses."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from fixtures.github.app_registration import problems
from tests.support.github_client import Acme
from tests.support.web_forms import FormBrowser, Page, page_of

APP_YML = yaml.safe_load((Path(__file__).parents[2] / "app.yml").read_text())
BACK = "http://127.0.0.1:9/back"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, []),
        ({"url": None}, ['"url" wasn\'t supplied.']),
        # GitHub names the member without its parent.
        ({"hook_attributes": {"active": False}}, ['"url" wasn\'t supplied.']),
        (
            {"hook_attributes": {"url": "https://a.example", "secret": "x"}},
            ['"secret" is not a permitted key.'],
        ),
        ({"webhook_secret": "x"}, ['"webhook_secret" is not a permitted key.']),
        ({"public": "no"}, ["For \"properties/public\", 'no' is not of the right type."]),
        ({"default_events": ["installation"]}, ["Default events unsupported: installation"]),
        (
            {"default_permissions": {"isues": "write"}},
            ["Default permission records resource is not included in the list: isues"],
        ),
        (
            {"default_permissions": {"issues": "all"}},
            ["Default permission records action is not included in the list: all"],
        ),
        ({"callback_urls": ["https://a.example"] * 11}, ["Callback urls must be at most 10."]),
    ],
)
def test_a_manifest_is_judged_as_github_does(changed: dict[str, Any], says: list[str]) -> None:
    made = {name: each for name, each in (APP_YML | changed).items() if each is not None}
    assert problems(made) == says


async def review(acme: Acme, browser: FormBrowser, path: str, **changed: Any) -> Page:
    manifest = json.dumps(APP_YML | {"name": "Ours", "redirect_url": BACK} | changed)
    form = (
        f'<form method="post" action="{acme.github.url}{path}">'
        f"<input type='hidden' name='manifest' value='{manifest.replace(chr(39), '&#39;')}'></form>"
    )
    return await browser.submit(page_of("", form), login="ada")


async def test_only_members_register_an_app_for_an_organization(acme: Acme) -> None:
    async with aiohttp.ClientSession() as session:
        browser = FormBrowser(session)
        path = "/organizations/acme/settings/apps/new"
        assert (await review(acme, browser, path)).status == 404
        acme.github.add_member("acme", "ada")
        assert (await review(acme, browser, path)).title == "Create GitHub App for acme"
        assert (
            await review(acme, browser, "/organizations/nobody/settings/apps/new")
        ).status == 404
        refused = await review(acme, browser, path, hook_attributes={"active": True})
        assert (refused.status, refused.title) == (422, "Invalid GitHub App configuration")


async def test_a_private_app_can_be_installed_on_its_owner_alone(acme: Acme) -> None:
    async with aiohttp.ClientSession() as session:
        browser = FormBrowser(session)
        browser.follows = False
        created = await browser.click(
            await review(acme, browser, "/settings/apps/new"), name="Ours"
        )
        assert created.headers["Location"].startswith(f"{BACK}?code=")
        page = await browser.open(f"{acme.github.url}/apps/ours/installations/new")
        assert [each.button for each in page.forms] == ["Install on ada"]
        other = await browser.submit(page, account="acme")
        assert (other.status, acme.github.world.installations) == (404, {})
        assert (await browser.click(page)).status == 302
        assert (await browser.click(page)).status == 422
        (held,) = acme.github.world.installations.values()
        assert (held.account.login, held.permissions["issues"]) == ("ada", "write")
