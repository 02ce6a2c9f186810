"""`hubbub settings`, `hubbub backfill` and `hubbub insights`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import AsJson, OneInstallation


def settings_of_repository(
    repository: Annotated[str | None, typer.Argument(help="owner/repo")] = None,
    *,
    check: Annotated[
        Path | None, typer.Option("--check", help="a file to check, without a server")
    ] = None,
) -> None:
    """Show a repository's settings, and the errors in its .github/hubbub.yml."""
    from bot.cli import repositories

    if (repository is None) is (check is None):
        raise settings.WrongSettings("pass owner/repo, or --check with a file.")
    if check is not None:
        sys.exit(repositories.check_file(check))
    assert repository is not None
    sys.exit(asyncio.run(repositories.show_settings(settings.load(), repository)))


def show_insights(
    installation: OneInstallation = None,
    since: Annotated[str, typer.Option(help="how far back to look, as 12h or 30d")] = "7d",
    *,
    as_json: AsJson = False,
) -> None:
    """Find what to change: short leases, failing agents, slow reviews, refused writes."""
    from bot.cli import insights

    asyncio.run(insights.show(settings.load(), installation, since, as_json=as_json))


def watch_backfill(
    repository: Annotated[str | None, typer.Argument(help="owner/repo; default: all")] = None,
    *,
    again: Annotated[
        bool, typer.Option("--again", help="fetch again what was fetched before")
    ] = False,
) -> None:
    """Fetch repositories completely and show progress.

    After Ctrl-C, `serve` continues in the background.
    """
    from bot import logs
    from bot.cli import backfill

    loaded = settings.load()
    logs.set_up(loaded)
    github_app = settings.github_app(loaded)
    sys.exit(asyncio.run(backfill.watch(loaded, github_app, repository, again=again)))
