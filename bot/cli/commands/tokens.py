"""`hubbub token` and `hubbub secret`."""

import asyncio
import sys
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import InstallationName, TokenRole, role_of, seconds_of

token_commands = typer.Typer(
    help="Invite agents; create, list and revoke tokens.", no_args_is_help=True
)
secret_commands = typer.Typer(help="Change the main secret.", no_args_is_help=True)
TokenRepositories = Annotated[
    list[str] | None,
    typer.Option("--repository", help="owner/repo; repeat it for several; default: all"),
]
TokenAgent = Annotated[str, typer.Option("--agent", help="the agent's id")]


@token_commands.command("create")
def token_create(
    installation: InstallationName,
    agent: TokenAgent,
    role: TokenRole = "developer",
    repository: TokenRepositories = None,
    name: Annotated[str, typer.Option(help="what it is for, for the list")] = "",
    expires: Annotated[
        str | None, typer.Option(help="how long it works, as 12h or 30d; default: without an end")
    ] = None,
) -> None:
    """Create a token for an agent and print it. It is never shown again."""
    from bot.cli import tokens
    from bot.cli.tokens import Wanted

    wanted = Wanted(installation, agent, role_of(role), repository or (), name, seconds_of(expires))
    asyncio.run(tokens.create_token(settings.load(), wanted))


@token_commands.command("invite")
def token_invite(
    installation: InstallationName,
    agent: TokenAgent,
    role: TokenRole = "developer",
    repository: TokenRepositories = None,
    expires: Annotated[str, typer.Option(help="how long the code works, as 1h or 2d")] = "1h",
    uses: Annotated[int, typer.Option(min=1, max=10, help="how often it works")] = 1,
) -> None:
    """Create a code with which an agent gets its token, and print it."""
    from bot.cli import tokens
    from bot.cli.tokens import Wanted

    lasts_s = seconds_of(expires)
    wanted = Wanted(installation, agent, role_of(role), repository or (), lasts_s=lasts_s)
    asyncio.run(tokens.invite(settings.load(), wanted, uses))


@token_commands.command("redeem")
def token_redeem(
    code: Annotated[str, typer.Argument(help="the code of an invitation")],
) -> None:
    """Get the token of an invitation, at HUBBUB_URL or from the database, and print it."""
    from bot.cli import tokens

    asyncio.run(tokens.redeem(settings.load(), code))


@token_commands.command("list")
def token_list(installation: InstallationName) -> None:
    """List the tokens and sessions of an installation."""
    from bot.cli import tokens

    asyncio.run(tokens.list_tokens(settings.load(), installation))


@token_commands.command("revoke")
def token_revoke(
    key_id: Annotated[str, typer.Argument(help="its id, as `token list` shows it; or the token")],
) -> None:
    """Revoke a token."""
    from bot.cli import tokens

    asyncio.run(tokens.revoke_token(settings.load(), key_id))


@secret_commands.command("rotate")
def secret_rotate() -> None:
    """Re-encrypt stored data with HUBBUB_SECRET_KEY.

    It was encrypted with a key in HUBBUB_SECRET_KEY_OLD.
    """
    from bot.cli import secret_rotation

    sys.exit(asyncio.run(secret_rotation.rotate_secret(settings.load())))
