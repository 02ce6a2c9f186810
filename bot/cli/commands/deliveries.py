"""`hubbub deliveries`."""

import asyncio
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import AsJson

commands = typer.Typer(help="Show and replay webhook deliveries.", no_args_is_help=True)


@commands.command("list")
def deliveries_list(
    state: Annotated[
        str | None, typer.Option(help="received, processed, failed, dead, lost")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    *,
    counts: Annotated[bool, typer.Option("--counts", help="count them by event")] = False,
    as_json: AsJson = False,
) -> None:
    """List the newest deliveries, or count them by event."""
    from bot.cli import deliveries

    asyncio.run(
        deliveries.list_deliveries(settings.load(), state, limit, counts=counts, as_json=as_json)
    )


@commands.command("show")
def deliveries_show(
    guid: Annotated[str, typer.Argument(help="GitHub's id of the delivery")],
) -> None:
    """Show one delivery with its payload."""
    from bot.cli import deliveries

    asyncio.run(deliveries.show_delivery(settings.load(), guid))


@commands.command("replay")
def deliveries_replay(
    guid: Annotated[str | None, typer.Argument(help="GitHub's id of the delivery")] = None,
    *,
    all_dead: Annotated[bool, typer.Option("--all", help="every dead delivery")] = False,
) -> None:
    """Process dead deliveries again."""
    from bot.cli import deliveries

    asyncio.run(deliveries.replay(settings.load(), guid, all_dead=all_dead))
