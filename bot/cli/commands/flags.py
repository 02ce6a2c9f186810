"""`hubbub flags`."""

import asyncio
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import AsJson, OneInstallation

commands = typer.Typer(help="Turn features on for some installations.", no_args_is_help=True)


@commands.command("list")
def flags_list(*, as_json: AsJson = False) -> None:
    """List the feature flags, and how calls failed with each on and off."""
    from bot.cli import flags

    asyncio.run(flags.list_flags(settings.load(), as_json=as_json))


FlagName = Annotated[str, typer.Argument(help="as `flags list` shows it")]


@commands.command("set")
def flags_set(
    name: FlagName,
    value: Annotated[str, typer.Argument(help="on, off, or a share of installations, as 10%")],
    installation: OneInstallation = None,
    why: Annotated[str, typer.Option(help="a note for others")] = "",
) -> None:
    """Turn a feature on or off, for all installations or for one."""
    from bot.cli import flags

    asyncio.run(flags.set_flag(settings.load(), name, value, installation, why))


@commands.command("clear")
def flags_clear(name: FlagName, installation: OneInstallation = None) -> None:
    """Forget what was set. The default counts then, or the setting of all installations."""
    from bot.cli import flags

    asyncio.run(flags.clear_flag(settings.load(), name, installation))
