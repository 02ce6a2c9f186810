"""Commands of those who use a server: agents and people."""

import asyncio
from typing import Annotated

import typer

from bot import settings
from bot.cli import garbage, output
from bot.cli.commands.options import InstallationName

KEY_VALUE = (
    "key=value …. Values are JSON, for example limit=5 or paths='[\"src\"]'. "
    "Text needs no JSON quotes."
)


def mcp(
    *,
    channel: Annotated[
        bool,
        typer.Option("--channel", help="push notices and urgent messages into Claude Code"),
    ] = False,
) -> None:
    """Serve MCP on stdio for the agent whose token is in HUBBUB_TOKEN."""
    from bot.cli import call

    output.check_open()
    loaded = settings.load()
    token = call.token_of(loaded)
    if loaded.url:
        from mcp_server import bridge

        garbage.resume()
        asyncio.run(bridge.run(loaded.url, token, as_channel=channel))
        return
    from bot import logs
    from bot.cli import stdio

    logs.set_up(loaded)
    asyncio.run(stdio.serve_stdio(loaded, token, as_channel=channel))


def call_operation(
    operation: Annotated[str, typer.Argument(help="the operation's name, such as list_tasks")],
    arguments: Annotated[list[str] | None, typer.Argument(help=KEY_VALUE)] = None,
) -> None:
    """Call an operation, at HUBBUB_URL or on the database.

    HUBBUB_TOKEN says who calls, or the login of `hubbub login`.
    """
    from bot.cli import call

    given = call.arguments_of(arguments or [])
    output.say(output.pretty(call.call_operation(settings.load(), operation, given)))


def log_in(
    installation: Annotated[
        str, typer.Option(help="the account's login or number, if you have access to several")
    ] = "",
) -> None:
    """Log in with GitHub at HUBBUB_URL, as a person. `hubbub call` then needs no token."""
    from bot.cli import login

    who = login.log_in(settings.load(), installation, output.say)
    output.say(f"You are logged in as {who}.")


def print_link(installation: InstallationName) -> None:
    """Print an address that opens the page once, for the operator of this server."""
    from bot.cli import links

    asyncio.run(links.print_link(settings.load(), installation))


def log_out() -> None:
    """End the session of `hubbub login`."""
    from bot.cli import login

    done = login.log_out(settings.load())
    output.say("You are logged out." if done else "You were not logged in.")
