"""`hubbub notify`."""

import asyncio
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import AsJson, InstallationName, seconds_of

commands = typer.Typer(help="Tell people what needs them.", no_args_is_help=True)
TargetName = Annotated[str, typer.Argument(help="the target's name, as `notify list` shows it")]


@commands.command("add")
def notify_add(
    kind: Annotated[str, typer.Argument(help="webhook, slack, discord, teams or mail")],
    name: Annotated[str, typer.Argument(help="a name for it")],
    installation: InstallationName,
    to: Annotated[
        str | None,
        typer.Option(help="the address; - reads it from standard input; without it you are asked"),
    ] = None,
    on: Annotated[
        list[str] | None, typer.Option(help="a kind of item, such as question; default: all")
    ] = None,
    repository: Annotated[list[str] | None, typer.Option(help="owner/repo; default: all")] = None,
    *,
    private: Annotated[
        bool, typer.Option("--private", help="with texts of all private repositories")
    ] = False,
    severity: Annotated[str, typer.Option(help="at least info, warning or urgent")] = "warning",
    quiet: Annotated[
        str | None, typer.Option(help="hours without messages, such as 22:00-07:00")
    ] = None,
    zone: Annotated[str, typer.Option(help="the time zone of the quiet hours")] = "UTC",
    urgent_waits: Annotated[
        bool, typer.Option("--urgent-waits", help="quiet hours hold urgent messages too")
    ] = False,
    wait: Annotated[str, typer.Option(help="how long a message collects, such as 5m")] = "60s",
    resolved: Annotated[bool, typer.Option("--resolved", help="tell also what is over")] = False,
    per_hour: Annotated[int, typer.Option(help="the most messages in an hour")] = 20,
) -> None:
    """Add a target of notifications."""
    from bot.cli import notify

    address = notify.read_address(to) or typer.prompt("Address", hide_input=kind != "mail")
    rules = {
        "kinds": tuple(on) if on else None,
        "private": private,
        "severity": severity,
        "urgent_passes": not urgent_waits,
        "wait_s": seconds_of(wait, "--wait"),
        "resolved": resolved,
        "per_hour": per_hour,
    }
    wanted = notify.Wanted(installation, kind, name, address, repository or (), quiet, zone, rules)
    asyncio.run(notify.add(settings.load(), wanted))


@commands.command("list")
def notify_list(installation: InstallationName, *, as_json: AsJson = False) -> None:
    """List the targets of notifications, and what went wrong last."""
    from bot.cli import notify

    asyncio.run(notify.list_targets(settings.load(), installation, as_json=as_json))


@commands.command("test")
def notify_test(name: TargetName, installation: InstallationName) -> None:
    """Send a test message at once."""
    from bot.cli import notify

    asyncio.run(notify.try_out(settings.load(), installation, name))


@commands.command("pause")
def notify_pause(name: TargetName, installation: InstallationName) -> None:
    """Send nothing to a target until it is resumed."""
    from bot.cli import notify

    asyncio.run(notify.change(settings.load(), installation, name, "pause"))


@commands.command("resume")
def notify_resume(name: TargetName, installation: InstallationName) -> None:
    """Tell a target again of what begins from now on."""
    from bot.cli import notify

    asyncio.run(notify.change(settings.load(), installation, name, "resume"))


@commands.command("remove")
def notify_remove(name: TargetName, installation: InstallationName) -> None:
    """Remove a target."""
    from bot.cli import notify

    asyncio.run(notify.change(settings.load(), installation, name, "remove"))
