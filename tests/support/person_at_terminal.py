"""A person who logs in on the command line, and the commands that they run then."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.cli import call, login
from bot.errors import Refused
from bot.settings import Settings
from tests.support.command_line import hubbub
from tests.support.login import LoginServer


class CommandLine:
    """The commands of a person, in a process of their own as far as the server knows."""

    def __init__(self, server: LoginServer, directory: Path) -> None:
        self.server = server
        self.settings = Settings(_env_file=None, url=server.url)
        self.file = directory / "hubbub" / "sessions.json"
        self.said: list[str] = []
        self.slept: list[float] = []
        # What happens at GitHub while the command waits, one entry for each wait.
        self.meanwhile: list[Callable[[str], None]] = []

    async def log_in(self, installation: str = "") -> str:
        return await asyncio.to_thread(
            login.log_in, self.settings, installation, self.said.append, sleep=self._sleep
        )

    async def refusal(self, installation: str = "") -> str:
        with pytest.raises(Refused) as caught:
            await self.log_in(installation)
        return caught.value.message

    def _sleep(self, seconds: float) -> None:
        """GitHub's clock goes on, and the person does the next thing."""
        self.slept.append(seconds)
        self.server.workspace.clock.forward(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)(self.said[-1].rpartition(" ")[2].rstrip("."))

    def enter(self, who: str | None = "octocat") -> Callable[[str], None]:
        return lambda code: self.server.github.enter_user_code(code, who)

    async def call(self, operation: str, **given: Any) -> dict[str, Any]:
        return await asyncio.to_thread(call.call_operation, self.settings, operation, given)

    def session(self) -> Any:
        return json.loads(self.file.read_text())[self.settings.url]

    def age_session(self) -> None:
        """Make the stored access token look old."""
        kept = json.loads(self.file.read_text())
        kept[self.settings.url]["expires_at"] = 0
        self.file.write_text(json.dumps(kept))

    async def run(self, *words: str) -> tuple[int, str, str]:
        """Run `hubbub` with the session: exit code, standard output, standard error."""
        folder = self.file.parent.parent
        return await hubbub(
            *words, folder=folder, HUBBUB_URL=self.settings.url or "", XDG_CONFIG_HOME=str(folder)
        )

    async def says(self, *words: str) -> str:
        """What a command that works prints."""
        code, out, err = await self.run(*words)
        assert code == 0, err or out
        return out
