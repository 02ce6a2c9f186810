"""`hubbub writes`."""

import asyncio
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import AsJson, InstallationName

commands = typer.Typer(help="Show and cancel writes for GitHub.", no_args_is_help=True)
AgentName = Annotated[str | None, typer.Option("--agent", help="only those of this agent")]
TaskName = Annotated[
    str | None, typer.Option("--task", help="only those on this task: owner/repo#12 or its id")
]


@commands.command("list")
def writes_list(
    installation: InstallationName,
    agent: AgentName = None,
    task: TaskName = None,
    state: Annotated[
        str | None, typer.Option(help="queued, sent, cancelled, …; default: not ended yet")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """List the newest writes of agents."""
    from bot.cli import writes

    asyncio.run(
        writes.list_writes(
            settings.load(), installation, agent, task, state, limit, as_json=as_json
        )
    )


@commands.command("cancel")
def writes_cancel(
    installation: InstallationName,
    write_id: Annotated[str | None, typer.Argument(help="its id, from the list")] = None,
    agent: AgentName = None,
    task: TaskName = None,
    *,
    all_of_them: Annotated[bool, typer.Option("--all", help="those of every agent")] = False,
) -> None:
    """Cancel a write that is not sent yet, or several."""
    from bot.cli import writes

    asyncio.run(
        writes.cancel_writes(
            settings.load(), installation, write_id, agent, task, all_of_them=all_of_them
        )
    )
