"""The `hubbub` command: its commands.

Each imports what it needs when it runs, because agents start `call` and `mcp` all day.
"""

import asyncio
import atexit
import gc
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bot import settings
from bot.cli import output, plugin_commands
from bot.errors import Refused
from bot.identity.actors import ROLES
from bot.settings import WrongSettings
from store.engine.transaction import StoreError
from store.tables.agents import Role

app = typer.Typer(
    help="AI agents and people on the same GitHub repositories.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
# The headings of `hubbub --help`.
RUN, USE, ACCESS, OPERATE = "Run the server", "Use a server", "Who may do what", "Look after it"
token_commands = typer.Typer(
    help="Invite agents; create, list and revoke tokens.", no_args_is_help=True
)
delivery_commands = typer.Typer(help="Show and replay webhook deliveries.", no_args_is_help=True)
app.add_typer(token_commands, name="token", rich_help_panel=ACCESS)
app.add_typer(delivery_commands, name="deliveries", rich_help_panel=OPERATE)
write_commands = typer.Typer(help="Show and cancel writes for GitHub.", no_args_is_help=True)
app.add_typer(write_commands, name="writes", rich_help_panel=OPERATE)
secret_commands = typer.Typer(help="Change the main secret.", no_args_is_help=True)
app.add_typer(secret_commands, name="secret", rich_help_panel=ACCESS)
tenant_commands = typer.Typer(no_args_is_help=True, help="The accounts on this server.")
flag_commands = typer.Typer(help="Turn features on for some installations.", no_args_is_help=True)
app.add_typer(flag_commands, name="flags", rich_help_panel=OPERATE)
app.add_typer(tenant_commands, name="tenant", rich_help_panel=OPERATE)
file_commands = typer.Typer(help="Attach, download and show files.", no_args_is_help=True)
app.add_typer(file_commands, name="file", rich_help_panel=USE)
notify_commands = typer.Typer(help="Tell people what needs them.", no_args_is_help=True)
app.add_typer(notify_commands, name="notify", rich_help_panel=OPERATE)
mount_commands = typer.Typer(help="Connect tool servers.", no_args_is_help=True)
app.add_typer(mount_commands, name="mount", rich_help_panel=USE)
workflow_commands = typer.Typer(help="Check and write workflow files.", no_args_is_help=True)
app.add_typer(workflow_commands, name="workflow", rich_help_panel=USE)
app.add_typer(plugin_commands.commands, name="plugin", rich_help_panel=OPERATE)
audit_commands = typer.Typer(help="Verify and export the audit log.", no_args_is_help=True)
app.add_typer(audit_commands, name="audit", rich_help_panel=ACCESS)


class DefaultCommand(TyperGroup):
    """A group whose command `create` needs no name: `backup FILE` is `backup create FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["create", *args]
        return super().parse_args(ctx, args)


backup_commands = typer.Typer(help="Make and verify backups.", cls=DefaultCommand)
app.add_typer(backup_commands, name="backup", rich_help_panel=OPERATE)
epoch_commands = typer.Typer(help="After a replica took over.", no_args_is_help=True)
app.add_typer(epoch_commands, name="epoch", rich_help_panel=OPERATE)

KEY_VALUE = (
    "key=value …. Values are JSON, for example limit=5 or paths='[\"src\"]'. "
    "Text needs no JSON quotes."
)
InstallationName = Annotated[
    str, typer.Option("--installation", help="the account's login or the installation's number")
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line")]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="show the version and exit")] = False,
) -> None:
    if version:
        output.say(f"hubbub {metadata.version('hubbub')}")
    elif context.invoked_subcommand is None:
        output.say(context.get_help())
    elif context.invoked_subcommand not in ("serve", "doctor"):  # these say it in their own way
        for name, meant in settings.unknown().items():
            if meant:
                output.warn(f"{name} is not a setting. Did you mean {meant}?")


@app.command(rich_help_panel=RUN)
def serve(
    processes: Annotated[
        int | None, typer.Option(help="how many, with MySQL; default: HUBBUB_PROCESSES")
    ] = None,
) -> None:
    """Run the server: webhooks, MCP, REST and the writes to GitHub."""
    from bot import logs
    from bot.cli.inheritance import inheritance
    from bot.cli.processes import check, run

    try:
        given = {} if processes is None else {"processes": processes}
        loaded, inherited = settings.load(**given), inheritance()
        logs.set_up(loaded)
        if not inherited:
            logs.tell_unknown_settings()
            check(loaded)
        github_app = settings.github_app(loaded)
        if loaded.processes > 1 and not inherited:
            sys.exit(asyncio.run(run(loaded)))
        from bot.cli import server

        asyncio.run(server.serve(loaded, github_app, inherited))
    except (WrongSettings, StoreError) as exc:
        if not settings.logs_as_json():
            raise
        output.warn_as_json("cannot serve", str(exc))
        sys.exit(2)


@app.command(rich_help_panel=RUN)
def worker(
    *,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Run the tasks of agents that are models. `serve` starts one by itself."""
    from bot import logs
    from bot.cli import worker as process

    loaded = settings.load()
    logs.set_up(loaded)
    asyncio.run(process.work(loaded, is_child=child))


@app.command(rich_help_panel=RUN)
def demo(
    *,
    keep: Annotated[bool, typer.Option(help="keep running, and print how to connect")] = False,
    pull: Annotated[bool, typer.Option(help="run as behind a firewall, without webhooks")] = False,
    setup: Annotated[
        bool, typer.Option("--setup", help="only a simulated GitHub, to try `hubbub setup` with")
    ] = False,
    port: Annotated[int, typer.Option(help="with --setup: the port; default: a free one")] = 0,
) -> None:
    """Watch three agents and a person work on a simulated GitHub."""
    from fixtures import demo as story

    if setup:
        sys.exit(story.serve_github(port))
    sys.exit(story.main(keep=keep, pull=pull))


@app.command(rich_help_panel=USE)
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

        asyncio.run(bridge.run(loaded.url, token, as_channel=channel))
        return
    from bot import logs
    from bot.cli import stdio

    logs.set_up(loaded)
    asyncio.run(stdio.serve_stdio(loaded, token, as_channel=channel))


@app.command(rich_help_panel=RUN)
def migrate(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="only show what would run; exit status 1 if anything")
    ] = False,
) -> None:
    """Upgrade the database to the newest schema."""
    from bot.cli import session

    loaded = settings.load()
    if check:
        from bot.cli import migration_plan

        sys.exit(migration_plan.show(loaded))
    session.migrate_database(loaded)
    output.say(f"{session.safe_url(loaded.database_url)} has the newest schema.")


@app.command("doctor", rich_help_panel=RUN)
def check_installation(
    *,
    as_json: AsJson = False,
    bundle: Annotated[
        str, typer.Option(help="write a .zip for a bug report, without secrets and private text")
    ] = "",
) -> None:
    """Check the settings, the database, the secret, and the App on GitHub."""
    from bot import logs
    from bot.cli import doctor, doctor_bundle

    loaded = settings.load()
    logs.set_up(loaded)
    if bundle:
        sys.exit(doctor_bundle.write(loaded, bundle))
    sys.exit(asyncio.run(doctor.check_all(loaded, as_json=as_json)))


TokenRole = Annotated[str, typer.Option("--role", help=", ".join(ROLES))]


def _role(role: str) -> Role:
    if role not in ROLES:
        raise WrongSettings(f"--role is {role!r}; it must be one of {', '.join(ROLES)}.")
    known: Role = role
    return known


@app.command("setup", rich_help_panel=RUN)
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
        setup_options.clients(client or [], scope, agent, _role(role)),
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


TokenRepositories = Annotated[
    list[str] | None,
    typer.Option("--repository", help="owner/repo; repeat it for several; default: all"),
]
TokenAgent = Annotated[str, typer.Option("--agent", help="the agent's id")]


def _lasts(expires: str | None, option: str = "--expires") -> int | None:
    from bot import times

    try:
        return None if expires is None else times.seconds(expires)
    except ValueError as exc:
        raise WrongSettings(f"{option}: {exc}") from exc


@token_commands.command("create")
def token_create(
    installation: InstallationName,
    agent: TokenAgent,
    role: TokenRole = "developer",
    repository: TokenRepositories = None,
    name: Annotated[str, typer.Option(help="what it is for, for the list")] = "",
    expires: Annotated[
        str | None, typer.Option(help="how long it works, as 12h or 30d; default: without an end")
    ] = None,
) -> None:
    """Create a token for an agent and print it. It is never shown again."""
    from bot.cli import tokens
    from bot.cli.tokens import Wanted

    wanted = Wanted(installation, agent, _role(role), repository or (), name, _lasts(expires))
    asyncio.run(tokens.create_token(settings.load(), wanted))


@token_commands.command("invite")
def token_invite(
    installation: InstallationName,
    agent: TokenAgent,
    role: TokenRole = "developer",
    repository: TokenRepositories = None,
    expires: Annotated[str, typer.Option(help="how long the code works, as 1h or 2d")] = "1h",
    uses: Annotated[int, typer.Option(min=1, max=10, help="how often it works")] = 1,
) -> None:
    """Create a code with which an agent gets its token, and print it."""
    from bot.cli import tokens
    from bot.cli.tokens import Wanted

    wanted = Wanted(installation, agent, _role(role), repository or (), lasts_s=_lasts(expires))
    asyncio.run(tokens.invite(settings.load(), wanted, uses))


@token_commands.command("redeem")
def token_redeem(
    code: Annotated[str, typer.Argument(help="the code of an invitation")],
) -> None:
    """Get the token of an invitation, at HUBBUB_URL or from the database, and print it."""
    from bot.cli import tokens

    asyncio.run(tokens.redeem(settings.load(), code))


@token_commands.command("list")
def token_list(
    installation: Annotated[
        str, typer.Option(help="the account's login or the installation's number")
    ],
) -> None:
    """List the tokens and sessions of an installation."""
    from bot.cli import tokens

    asyncio.run(tokens.list_tokens(settings.load(), installation))


@token_commands.command("revoke")
def token_revoke(
    key_id: Annotated[str, typer.Argument(help="its id, as `token list` shows it; or the token")],
) -> None:
    """Revoke a token."""
    from bot.cli import tokens

    asyncio.run(tokens.revoke_token(settings.load(), key_id))


@secret_commands.command("rotate")
def secret_rotate() -> None:
    """Re-encrypt stored data with HUBBUB_SECRET_KEY.

    It was encrypted with a key in HUBBUB_SECRET_KEY_OLD.
    """
    from bot.cli import secret_rotation

    sys.exit(asyncio.run(secret_rotation.rotate_secret(settings.load())))


@app.command("call", rich_help_panel=USE)
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


FileId = Annotated[str, typer.Argument(help="the file's id, as `file put` printed it")]


@file_commands.command("put")
def file_put(
    path: Annotated[Path, typer.Argument(help="the file to attach")],
    name: Annotated[str | None, typer.Option(help="another name than the file's own")] = None,
) -> None:
    """Attach a file, and print its id for `attachments`. It goes after a day without use."""
    from bot.cli import file_commands as files

    files.put(settings.load(), path, name)


@file_commands.command("get")
def file_get(
    file_id: FileId,
    output_path: Annotated[
        Path | None, typer.Option("--output", "-o", help="where to write it")
    ] = None,
) -> None:
    """Download a file."""
    from bot.cli import file_commands as files

    files.get(settings.load(), file_id, output_path)


@file_commands.command("show")
def file_show(
    file_id: FileId,
    *,
    text: Annotated[bool, typer.Option("--text", help="the text in it")] = False,
) -> None:
    """Show what is known of a file, or its text."""
    from bot.cli import file_commands as files

    files.show(settings.load(), file_id, text=text)


@file_commands.command("list")
def file_list(
    owner: Annotated[str | None, typer.Option(help="an agent's id or @login; yours")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the files of an agent or a person. For people."""
    from bot.cli import file_commands as files

    files.list_files(settings.load(), owner, as_json=as_json)


@file_commands.command("remove")
def file_remove(file_id: FileId) -> None:
    """Delete a file from everything that it is attached to. For people."""
    from bot.cli import file_commands as files

    files.remove(settings.load(), file_id)


@app.command("login", rich_help_panel=USE)
def log_in(
    installation: Annotated[
        str, typer.Option(help="the account's login or number, if you have access to several")
    ] = "",
) -> None:
    """Log in with GitHub at HUBBUB_URL, as a person. `hubbub call` then needs no token."""
    from bot.cli import login

    who = login.log_in(settings.load(), installation, output.say)
    output.say(f"You are logged in as {who}.")


@app.command("link", rich_help_panel=USE)
def print_link(installation: InstallationName) -> None:
    """Print an address that opens the page once, for the operator of this server."""
    from bot.cli import links

    asyncio.run(links.print_link(settings.load(), installation))


@app.command("logout", rich_help_panel=USE)
def log_out() -> None:
    """End the session of `hubbub login`."""
    from bot.cli import login

    done = login.log_out(settings.load())
    output.say("You are logged out." if done else "You were not logged in.")


@app.command("settings", rich_help_panel=OPERATE)
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


@delivery_commands.command("list")
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


@delivery_commands.command("show")
def deliveries_show(
    guid: Annotated[str, typer.Argument(help="GitHub's id of the delivery")],
) -> None:
    """Show one delivery with its payload."""
    from bot.cli import deliveries

    asyncio.run(deliveries.show_delivery(settings.load(), guid))


@delivery_commands.command("replay")
def deliveries_replay(
    guid: Annotated[str | None, typer.Argument(help="GitHub's id of the delivery")] = None,
    *,
    all_dead: Annotated[bool, typer.Option("--all", help="every dead delivery")] = False,
) -> None:
    """Process dead deliveries again."""
    from bot.cli import deliveries

    asyncio.run(deliveries.replay(settings.load(), guid, all_dead=all_dead))


AgentName = Annotated[str | None, typer.Option("--agent", help="only those of this agent")]
TaskName = Annotated[
    str | None, typer.Option("--task", help="only those on this task: owner/repo#12 or its id")
]


@write_commands.command("list")
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


@write_commands.command("cancel")
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


OneInstallation = Annotated[
    str | None, typer.Option("--installation", help="only this account or number; default: all")
]


@audit_commands.command("verify")
def audit_verify(
    installation: OneInstallation = None,
    expect: Annotated[list[str] | None, typer.Option(help="a seal that the log showed")] = None,
) -> None:
    """Check that nobody changed the audit log. Exit status 1 if somebody did."""
    from bot.cli import audit

    sys.exit(asyncio.run(audit.verify(settings.load(), installation, expect or [])))


@audit_commands.command("export")
def audit_export(
    installation: OneInstallation = None,
    since: Annotated[str | None, typer.Option(help="a day or a time, such as 2027-01-31")] = None,
) -> None:
    """Print the rows of the audit log, one JSON object a line."""
    from bot.cli import audit

    asyncio.run(audit.export(settings.load(), installation, since))


TargetName = Annotated[str, typer.Argument(help="the target's name, as `notify list` shows it")]


@notify_commands.command("add")
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
        "wait_s": _lasts(wait, "--wait"),
        "resolved": resolved,
        "per_hour": per_hour,
    }
    wanted = notify.Wanted(installation, kind, name, address, repository or (), quiet, zone, rules)
    asyncio.run(notify.add(settings.load(), wanted))


@notify_commands.command("list")
def notify_list(installation: InstallationName, *, as_json: AsJson = False) -> None:
    """List the targets of notifications, and what went wrong last."""
    from bot.cli import notify

    asyncio.run(notify.list_targets(settings.load(), installation, as_json=as_json))


@notify_commands.command("test")
def notify_test(name: TargetName, installation: InstallationName) -> None:
    """Send a test message at once."""
    from bot.cli import notify

    asyncio.run(notify.try_out(settings.load(), installation, name))


@notify_commands.command("pause")
def notify_pause(name: TargetName, installation: InstallationName) -> None:
    """Send nothing to a target until it is resumed."""
    from bot.cli import notify

    asyncio.run(notify.change(settings.load(), installation, name, "pause"))


@notify_commands.command("resume")
def notify_resume(name: TargetName, installation: InstallationName) -> None:
    """Tell a target again of what begins from now on."""
    from bot.cli import notify

    asyncio.run(notify.change(settings.load(), installation, name, "resume"))


@notify_commands.command("remove")
def notify_remove(name: TargetName, installation: InstallationName) -> None:
    """Remove a target."""
    from bot.cli import notify

    asyncio.run(notify.change(settings.load(), installation, name, "remove"))


@flag_commands.command("list")
def flags_list(*, as_json: AsJson = False) -> None:
    """List the feature flags, and how calls failed with each on and off."""
    from bot.cli import flags

    asyncio.run(flags.list_flags(settings.load(), as_json=as_json))


FlagName = Annotated[str, typer.Argument(help="as `flags list` shows it")]


@flag_commands.command("set")
def flags_set(
    name: FlagName,
    value: Annotated[str, typer.Argument(help="on, off, or a share of installations, as 10%")],
    installation: OneInstallation = None,
    why: Annotated[str, typer.Option(help="a note for others")] = "",
) -> None:
    """Turn a feature on or off, for all installations or for one."""
    from bot.cli import flags

    asyncio.run(flags.set_flag(settings.load(), name, value, installation, why))


@flag_commands.command("clear")
def flags_clear(name: FlagName, installation: OneInstallation = None) -> None:
    """Forget what was set. The default counts then, or the setting of all installations."""
    from bot.cli import flags

    asyncio.run(flags.clear_flag(settings.load(), name, installation))


@tenant_commands.command("list")
def tenant_list(*, as_json: AsJson = False) -> None:
    """List the accounts, and what the operator set for each."""
    from bot.cli import tenants

    asyncio.run(tenants.list_tenants(settings.load(), as_json=as_json))


Account = Annotated[str, typer.Argument(help="the login, or the number of the installation")]


@tenant_commands.command("set")
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


@tenant_commands.command("usage")
def tenant_usage(
    account: Account,
    month: Annotated[str | None, typer.Option(help="such as 2026-11; default: this month")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what an account used, by day."""
    from bot.cli import tenants

    asyncio.run(tenants.show_usage(settings.load(), account, month, as_json=as_json))


@tenant_commands.command("export")
def tenant_export(
    account: Account, path: Annotated[Path, typer.Argument(help="a ZIP file to write")]
) -> None:
    """Write all data of an account into a file: JSON lines, and its attachments."""
    from bot.cli import tenants

    asyncio.run(tenants.export(settings.load(), account, path))


@tenant_commands.command("delete")
def tenant_delete(
    account: Account,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="delete for ever")] = False,
) -> None:
    """Delete all data of an account on which the App is not installed any more."""
    from bot.cli import tenants

    asyncio.run(tenants.delete(settings.load(), account, confirmed=yes))


@app.command("insights", rich_help_panel=OPERATE)
def show_insights(
    installation: OneInstallation = None,
    since: Annotated[str, typer.Option(help="how far back to look, as 12h or 30d")] = "7d",
    *,
    as_json: AsJson = False,
) -> None:
    """Find what to change: short leases, failing agents, slow reviews, refused writes."""
    from bot.cli import insights

    asyncio.run(insights.show(settings.load(), installation, since, as_json=as_json))


MountName = Annotated[str, typer.Argument(help="the tool server's name")]


@mount_commands.command("list")
def mount_list(*, as_json: AsJson = False) -> None:
    """List the tool servers and how each is."""
    from bot.cli import mounts

    mounts.list_mounts(settings.load(), as_json=as_json)


@mount_commands.command("show")
def mount_show(name: MountName, *, as_json: AsJson = False) -> None:
    """Show a tool server: its tools and its log."""
    from bot.cli import mounts

    mounts.show(settings.load(), name, as_json=as_json)


Url = Annotated[str | None, typer.Option(help="the address of the server or of the document")]
Auth = Annotated[
    str | None, typer.Option(help="bearer, header, basic, query, oauth or none; needs --secret")
]
AuthName = Annotated[
    str | None, typer.Option(help="the header, the parameter, the user or the client id")
]
Secret = Annotated[
    str | None, typer.Option(help="the credential; - to read it from standard input")
]
TokenUrl = Annotated[str | None, typer.Option(help="with oauth: where tokens are requested")]
Scope = Annotated[str | None, typer.Option(help="with oauth")]
DocumentPath = Annotated[Path | None, typer.Option(help="with openapi: the file of the document")]
ServiceOptions = Annotated[
    str | None, typer.Option(help="with openapi, in JSON: base_url, operations and others")
]
OnlyIn = Annotated[
    list[str] | None, typer.Option(help="agents of this repository may call it; may be repeated")
]


@mount_commands.command("add")
def mount_add(
    name: MountName,
    *,
    kind: Annotated[str, typer.Option(help="mcp or openapi")] = "mcp",
    url: Url = None,
    auth: Auth = None,
    auth_name: AuthName = None,
    secret: Secret = None,
    token_url: TokenUrl = None,
    scope: Scope = None,
    document: DocumentPath = None,
    options: ServiceOptions = None,
    repository: OnlyIn = None,
) -> None:
    """Add a tool server, if it lists its tools to the credential."""
    from bot.cli import mounts

    mounts.manage(
        settings.load(),
        name,
        "add",
        kind=kind,
        url=url,
        auth=auth,
        auth_name=auth_name,
        secret=mounts.read_secret(secret),
        token_url=token_url,
        scope=scope,
        document=mounts.read_document(document),
        options=mounts.read_options(options),
        repositories=repository,
    )


@mount_commands.command("change")
def mount_change(
    name: MountName,
    *,
    url: Url = None,
    auth: Auth = None,
    auth_name: AuthName = None,
    secret: Secret = None,
    token_url: TokenUrl = None,
    scope: Scope = None,
    document: DocumentPath = None,
    options: ServiceOptions = None,
    repository: OnlyIn = None,
) -> None:
    """Change what is passed, if the server then lists its tools."""
    from bot.cli import mounts

    mounts.manage(
        settings.load(),
        name,
        "change",
        url=url,
        auth=auth,
        auth_name=auth_name,
        secret=mounts.read_secret(secret),
        token_url=token_url,
        scope=scope,
        document=mounts.read_document(document),
        options=mounts.read_options(options),
        repositories=repository,
    )


@mount_commands.command("refresh")
def mount_refresh(name: MountName) -> None:
    """List its tools again. What changed is parked until somebody accepts it."""
    _manage_mount(name, "refresh")


@mount_commands.command("start")
def mount_start(name: MountName) -> None:
    """Let agents call its tools again."""
    _manage_mount(name, "start")


@mount_commands.command("stop")
def mount_stop(name: MountName) -> None:
    """Let nobody call its tools until it is started."""
    _manage_mount(name, "stop")


@mount_commands.command("restart")
def mount_restart(name: MountName) -> None:
    """Close its connections, or end its process, and connect again."""
    _manage_mount(name, "restart")


@mount_commands.command("remove")
def mount_remove(name: MountName) -> None:
    """Remove it with its tools, its credential and its log."""
    _manage_mount(name, "remove")


def _manage_mount(name: str, action: str) -> None:
    from bot.cli import mounts

    mounts.manage(settings.load(), name, action)


@workflow_commands.command("check")
def workflow_check(
    files: Annotated[list[Path], typer.Argument(help="workflow files, NAME.yml")],
) -> None:
    """Print what is wrong with workflow files, with the line. Exit status 1 if something is."""
    from bot.cli import workflows

    sys.exit(workflows.check(files))


@workflow_commands.command("new")
def workflow_new(
    template: Annotated[
        str, typer.Argument(help="feature, bug-fix, refactoring, release or review")
    ],
) -> None:
    """Print a workflow file to copy and change."""
    from bot.cli import workflows

    workflows.print_template(template)


@app.command("backfill", rich_help_panel=OPERATE)
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


PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="default: HUBBUB_BACKUP_PASSPHRASE_FILE"),
]


@backup_commands.command("create")
def backup_create(
    file: Annotated[Path | None, typer.Argument(help="a new file")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="a folder; the file is named by the time")
    ] = None,
    passphrase_file: PassphraseFile = None,
    *,
    code: Annotated[bool, typer.Option("--code", help="with the cache of files and diffs")] = False,
) -> None:
    """Make a backup, while servers go on. `hubbub backup FILE` does the same."""
    from bot.cli import backups

    asyncio.run(backups.back_up(settings.load(), file, to, passphrase_file, code=code))


@backup_commands.command("verify")
def backup_verify(
    file: Annotated[Path, typer.Argument(help="a backup")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Read a whole backup and check it. It needs no database."""
    from bot.cli import backups

    backups.verify(settings.load(), file, passphrase_file)


@app.command("restore", rich_help_panel=OPERATE)
def restore_backup(
    file: Annotated[Path | None, typer.Argument(help="a backup")] = None,
    passphrase_file: PassphraseFile = None,
    from_database: Annotated[
        str | None,
        typer.Option("--from-database", help="in place of a file: the address of a database"),
    ] = None,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="delete first what the database has")
    ] = False,
) -> None:
    """Restore a backup into the empty database of HUBBUB_DATABASE_URL, of either engine.

    After a kill, start it again with the same file: it continues.
    """
    from bot.cli import backups

    if (file is None) == (from_database is None):
        raise WrongSettings("Pass a FILE or --from-database ADDRESS.")
    loaded = settings.load()
    if file is not None:
        asyncio.run(backups.restore(loaded, file, passphrase_file, replaces=replace))
    elif from_database is not None:
        asyncio.run(backups.copy_database(loaded, from_database, replaces=replace))


@epoch_commands.command("raise")
def epoch_raise(
    missing: Annotated[
        str, typer.Option(help="how much the database may lack at most, as 30s or 5m")
    ] = "5m",
) -> None:
    """Make fences, cursors and leases from before invalid, and doubt the writes under way.

    Run it once on a replica that was promoted, before the first server uses it.
    """
    from bot import times
    from bot.cli import backups

    try:
        missing_s = times.seconds(missing)
    except ValueError as exc:
        raise WrongSettings(f"--missing: {exc}") from exc
    asyncio.run(backups.raise_epoch(settings.load(), missing_s))


def main(words: Sequence[str] | None = None) -> None:
    """Run a command. `words` are those of the command line, if none are given."""
    output.escape_unencodable()
    try:
        app(words, prog_name="hubbub")
    except (WrongSettings, StoreError) as exc:
        output.warn(str(exc))
        sys.exit(2)
    except Refused as exc:
        output.show_error(exc)
        sys.exit(1)
    except output.OutputFailed as exc:
        output.show_lost_output(exc)
        sys.exit(os.EX_IOERR)


def run_process() -> None:
    """Run the command of this process, and end the process quickly."""
    # Otherwise Python looks for unused objects in all modules: a quarter of the time of a command.
    atexit.register(gc.freeze)
    main()


if __name__ == "__main__":
    run_process()
