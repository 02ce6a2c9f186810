"""`hubbub tenant`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import AsJson

commands = typer.Typer(no_args_is_help=True, help="The accounts on this server.")


@commands.command("list")
def tenant_list(*, as_json: AsJson = False) -> None:
    """List the accounts, and what the operator set for each."""
    from bot.cli import tenants

    asyncio.run(tenants.list_tenants(settings.load(), as_json=as_json))


Account = Annotated[str, typer.Argument(help="the login, or the number of the installation")]


@commands.command("show")
def tenant_show(account: Account, *, as_json: AsJson = False) -> None:
    """Show an account's quotas and caps on spend, and what it has now."""
    from bot.cli import tenant_limits

    asyncio.run(tenant_limits.show(settings.load(), account, as_json=as_json))


@commands.command("set")
def tenant_set(
    account: Account,
    changes: Annotated[
        list[str],
        typer.Argument(
            help="such as calls_a_minute=600/20000, agents=20, spend.installation=50, "
            "name=Acme, color=#2a7d5f; an empty value takes it back"
        ),
    ],
) -> None:
    """Set an account's quotas, caps on spend, name and colour."""
    from bot.cli import tenants

    asyncio.run(tenants.set_values(settings.load(), account, changes))


@commands.command("usage")
def tenant_usage(
    account: Account,
    month: Annotated[str | None, typer.Option(help="such as 2026-11; default: this month")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what an account used, by day."""
    from bot.cli import tenants

    asyncio.run(tenants.show_usage(settings.load(), account, month, as_json=as_json))


@commands.command("export")
def tenant_export(
    account: Account, path: Annotated[Path, typer.Argument(help="a ZIP file to write")]
) -> None:
    """Write all data of an account into a file: JSON lines, and its attachments."""
    from bot.cli import tenants

    asyncio.run(tenants.export(settings.load(), account, path))


@commands.command("delete")
def tenant_delete(
    account: Account,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="delete for ever")] = False,
) -> None:
    """Delete all data of an account on which the App is not installed any more."""
    from bot.cli import tenants

    asyncio.run(tenants.delete(settings.load(), account, confirmed=yes))
