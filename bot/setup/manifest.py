"""The manifest with which GitHub registers the App: app.yml with the addresses of this server.

https://docs.github.com/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

import re
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from bot.settings import WrongSettings
from bot.setup.addresses import new_app_page

APP_YML = Path(__file__).parents[2] / "app.yml"
WEBHOOK_PATH = "/webhooks/github"
CALLBACK_PATH = "/login/callback"
# GitHub's limit. The name is unique on all of GitHub.
LONGEST_NAME = 34
LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")


@dataclass(frozen=True)
class NewApp:
    """What a person chose for the App."""

    name: str
    # The account that owns it; empty for the person's own.
    organization: str
    # The address of GitHub's web pages.
    web_url: str
    # Where others reach this server. Empty if they cannot.
    public_url: str
    # Where people on this machine reach it.
    local_url: str
    # Whether Hubbub fetches the deliveries, because GitHub cannot reach the server.
    pulls: bool = False


def suggested_name(organization: str) -> str:
    """A name that is probably free: the bot comments under it."""
    if organization:
        return f"hubbub-{organization}"[:LONGEST_NAME].rstrip("-")
    return f"hubbub-{secrets.token_hex(3)}"


def checked_name(name: str) -> str:
    if not 0 < len(name.strip()) <= LONGEST_NAME:
        raise WrongSettings(f"--name: a name of an App has 1 to {LONGEST_NAME} characters.")
    return name.strip()


def checked_organization(login: str) -> str:
    if not LOGIN.fullmatch(login):
        raise WrongSettings(f"--org is {login!r}, which is not the login of an organization.")
    return login


def manifest(app: NewApp, redirect_url: str) -> dict[str, Any]:
    """What GitHub gets. It has no secret: GitHub refuses one and makes its own."""
    return {**_settings(app), "redirect_url": redirect_url}


def registration_link(app: NewApp) -> str:
    """GitHub's form for a new App, filled in. The person then makes a private key there.

    The webhook secret is not in it, because a browser keeps the address. `setup` sets it later.
    """
    made = _settings(app)
    fields: list[tuple[str, str]] = [(name, str(made[name])) for name in ("name", "url")]
    fields += [("description", made["description"]), ("public", "false")]
    fields += [("callback_urls[]", each) for each in made["callback_urls"]]
    fields += [("webhook_active", "true"), ("webhook_url", made["hook_attributes"]["url"])]
    fields += list(made["default_permissions"].items())
    fields += [("events[]", each) for each in made["default_events"]]
    return f"{new_app_page(app.web_url, app.organization)}?{urlencode(fields)}"


def _settings(app: NewApp) -> dict[str, Any]:
    described = _app_yml()
    here = app.public_url or app.local_url
    hook = dict(described["hook_attributes"])
    # With pull, any address will do: GitHub keeps in its log what it could not deliver.
    if not app.pulls:
        hook["url"] = app.public_url + WEBHOOK_PATH
    return {
        **described,
        "name": app.name,
        "url": app.public_url or app.web_url,
        "callback_urls": [here + CALLBACK_PATH],
        "hook_attributes": hook,
    }


@cache
def _app_yml() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(APP_YML.read_text(encoding="utf-8"))
    return read
