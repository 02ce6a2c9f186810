"""The options of `hubbub setup` as values."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from bot.cli import setup_choices, setup_clients, setup_terminal
from bot.cli.output import warn
from bot.cli.setup import Options
from bot.cli.setup import run as run_setup
from bot.cli.setup_choices import Choices
from bot.cli.setup_clients import ClientChoice
from bot.settings import WrongSettings
from bot.setup import manifest
from bot.setup.clients.table import Scope
from bot.setup.failures import SetupFailed
from bot.setup.program import typed_name
from store.tables.agents import Role

# As of a program that Ctrl-C ended.
INTERRUPTED = 130
LINK_STEPS = (
    "Open the link, press `Create GitHub App`, note the App ID, and press `Generate a private key`."
    " Then run:"
)


def choices(org: str, public_url: str, name: str, github: str, *, pull: bool) -> Choices:
    return Choices(organization=org, pull=pull, public_url=public_url, name=name, github=github)


def clients(names: Sequence[str], scope: str, agent: str, role: Role) -> ClientChoice:
    """Raise WrongSettings."""
    found: list[Scope] = [each for each in get_args(Scope) if each == scope]
    if not found:
        raise WrongSettings(f"--scope is {scope!r}; it must be user or project.")
    made = ClientChoice(tuple(names), found[0], agent, role)
    setup_clients.check(made)
    return made


def make_options(
    chosen: Choices,
    connected: ClientChoice,
    *,
    env: str,
    port: int,
    form: str,
    code: str,
    app: tuple[str, str],
    agents_md: str,
    agrees: bool,
) -> Options:
    """Raise WrongSettings."""
    app_id, key = app
    if bool(app_id) != bool(key):
        raise WrongSettings("--app-id and --private-key belong together. Pass both.")
    if app_id and not app_id.isdecimal():
        raise WrongSettings(f"--app-id is {app_id!r}; it must be the App ID, a number.")
    return Options(
        chosen,
        env=Path(env),
        port=port,
        form=Path(form) if form else None,
        code=code,
        app_id=app_id,
        private_key=Path(key) if key else None,
        clients=connected,
        agents_md=Path(agents_md) if agents_md else None,
        agrees=agrees,
    )


async def link_lines(options: Options) -> list[str]:
    """The filled-in form, and what to do after it. Raise WrongSettings."""
    loaded = setup_choices.load(options.env)
    app = await setup_choices.new_app(options.choices, loaded)
    again = "--pull" if app.pulls else f"--public-url {app.public_url}"
    organization = f" --org {app.organization}" if app.organization else ""
    return [
        manifest.registration_link(app),
        "",
        LINK_STEPS,
        f"{typed_name()} setup{organization} {again} --app-id ID --private-key FILE.pem",
    ]


def run(options: Options, *, browser: bool) -> int:
    try:
        return asyncio.run(run_setup(options, setup_terminal.of_process(browser=browser)))
    except SetupFailed as exc:
        warn(str(exc))
        return 1
    except KeyboardInterrupt:
        warn("stopped. Run `hubbub setup` again to go on from here.")
        return INTERRUPTED
