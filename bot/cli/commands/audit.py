"""`hubbub audit`."""

import asyncio
import sys
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import OneInstallation

commands = typer.Typer(help="Verify and export the audit log.", no_args_is_help=True)


@commands.command("verify")
def audit_verify(
    installation: OneInstallation = None,
    expect: Annotated[list[str] | None, typer.Option(help="a seal that the log showed")] = None,
) -> None:
    """Check that nobody changed the audit log. Exit status 1 if somebody did."""
    from bot.cli import audit

    sys.exit(asyncio.run(audit.verify(settings.load(), installation, expect or [])))


@commands.command("export")
def audit_export(
    installation: OneInstallation = None,
    since: Annotated[str | None, typer.Option(help="a day or a time, such as 2027-01-31")] = None,
) -> None:
    """Print the rows of the audit log, one JSON object a line."""
    from bot.cli import audit

    asyncio.run(audit.export(settings.load(), installation, since))
