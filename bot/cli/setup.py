"""`hubbub setup`: registers an App on GitHub, writes its settings, installs it, connects clients.

A run that was stopped goes on where it was: see `bot.setup.journal`.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot import settings
from bot.cli import doctor, setup_choices, setup_clients
from bot.cli.setup_choices import Choices
from bot.cli.setup_clients import ClientChoice
from bot.cli.setup_terminal import Terminal
from bot.github.client import open_client
from bot.settings import Settings, WrongSettings
from bot.setup import agents_guide, app_settings, conversion, env_file, installations, private_files
from bot.setup.failures import SetupFailed
from bot.setup.installations import Installed
from bot.setup.journal import Journal, Keeper
from bot.setup.program import how_to_serve
from bot.setup.run import Setup
from webhooks.setup.app import SetupPage, serve
from webhooks.setup.pages import create

# A tunnel to this machine can be named before the setup runs.
PORT = 7465


@dataclass(frozen=True)
class Options:
    """What the person wants, beside the choices for the App."""

    choices: Choices = field(default_factory=Choices)
    env: Path = Path(".env")
    port: int = PORT
    # A file that gets the form for GitHub, for a browser on another machine.
    form: Path | None = None
    code: str = ""
    app_id: str = ""
    private_key: Path | None = None
    clients: ClientChoice = field(default_factory=ClientChoice)
    agents_md: Path | None = None
    agrees: bool = False


async def run(options: Options, terminal: Terminal) -> int:
    """Go through all steps that are not done yet. Return 1 if a check failed, else 0."""
    setup_clients.check(options.clients)
    keeper = Keeper(options.env)
    with keeper.lock():
        setup = await _begin(options, keeper, terminal)
        page = SetupPage(setup, lambda _: _no_clients())
        async with serve(page, setup.journal.port or options.port) as port:
            if not setup.is_written.is_set():
                setup.journal = keeper.save(replace(setup.journal, port=port))
                await _register(options, setup, page, terminal)
            return await _finish(options, setup, page, terminal)


async def _no_clients() -> list[str]:
    return []


async def _begin(options: Options, keeper: Keeper, terminal: Terminal) -> Setup:
    """The setup at the step at which an earlier run stopped."""
    loaded, file = setup_choices.load(options.env), env_file.read(options.env)
    if loaded.github_app_id:
        terminal.say(f"The settings have App {loaded.github_app_id} already.")
        return await _resume(loaded, keeper, file)
    app_settings.check_free(loaded, options.env)
    journal = keeper.load()
    if journal is not None and journal.created:
        terminal.say(f"The App {journal.created.name} was created before. Its settings follow.")
        api_url = setup_choices.api_url(options.choices, loaded, journal.app.web_url)
        return Setup(keeper, journal, file, api_url)
    app = await setup_choices.new_app(options.choices, loaded, terminal)
    journal = replace(journal, app=app) if journal else Journal(app)
    return Setup(keeper, journal, file, setup_choices.api_url(options.choices, loaded, app.web_url))


async def _resume(loaded: Settings, keeper: Keeper, file: env_file.EnvFile) -> Setup:
    """The App exists, and its settings are written."""
    identity = settings.github_app(loaded)
    app = setup_choices.existing_app(loaded)
    setup = Setup(keeper, Journal(app), file, loaded.github_api_url)
    setup.journal = replace(setup.journal, created=await setup.describe(identity))
    setup.is_created.set()
    setup.is_written.set()
    return setup


async def _register(options: Options, setup: Setup, page: SetupPage, terminal: Terminal) -> None:
    """Until the App exists and its settings are written. Raise SetupFailed or WrongSettings."""
    uses_page = await _create(options, setup, page, terminal)
    await _agree(options, setup, terminal)
    if uses_page and not options.agrees:
        return  # the page has sent the browser on
    terminal.say(f"Install the App: {setup.installation_page}")
    terminal.open_page(setup.installation_page)


async def _create(options: Options, setup: Setup, page: SetupPage, terminal: Terminal) -> bool:
    """Register the App. True if the person goes on in the browser of this machine."""
    if setup.is_created.is_set():
        return not options.agrees and terminal.open_page(page.url)
    if options.app_id:
        await setup.adopt(options.app_id, _pem(options.private_key))
        return False
    if options.code:
        await setup.exchange(conversion.code_in(options.code, setup.journal.state))
        return False
    opened = False
    if options.form:
        _write_form(options.form, setup, page)
        terminal.say(f"Open the file {options.form} in a browser, on any machine.")
    else:
        opened = terminal.open_page(page.url)
        terminal.say(_where(page.url, setup.journal.app.web_url, opened=opened))
    await _until_created(setup, terminal)
    return opened


def _where(url: str, github: str, *, opened: bool) -> str:
    if opened:
        return f"Your browser shows the next step. If it does not, open {url}"
    # A simulated GitHub is on this machine too.
    ports = [urlsplit(each).port for each in (url, github) if setup_choices.is_loopback(each)]
    tunnels = " ".join(f"-L {each}:127.0.0.1:{each}" for each in ports)
    return (
        f"Open this address in a browser: {url}\n"
        f"If the browser is on another machine, first run this there: ssh {tunnels} THIS_MACHINE\n"
        "Without such a tunnel, use `hubbub setup --form FILE` and open the file there."
    )


def _write_form(path: Path, setup: Setup, page: SetupPage) -> None:
    made = create(setup.journal, setup.target, setup.manifest(f"{page.url}created"))
    # It has the secret part of the page's address.
    private_files.write(path, (made.text or "").encode())


async def _until_created(setup: Setup, terminal: Terminal) -> None:
    """By the page, or by a code that the person pastes."""
    question = (
        "If the browser cannot open the address to which GitHub sends it, paste that address here:"
    )
    while not setup.is_created.is_set():
        pasted = await _first(setup.is_created, terminal, question)
        if pasted:
            try:
                await setup.exchange(conversion.code_in(pasted, setup.journal.state))
            except SetupFailed as exc:
                terminal.say(str(exc))


async def _agree(options: Options, setup: Setup, terminal: Terminal) -> None:
    """Show the settings, and write them once the person agrees, here or on the page."""
    for each in _settings_lines(setup):
        terminal.say(each)
    if options.agrees:
        await setup.write()
    elif not terminal.is_attended:
        terminal.say("Agree on the page, or pass --yes.")
    while not setup.is_written.is_set():
        answer = await _first(setup.is_written, terminal, "Write them? Type yes, or use the page:")
        if answer.casefold() in ("y", "yes"):
            await setup.write()
        elif answer.casefold() in ("n", "no"):
            raise SetupFailed(f"Nothing was written. {setup.keeper.path} has what GitHub answered.")
    for path in setup.files:
        terminal.say(f"Written: {path}")


def _settings_lines(setup: Setup) -> list[str]:
    heading = f"GitHub created {setup.app.name}. These lines are for {setup.file.path}:"
    return [heading, *(f"  {each}" for each in app_settings.masked_lines(setup.new_settings()))]


async def _first(event: asyncio.Event, terminal: Terminal, question: str) -> str:
    """What the person typed, or "" if the event came first. Alone, it waits for the event."""
    waits: list[Coroutine[Any, Any, Any]] = [event.wait()]
    if terminal.is_attended:
        waits.append(_ask(terminal, question))
    tasks = [asyncio.create_task(each) for each in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in tasks:
            each.cancel()
    found = [each.result() for each in done if isinstance(each.result(), str)]
    return found[0] if found else ""


async def _ask(terminal: Terminal, question: str) -> str:
    return await terminal.ask(question)


async def _finish(options: Options, setup: Setup, page: SetupPage, terminal: Terminal) -> int:
    """The installation, the checks, and the clients."""
    loaded = setup_choices.load(options.env)
    installed = await _wait(options, setup, loaded, terminal)
    terminal.say(f"The App is installed on {installed.account}.")
    found = [each async for each in doctor.results(loaded)]
    for each in found:
        terminal.say(doctor.line(each))

    async def connect(names: Sequence[str]) -> list[str]:
        return await setup_clients.connect(loaded, installed, replace(options.clients, names=names))

    page.account, page.connect = installed.account, connect
    page.checks = [(each.right, doctor.line(each)) for each in found]
    await _connect(options, loaded, installed, page, terminal)
    return int(not all(each.right for each in found))


async def _wait(options: Options, setup: Setup, loaded: Settings, terminal: Terminal) -> Installed:
    # A private App can be installed on its owner's account alone.
    account = options.choices.organization or ("" if not setup.files else setup.app.owner)
    async with open_client(settings.github_app(loaded)) as github:
        if found := await installations.find(github, account):
            return found
        terminal.say(
            f"Waiting until the App is installed: {setup.installation_page}\n"
            "Ctrl-C stops; `hubbub setup` then goes on from here."
        )
        return await installations.wait(github, account, setup.sleep)


async def _connect(
    options: Options, loaded: Settings, installed: Installed, page: SetupPage, terminal: Terminal
) -> None:
    if options.agents_md and agents_guide.write(options.agents_md):
        terminal.say(f"Written: {options.agents_md}")
    if options.clients.names:
        for each in await page.connect(options.clients.names):
            terminal.say(each)
        terminal.say(how_to_serve())
    elif terminal.is_attended and await _finish_page(page, terminal):
        terminal.say(how_to_serve())
    else:
        terminal.say(setup_clients.by_hand(loaded, installed.account))


async def _finish_page(page: SetupPage, terminal: Terminal) -> bool:
    """Lead the person to the last page. False if they did not finish there."""
    last = f"{page.url}done"
    if terminal.open_page(last):
        terminal.say("Your browser shows how to connect agents. `Finish` there ends the command.")
        await page.is_finished.wait()
    elif page.is_used:
        await _first(
            page.is_finished,
            terminal,
            f"To connect agents, open {last}\n"
            "`Finish` there ends the command, and so does Enter here:",
        )
    return page.is_finished.is_set()


def _pem(path: Path | None) -> str:
    if path is None:
        raise WrongSettings("--app-id needs --private-key, the .pem file that GitHub gave you.")
    try:
        return path.expanduser().read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise WrongSettings(f"--private-key: cannot read {path} ({exc}).") from exc
