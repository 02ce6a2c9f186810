"""`hubbub plugin`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bot import settings
from bot.cli.commands.options import AsJson, InstallationName
from bot.cli.commands.plugin_registries import KEY_ARGUMENT, index, registry

commands = typer.Typer(help="Write, install and turn on plug-ins.", no_args_is_help=True)
commands.add_typer(registry, name="registry")
commands.add_typer(index, name="index")
Folder = Annotated[Path, typer.Argument(help="a folder with hubbub-plugin.yml, or a package")]
What = Annotated[
    str,
    typer.Argument(help="a package, a folder, a distribution, or NAME[@VERSION] of a registry"),
]
From = Annotated[str | None, typer.Option("--from", help="the registry, if several have it")]
Name = Annotated[str, typer.Argument(help="the plug-in's name")]
Unsigned = Annotated[bool, typer.Option("--unsigned", help="install it without a signature")]
Yes = Annotated[bool, typer.Option("--yes", help="install it without a question")]
Advisories = Annotated[
    Path | None, typer.Option(help="a JSON file with known weaknesses of packages")
]


@commands.command("new")
def plugin_new(
    name: Name,
    kind: Annotated[str, typer.Option(help="python, process, wasm, mcp or probot")] = "python",
    folder: Annotated[Path | None, typer.Option(help="where; default: ./NAME")] = None,
) -> None:
    """Write a plug-in that works, with a test, to start from."""
    from bot.cli import plugin_starts

    plugin_starts.write(name, kind, folder or Path(name))


@commands.command("test")
def plugin_test(folder: Folder = Path()) -> None:
    """Run the tests of a plug-in, which use `hubbub.testing`."""
    from bot.cli import plugin_starts

    sys.exit(plugin_starts.run_tests(folder))


@commands.command("check")
def plugin_check(path: Folder = Path()) -> None:
    """Check the manifest, whether it fits this version of Hubbub, and the code."""
    from bot.cli import plugins

    sys.exit(asyncio.run(plugins.check(path)))


@commands.command("scan")
def plugin_scan(
    path: Folder = Path(), advisories: Advisories = None, *, as_json: AsJson = False
) -> None:
    """Look for dangerous code, secrets and binaries. Exit status 1 if something is dangerous."""
    from bot.cli import plugins

    sys.exit(asyncio.run(plugins.scan(path, advisories, as_json=as_json)))


@commands.command("docs")
def plugin_docs(path: Folder = Path()) -> None:
    """Print a page about a plug-in, in Markdown."""
    from bot.cli import plugins

    plugins.write_docs(path)


@commands.command("sign")
def plugin_sign(
    path: Folder = Path(),
    key: Annotated[Path, typer.Option(help="the private key; a new one is made")] = Path(
        "hubbub-plugin.key"
    ),
    output: Annotated[Path | None, typer.Option(help="default: NAME-VERSION.hubbub-plugin")] = None,
) -> None:
    """Pack a plug-in, and sign it."""
    from bot.cli import plugins

    plugins.sign(path, key, output)


@commands.command("trust", context_settings=KEY_ARGUMENT)
def plugin_trust(
    publisher: Annotated[str, typer.Argument(help="as the manifest names it")],
    key: Annotated[str, typer.Argument(help="its public key, as `plugin sign` prints it")],
    *,
    remove: Annotated[bool, typer.Option("--remove", help="trust the key no longer")] = False,
) -> None:
    """Trust the signatures of a publisher."""
    from bot.cli import plugins

    asyncio.run(plugins.trust(settings.load(), publisher, key, remove=remove))


@commands.command("revoke")
def plugin_revoke(
    file: Annotated[Path, typer.Argument(help="lines with a digest, key or NAME@VERSION")],
) -> None:
    """Revoke what a list names, and stop the plug-ins that are on it."""
    from bot.cli import plugins

    asyncio.run(plugins.revoke(settings.load(), file.read_bytes()))


def _install(what: str, *, update: bool, **options: Any) -> None:
    """`options`: those of `plugins.Wanted`."""
    from bot.cli import plugins

    wanted = plugins.Wanted(what, update=update, **options)
    asyncio.run(plugins.install(settings.load(), wanted))


@commands.command("install")
def plugin_install(
    what: What,
    advisories: Advisories = None,
    registry: From = None,
    *,
    unsigned: Unsigned = False,
    yes: Yes = False,
) -> None:
    """Show what a plug-in may do and what a scan finds, ask, and install it on the server."""
    options = {"unsigned": unsigned, "agrees": yes, "advisories": advisories}
    _install(what, update=False, registry=registry, **options)


@commands.command("update")
def plugin_update(
    what: What,
    advisories: Advisories = None,
    registry: From = None,
    *,
    unsigned: Unsigned = False,
    yes: Yes = False,
    back: Annotated[bool, typer.Option("--back", help="return to the version before")] = False,
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help="also to a version that is older")
    ] = False,
) -> None:
    """Replace an installed plug-in with another version. The one before stays for --back."""
    if back:
        from bot.cli import plugins

        asyncio.run(plugins.roll_back(settings.load(), what))
        return
    options = {"unsigned": unsigned, "agrees": yes, "advisories": advisories}
    _install(what, update=True, registry=registry, downgrade=downgrade, **options)


@commands.command("rollback")
def plugin_rollback(name: Name) -> None:
    """Return to the version before the last update."""
    from bot.cli import plugins

    asyncio.run(plugins.roll_back(settings.load(), name))


@commands.command("search")
def plugin_search(
    words: Annotated[list[str] | None, typer.Argument(help="all of them must be there")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Look for plug-ins in the registries."""
    from bot.cli import plugin_registries

    text = " ".join(words or ())
    asyncio.run(plugin_registries.search(settings.load(), text, as_json=as_json))


@commands.command("outdated")
def plugin_outdated(*, as_json: AsJson = False) -> None:
    """List installed plug-ins of which a registry has a newer version."""
    from bot.cli import plugin_registries

    asyncio.run(plugin_registries.list_outdated(settings.load(), as_json=as_json))


@commands.command("remove")
def plugin_remove(name: Name) -> None:
    """Remove a plug-in, with its settings in all installations."""
    from bot.cli import plugins

    asyncio.run(plugins.remove(settings.load(), name))


@commands.command("list")
def plugin_list(*, as_json: AsJson = False) -> None:
    """List the plug-ins of the server."""
    from bot.cli import plugins

    asyncio.run(plugins.list_plugins(settings.load(), as_json=as_json))


@commands.command("enable")
def plugin_enable(
    name: Name,
    installation: InstallationName,
    values: Annotated[list[str] | None, typer.Argument(help="settings, as NAME=VALUE")] = None,
    role: Annotated[str | None, typer.Option(help="the most it may do")] = None,
) -> None:
    """Turn a plug-in on for an installation, or change its settings there."""
    from bot.cli import plugins

    loaded = settings.load()
    asyncio.run(plugins.turn(loaded, name, installation, "enable", role, values or ()))


@commands.command("disable")
def plugin_disable(name: Name, installation: InstallationName) -> None:
    """Turn a plug-in off for an installation."""
    from bot.cli import plugins

    asyncio.run(plugins.turn(settings.load(), name, installation, "disable"))
