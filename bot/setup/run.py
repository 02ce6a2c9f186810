"""One setup, step by step: the App is registered, its settings are written, it is installed.

Each step leaves a file from which the next run goes on.
"""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.github.client import GitHub, open_client
from bot.github.payloads import at, maybe_number, text
from bot.github.requests import Answer, NoAnswer
from bot.settings import GitHubApp
from bot.setup import app_settings, conversion, env_file, manifest
from bot.setup.addresses import installation_page, new_app_page
from bot.setup.conversion import CreatedApp
from bot.setup.env_file import EnvFile
from bot.setup.failures import SetupFailed
from bot.setup.journal import Journal, Keeper

# Some of GitHub's servers do not know a new App for a few seconds.
TRIES = 6
PAUSE_S = 1.0
TIMEOUT_S = 15.0

Sleep = Callable[[float], Awaitable[None]]


@dataclass
class Setup:
    """`api_url`: of GitHub. The events tell the command what the page has done."""

    keeper: Keeper
    journal: Journal
    file: EnvFile
    api_url: str
    sleep: Sleep = asyncio.sleep
    is_created: asyncio.Event = field(default_factory=asyncio.Event)
    is_written: asyncio.Event = field(default_factory=asyncio.Event)
    files: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.journal.created:
            self.is_created.set()
        self._exchanging = asyncio.Lock()

    @property
    def app(self) -> CreatedApp:
        assert self.journal.created is not None
        return self.journal.created

    @property
    def target(self) -> str:
        """Where the form with the manifest goes."""
        app = self.journal.app
        return f"{new_app_page(app.web_url, app.organization)}?state={self.journal.state}"

    def manifest(self, redirect_url: str) -> dict[str, object]:
        return manifest.manifest(self.journal.app, redirect_url)

    def owns(self, state: str) -> bool:
        """Whether GitHub's answer belongs to this setup."""
        return hmac.compare_digest(state.encode(), self.journal.state.encode())

    async def exchange(self, code: str) -> None:
        """Exchange the code and keep GitHub's answer. Raise SetupFailed."""
        async with self._exchanging:
            # A page that is loaded again brings the same code, which works once.
            if not self.journal.created:
                made = await conversion.exchange(self.api_url, code)
                self._check_owner(made)
                self._keep(made)

    async def adopt(self, app_id: str, pem: str) -> None:
        """Go on with an App that a person registered by hand. Raise SetupFailed."""
        made = await self.describe(GitHubApp(app_id, pem, "", self.api_url, TIMEOUT_S))
        made = replace(made, webhook_secret=secrets.token_hex(32))
        self.journal = replace(self.journal, has_own_secret=True)
        self._keep(made)

    async def describe(self, identity: GitHubApp) -> CreatedApp:
        """The App as GitHub describes it, which shows no secrets. Raise SetupFailed."""
        async with open_client(identity) as github:
            data = (await self._ask(github, "GET", "/app")).data
        return CreatedApp(
            id=maybe_number(at(data, "id")) or 0,
            slug=text(at(data, "slug")),
            name=text(at(data, "name")),
            owner=text(at(data, "owner", "login")),
            html_url=text(at(data, "html_url")),
            client_id=text(at(data, "client_id")),
            client_secret="",
            webhook_secret="",
            pem=identity.private_key,
        )

    def _check_owner(self, made: CreatedApp) -> None:
        """The code of an App of somebody else must not get into the settings. Raise SetupFailed."""
        wanted = self.journal.app.organization
        if wanted and made.owner.casefold() != wanted.casefold():
            raise SetupFailed(
                f"The App {made.name} belongs to {made.owner}, not to {wanted}. Nothing was "
                "written. If you did not create it, somebody else sent its code."
            )

    def _keep(self, made: CreatedApp) -> None:
        # First in memory: GitHub shows the private key once, and the file may be read-only.
        self.journal = replace(self.journal, created=made)
        self.is_created.set()
        self.keeper.save(self.journal)

    def new_settings(self) -> dict[str, str]:
        """The settings that are to be written. Raise WrongSettings."""
        wanted = self._all_settings()
        return env_file.missing(self.file, wanted)

    def _all_settings(self) -> dict[str, str]:
        key = app_settings.key_path(self.file, self.app)
        return app_settings.settings_for(self.journal, self.app, key, self.api_url, self.file)

    async def write(self) -> None:
        """Write the settings and the key. Raise WrongSettings or SetupFailed."""
        if self.is_written.is_set():
            return
        wanted = self._all_settings()
        env_file.missing(self.file, wanted)
        secret = wanted.get("HUBBUB_GITHUB_WEBHOOK_SECRET", "")
        if secret and (self.journal.has_own_secret or secret != self.app.webhook_secret):
            await self._set_webhook_secret(secret)
        try:
            self.files = app_settings.write(self.file, wanted, self.app)
        except OSError as exc:
            raise SetupFailed(
                f"Cannot write in {self.file.path.absolute().parent}: {exc.strerror or exc}. "
                "Make the folder writable and try again."
            ) from exc
        self.keeper.remove()
        self.is_written.set()

    async def _set_webhook_secret(self, secret: str) -> None:
        """A manifest and a link have no secret, so GitHub gets ours afterwards."""
        config = {"secret": secret, "content_type": "json"}
        config["url"] = self.journal.app.public_url + manifest.WEBHOOK_PATH
        async with open_client(self._identity(str(self.app.id), self.app)) as github:
            await self._ask(github, "PATCH", "/app/hook/config", config)

    @property
    def installation_page(self) -> str:
        return installation_page(self.journal.app.web_url, self.app.html_url)

    def _identity(self, app_id: str, made: CreatedApp) -> GitHubApp:
        return GitHubApp(app_id, made.pem, "", self.api_url, TIMEOUT_S)

    async def _ask(self, github: GitHub, method: str, path: str, body: object = None) -> Answer:
        """Raise SetupFailed unless GitHub does it."""
        why = ""
        for attempt in range(TRIES):
            if attempt:
                await self.sleep(PAUSE_S)
            try:
                answer = await github.app_request(method, path, body)
            except NoAnswer as exc:
                why = f"{self.api_url} does not answer: {exc}"
                continue
            if answer.status == 200:
                return answer
            why = f"{self.api_url} answers {answer.status} {text(at(answer.data, 'message'))}"
        raise SetupFailed(f"{why.strip()}. Check the App's id and its key, and run it again.")
