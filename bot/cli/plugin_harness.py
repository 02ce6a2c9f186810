"""Runs a plug-in for its author's tests: on a new database, with agents and a simulated GitHub.

Authors import it from `hubbub.testing`.
"""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from bot.cli import plugin_github
from bot.cli.plugin_github import Clock, Workspace
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import OPERATOR, Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from bot.kernel.outside import Outside
from bot.kernel.plugin_calls import HookCall
from bot.plugins import added, events, installing, package
from bot.plugins.manifest import Manifest
from bot.plugins.package import Package
from bot.plugins.running import Plugins
from bot.workflows import effects
from store import events as event_log
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.plugins import plugin_installations
from store.tables.agents import Role

# Of a harness without GitHub.
INSTALLATION = 1
LABEL = "agent-task"
# What waits is looked for again after so many seconds of the harness's clock.
LATER_S = (3.0, 40.0, 60.0, 90.0)
# Steps after which something must have gone wrong.
ROUNDS = 500
T = TypeVar("T")


class Harness:
    """A plug-in that is installed and turned on. `store`: for what is missing here.

    `workspace`: the simulated GitHub with `repository` and `person`, if the harness has one.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        plugins: Plugins,
        manifest: Manifest,
        clock: Clock,
        workspace: Workspace | None,
    ) -> None:
        self.store = dispatcher.store
        self.dispatcher = dispatcher
        self.plugins = plugins
        self.manifest = manifest
        self.clock = clock
        self.installation_id = workspace.installation.id if workspace else INSTALLATION
        self.lead = Actor(self.installation_id, OPERATOR, "tech-lead")
        self._workspace = workspace

    @property
    def workspace(self) -> Workspace:
        """Its `github`, `repository` and `person`."""
        if self._workspace is None:
            raise RuntimeError("This harness has no GitHub: use open_harness(…, github=True).")
        return self._workspace

    async def call(self, operation: str, **arguments: Any) -> Any:
        """The result of an operation of the plug-in. Raise Refused."""
        return await self.result_for(self.lead, operation, **arguments)

    async def result_for(self, actor: Actor, operation: str, **arguments: Any) -> Any:
        """The same, called by somebody else."""
        name = self.manifest.full_name(operation)
        return (await self.call_as(actor, name, **arguments))["result"]

    async def hubbub(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation of Hubbub, as a person who leads. Raise Refused."""
        return await self.call_as(self.lead, operation, **arguments)

    async def agent(self, agent_id: str, role: Role = "developer") -> Actor:
        """A registered agent, to call operations with by `call_as`."""
        actor = Actor(self.installation_id, agent_id, role)
        await self.call_as(actor, "register_agent", agent_id=agent_id, name=agent_id)
        return actor

    async def call_as(self, actor: Actor, operation: str, **arguments: Any) -> dict[str, Any]:
        return await self._during(self.dispatcher.call(actor, operation, arguments))

    async def panel(self, name: str) -> str:
        """A panel in Markdown."""
        given = {"plugin": self.manifest.name, "panel": name}
        return str((await self.hubbub("get_plugin", **given))["panel"])

    async def strategy(self, name: str, task: str) -> str:
        """How an agent should divide the task. Raise Refused."""
        installed = await self.plugins.find(self.manifest.name)
        assert installed is not None
        i = self.installation_id
        use = await self.store.read(lambda tx: added.use_of(tx, i, installed))
        call = HookCall("strategy", name, {"task": task})
        result = await self._during(self.plugins.call(installed.name, use, call))
        added.check(installed, result)
        return str(result.value)

    async def event(self, kind: str, subject: str, actor: str = "ada", **data: Any) -> None:
        """Record an event, and wait until the plug-in has handled all of them."""
        i = self.installation_id
        await self.store.write(lambda tx: event_log.append(tx, i, kind, subject, actor, data))
        await self.settle()

    async def settle(self) -> None:
        """Wait until GitHub has all writes, Hubbub all webhooks, and the plug-in all events.

        Raise AssertionError if the plug-in failed.
        """
        quiet = 0
        for _ in range(ROUNDS):
            if await self._work():
                quiet = 0
            elif quiet == len(LATER_S):
                return
            else:
                self.clock.forward(LATER_S[quiet])
                quiet += 1
        raise AssertionError("It does not come to rest: perhaps the plug-in causes its own events.")

    async def _work(self) -> bool:
        """Do what is due. Return whether there was something to do."""
        if await self._during(events.step(self.store, self.plugins)):
            return True
        await self._check_plugin()
        return self._workspace is not None and await self._workspace.work()

    async def _during(self, work: Coroutine[Any, Any, T]) -> T:
        return await (self._workspace.during(work) if self._workspace else work)

    async def _check_plugin(self) -> None:
        """Raise AssertionError if its last call failed."""
        i, name = self.installation_id, self.manifest.name
        use = await self.store.read(lambda tx: plugin_installations.get(tx, i, name))
        if use is not None and use["failures"]:
            raise AssertionError(f"The plug-in failed: {use['why']}")

    # --- On the simulated GitHub ---

    async def task(self, title: str = "Mend it", *labels: str, body: str = "") -> str:
        """The name of a new task, such as acme/rocket#1."""
        here = self.workspace
        issue = here.person.open_issue(here.repository, title, body, labels=[LABEL, *labels])
        await self.settle()
        return f"{here.repository.full_name}#{issue.number}"

    async def pull(self, agent: Actor, task: str, **files: str) -> str:
        """A pull request that the agent opens for a task that it claims. `files`: path, text."""
        fence = (await self.call_as(agent, "claim_task", task=task))["fence"]
        mine: dict[str, Any] = {"task": task, "fence": fence}
        branch = f"task-{task.partition('#')[2]}"
        changed = [{"path": path, "content": text} for path, text in (files or {"a": "1"}).items()]
        made = {"branch": branch, "files": changed, "message": "Mend"}
        await self.call_as(agent, "github_commit_files", **mine, **made)
        await self.call_as(agent, "github_create_pr", **mine, head=branch, title="Mend it")
        await self.settle()
        return f"{self.workspace.repository.full_name}#{max(self.workspace.repository.pulls)}"

    def comments(self, task: str) -> list[str]:
        """The comments of an issue or a pull request on GitHub."""
        thread = self.workspace.repository.threads[int(task.rpartition("#")[2])]
        return [each.body for each in thread.comments if not each.deleted]

    def card(self, task: str) -> str:
        """The card that Hubbub shows in the issue; empty if there is none."""
        return next((each for each in self.comments(task) if "**Hubbub** ·" in each), "")


@cache
def _empty_database() -> bytes:
    """It is made once in a process, because all migrations take a while."""
    with tempfile.TemporaryDirectory() as place:
        upgrade(f"sqlite:///{place}/empty.db")
        return Path(place, "empty.db").read_bytes()


@asynccontextmanager
async def open_harness(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    role: Role | None = None,
    *,
    github: bool = False,
) -> AsyncIterator[Harness]:
    """The plug-in in a folder, installed and turned on with these settings.

    `github`: with a simulated GitHub, which has the repository acme/rocket.
    """
    found, clock = package.read(folder), Clock()
    # unittest turns it on, and then each slow step is printed.
    asyncio.get_running_loop().set_debug(False)
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{place}/test.db"
        (place / "test.db").write_bytes(await asyncio.to_thread(_empty_database))
        store = await open_store(url, clock, before_commit=effects.follow)
        stack.push_async_callback(store.close)
        keys = Keys(secrets.token_hex(32))
        plugins = Plugins(store, keys)
        shared = Shared(keys, outside=Outside(plugins=plugins))
        dispatcher, workspace = Dispatcher(store, shared), None
        if github:
            opened = plugin_github.open_workspace(dispatcher, clock)
            workspace = await stack.enter_async_context(opened)
        made = Harness(dispatcher, plugins, found.manifest, clock, workspace)
        await made.settle()
        await _use(made, found, settings, role)
        yield made


async def _use(
    harness: Harness, found: Package, settings: Mapping[str, Any] | None, role: Role | None
) -> None:
    """Install the plug-in and turn it on."""
    candidate = installing.of_package(found)
    await installing.install(harness.store, candidate, "test", unsigned=True, update=False)
    given: dict[str, Any] = {"plugin": found.manifest.name, "action": "enable"}
    given |= {"settings": dict(settings)} if settings else {}
    given |= {"role": role} if role else {}
    await harness.hubbub("manage_plugin", **given)
