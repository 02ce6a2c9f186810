"""`hubbub mount`."""

from pathlib import Path
from typing import Annotated

import typer

from bot import settings
from bot.cli.commands.options import AsJson

commands = typer.Typer(help="Connect tool servers.", no_args_is_help=True)
MountName = Annotated[str, typer.Argument(help="the tool server's name")]


@commands.command("list")
def mount_list(*, as_json: AsJson = False) -> None:
    """List the tool servers and how each is."""
    from bot.cli import mounts

    mounts.list_mounts(settings.load(), as_json=as_json)


@commands.command("show")
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


@commands.command("add")
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


@commands.command("change")
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


@commands.command("refresh")
def mount_refresh(name: MountName) -> None:
    """List its tools again. What changed is parked until somebody accepts it."""
    _manage_mount(name, "refresh")


@commands.command("start")
def mount_start(name: MountName) -> None:
    """Let agents call its tools again."""
    _manage_mount(name, "start")


@commands.command("stop")
def mount_stop(name: MountName) -> None:
    """Let nobody call its tools until it is started."""
    _manage_mount(name, "stop")


@commands.command("restart")
def mount_restart(name: MountName) -> None:
    """Close its connections, or end its process, and connect again."""
    _manage_mount(name, "restart")


@commands.command("remove")
def mount_remove(name: MountName) -> None:
    """Remove it with its tools, its credential and its log."""
    _manage_mount(name, "remove")


def _manage_mount(name: str, action: str) -> None:
    from bot.cli import mounts

    mounts.manage(settings.load(), name, action)
