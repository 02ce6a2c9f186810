"""`hubbub plugin registry` and `hubbub plugin index`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import AsJson

registry = typer.Typer(help="Say which registries of plug-ins are trusted.", no_args_is_help=True)
index = typer.Typer(help="Make the index of a registry of your own.", no_args_is_help=True)
Place = Annotated[str, typer.Argument(help="owner/repository, or a folder")]
# Every 64th key begins with a hyphen, and is no option.
KEY_ARGUMENT = {"ignore_unknown_options": True}


@registry.command("add", context_settings=KEY_ARGUMENT)
def registry_add(
    place: Place,
    key: Annotated[str, typer.Argument(help="the public key that signs its index")],
) -> None:
    """Trust a registry: its packages, and what it revokes."""
    from bot.cli import plugin_registries

    asyncio.run(plugin_registries.add(settings.load(), place, key))


@registry.command("list")
def registry_list(*, as_json: AsJson = False) -> None:
    """List the registries, and how the last look at each ended."""
    from bot.cli import plugin_registries

    asyncio.run(plugin_registries.list_registries(settings.load(), as_json=as_json))


@registry.command("refresh")
def registry_refresh() -> None:
    """Look at the registries now."""
    from bot.cli import plugin_registries

    asyncio.run(plugin_registries.refresh(settings.load()))


@registry.command("remove")
def registry_remove(place: Place) -> None:
    """Trust a registry no longer. What was installed from it stays."""
    from bot.cli import plugin_registries

    asyncio.run(plugin_registries.remove(settings.load(), place))


@index.command("build")
def index_build(
    folder: Annotated[Path, typer.Argument(help="a folder with packages")] = Path(),
    key: Annotated[Path, typer.Option(help="the private key; a new one is made")] = Path(
        "hubbub-registry.key"
    ),
    days: Annotated[int, typer.Option(min=1, max=3650, help="how long it counts")] = 90,
) -> None:
    """Write index.json and its signature from the packages of a folder."""
    from bot.cli import plugin_registries

    plugin_registries.build(folder, key, days)
