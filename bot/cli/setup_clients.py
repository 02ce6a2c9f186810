"""The last part of `hubbub setup`: tokens for agents, and the configuration of their clients."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.cli.session import open_session
from bot.cli.tokens import add_token
from bot.identity.actors import OPERATOR
from bot.identity.credentials import Grant
from bot.identity.server_address import ENDPOINT, address_of
from bot.settings import Settings, WrongSettings
from bot.setup.clients import connection
from bot.setup.clients.connection import Connection, Written
from bot.setup.clients.table import CLIENTS, Places, Scope
from bot.setup.installations import Installed
from bot.setup.program import how_to_serve, typed_name
from store.tables.agents import Role


@dataclass(frozen=True)
class ClientChoice:
    """The clients to connect. `agent`: the id of the only one; else each has its client's name."""

    names: Sequence[str] = ()
    scope: Scope = "user"
    agent: str = ""
    role: Role = "developer"
    project: Path = Path()


def check(choice: ClientChoice) -> None:
    """Raise WrongSettings."""
    if unknown := [each for each in choice.names if each not in CLIENTS]:
        raise WrongSettings(
            f"--client: {', '.join(unknown)} is unknown. It must be one of {', '.join(CLIENTS)}."
        )
    if choice.agent and len(choice.names) > 1:
        raise WrongSettings("--agent: each client needs an agent of its own. Pass one --client.")


async def connect(loaded: Settings, installed: Installed, choice: ClientChoice) -> list[str]:
    """Give each client a token, and write its configuration. What was done, in sentences."""
    places = Places(Path.home(), choice.project.absolute(), os.environ)
    url = address_of(loaded) + ENDPOINT
    said: list[str] = []
    async with open_session(loaded, make=True) as session:
        for name in dict.fromkeys(choice.names):
            agent = choice.agent or name
            grant = Grant(
                installed.id, agent, choice.role, None, "hubbub setup", created_by=OPERATOR
            )
            token = await add_token(session, grant)
            written = connection.write(name, choice.scope, Connection(url, token), places)
            said += _sentences(written, agent, token)
    return said


def _sentences(written: Written, agent: str, token: str) -> list[str]:
    if written.problem:
        refused = f"{written.title}: {written.path} stays as it is, because {written.problem}."
        add = f"Add this to it, and set HUBBUB_TOKEN for the client:\n{written.block}"
        return [refused, add, connection.variable_hint(token)]
    said = [f"{written.title}: {written.path} connects the agent {agent}. Start the client again."]
    if written.backup:
        said.append(f"The file as it was is {written.backup}.")
    if written.needs_variable:
        said.append(
            f"The client reads the token from its environment: {connection.variable_hint(token)}"
        )
    elif token not in written.path.read_text():
        said.append(f"The client asks for the token once: {token}")
    return said


def by_hand(loaded: Settings, account: str) -> str:
    """What a person types who has not chosen a client."""
    url, hubbub = address_of(loaded) + ENDPOINT, typed_name()
    return (
        f"{how_to_serve()}\n"
        "Then connect agents:\n"
        f"Create a token: {hubbub} token create --installation {account} --agent builder\n"
        f"Connect Claude Code: claude mcp add --transport http hubbub {url} "
        '--header "Authorization: Bearer TOKEN"\n'
        f"Or let setup do both: {hubbub} setup --client {'|'.join(CLIENTS)}"
    )
