"""`hubbub setup`."""

import asyncio
import sys
from typing import Annotated

import typer

from bot.cli import output
from bot.cli.commands.options import TokenRole, role_of


def set_up(
    org: Annotated[str, typer.Option(help="the organization that owns the App")] = "",
    *,
    pull: Annotated[
        bool, typer.Option("--pull", help="GitHub cannot reach this server: fetch the deliveries")
    ] = False,
    public_url: Annotated[str, typer.Option(help="where GitHub reaches this server")] = "",
    name: Annotated[str, typer.Option(help="the App's name; you can change it on GitHub")] = "",
    github: Annotated[
        str, typer.Option(help="a GitHub Enterprise Server, as https://github.example.com")
    ] = "",
    env_file: Annotated[str, typer.Option(help="the file that gets the settings")] = ".env",
    port: Annotated[int, typer.Option(min=0, max=65535, help="the port of the page")] = 7465,
    browser: Annotated[bool, typer.Option(help="open the browser of this machine")] = True,
    link: Annotated[
        bool, typer.Option("--link", help="print a link to GitHub's filled-in form, and end")
    ] = False,
    form: Annotated[str, typer.Option(help="write a page for a browser elsewhere")] = "",
    code: Annotated[str, typer.Option(help="the code, or address, to which GitHub led you")] = "",
    app_id: Annotated[str, typer.Option(help="an App that you registered by hand")] = "",
    private_key: Annotated[str, typer.Option(help="with --app-id: its .pem file")] = "",
    client: Annotated[
        list[str] | None,
        typer.Option(help="connect it: claude-code, codex, cursor, vscode, roo, gemini; repeat it"),
    ] = None,
    scope: Annotated[
        str, typer.Option(help="user: with the token, in your home; project: names HUBBUB_TOKEN")
    ] = "user",
    agent: Annotated[str, typer.Option(help="the agent's id; default: the client's name")] = "",
    role: TokenRole = "developer",
    agents_md: Annotated[str, typer.Option(help="the AGENTS.md that tells agents about it")] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="write the settings without a question")
    ] = False,
) -> None:
    """Create the GitHub App, write its settings, install it and connect agents.

    Run it again after it was stopped: it goes on where it was.
    """
    from bot.cli import setup_options

    options = setup_options.make_options(
        setup_options.choices(org, public_url, name, github, pull=pull),
        setup_options.clients(client or [], scope, agent, role_of(role)),
        env=env_file,
        port=port,
        form=form,
        code=code,
        app=(app_id, private_key),
        agents_md=agents_md,
        agrees=yes,
    )
    if link:
        for line in asyncio.run(setup_options.link_lines(options)):
            output.say(line)
        return
    sys.exit(setup_options.run(options, browser=browser))
