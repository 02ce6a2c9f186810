"""The settings that a new App needs, and whether a file can take them."""

from collections.abc import Mapping
from pathlib import Path

from bot.settings import Settings, WrongSettings, web_url
from bot.setup import env_file, private_files
from bot.setup.conversion import CreatedApp
from bot.setup.env_file import EnvFile
from bot.setup.journal import Journal

DEFAULT_API_URL = "https://api.github.com"
SECRETS = ("HUBBUB_GITHUB_WEBHOOK_SECRET", "HUBBUB_GITHUB_CLIENT_SECRET", "HUBBUB_SECRET_KEY")
# Of an App that exists. Without its id they belong to nobody knows which App.
OF_AN_APP = (
    "HUBBUB_GITHUB_PRIVATE_KEY",
    "HUBBUB_GITHUB_CLIENT_ID",
    "HUBBUB_GITHUB_CLIENT_SECRET",
)


def check_free(loaded: Settings, path: Path) -> None:
    """Before an App is made. Raise WrongSettings if its settings would meet others."""
    set_already = [name for name in OF_AN_APP if getattr(loaded, _field(name)) is not None]
    if set_already:
        raise WrongSettings(
            f"{' and '.join(set_already)} is set, but HUBBUB_GITHUB_APP_ID is not. Set the id of "
            f"that App, or remove these settings from {path} to make a new App."
        )


def settings_for(
    journal: Journal, created: CreatedApp, key_file: Path, api_url: str, existing: EnvFile
) -> dict[str, str]:
    """The settings of the App, in the order in which they are shown."""
    made = {
        "HUBBUB_GITHUB_APP_ID": str(created.id),
        "HUBBUB_GITHUB_PRIVATE_KEY": str(key_file),
        "HUBBUB_GITHUB_CLIENT_ID": created.client_id,
        "HUBBUB_GITHUB_CLIENT_SECRET": created.client_secret,
    }
    made["HUBBUB_PUBLIC_URL"] = journal.app.public_url
    if journal.app.pulls:
        made["HUBBUB_INTAKE"] = "pull"
    else:
        kept = existing.values.get("HUBBUB_GITHUB_WEBHOOK_SECRET")
        made["HUBBUB_GITHUB_WEBHOOK_SECRET"] = kept or created.webhook_secret
    if api_url != DEFAULT_API_URL:
        made["HUBBUB_GITHUB_API_URL"] = api_url
        if journal.app.web_url != web_url(api_url):
            made["HUBBUB_GITHUB_URL"] = journal.app.web_url
    return {name: value for name, value in made.items() if value}


def masked_lines(added: Mapping[str, str]) -> list[str]:
    """The lines that are written, with the secrets masked."""
    return [
        f"{name}={env_file.MASK} ({len(value)} characters)"
        if name in SECRETS
        else env_file.line(name, value)
        for name, value in added.items()
    ]


def key_path(file: EnvFile, created: CreatedApp) -> Path:
    return file.path.absolute().parent / f"{created.slug}.private-key.pem"


def write(file: EnvFile, wanted: Mapping[str, str], created: CreatedApp) -> list[Path]:
    """Write the key and the settings. Return the files. Raise WrongSettings."""
    name = "HUBBUB_GITHUB_PRIVATE_KEY"
    env_file.missing(file, {**wanted, name: file.values.get(name, wanted[name])})
    key = private_files.create(Path(wanted[name]), created.pem.encode())
    heading = f"Written by hubbub setup: the GitHub App {created.slug} of {created.owner}"
    text = env_file.with_added(file, {**wanted, name: str(key)}, heading)
    env_file.write(file, text)
    return [file.path.absolute(), key]


def _field(name: str) -> str:
    return name.removeprefix("HUBBUB_").lower()
