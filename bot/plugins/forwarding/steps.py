"""The loop's step: collects what came in, and sends the oldest of each repository."""

import asyncio
from dataclasses import dataclass
from functools import partial

import structlog

from bot.identity.keyring import Broken
from bot.plugins import uses
from bot.plugins.forwarding import choosing, sending
from bot.plugins.forwarding.choosing import LATE
from bot.plugins.forwarding.sending import App, Failed, Letter
from bot.plugins.installed import Installed
from bot.plugins.running import Plugins
from bot.protocols.outgoing import Outgoing
from bot.times import SECOND
from store.engine.transaction import Store, Tx
from store.inbox import deliveries
from store.mirror import stored_repositories
from store.plugins import forwards, plugin_installations
from store.tables.plugins import PluginForwardRow, PluginInstallationRow

log = structlog.get_logger()
# Deliveries of one look at the inbox, and looks of one step.
PAGE, MOST_PAGES = 200, 10
# Repositories that are served at once, and requests of one step for each app.
AT_ONCE, MOST_ROUNDS = 8, 25
WINDOW = 100
LOOK_S = 2
# For so long no other process serves the app. A step takes at most so long.
TAKEN_S = 400
# After each failed attempt: seconds until the next. Then it is given up.
PAUSES_S = (10, 60, 300, 1_800, 7_200, 21_600)
LONGEST_WAIT_S = 6 * 3_600


@dataclass(frozen=True)
class Served:
    """An app of one installation."""

    use: PluginInstallationRow
    events: list[str]
    app: App
    repositories: list[str]


@dataclass
class Forwarder:
    """`network`: how apps are reached."""

    store: Store
    plugins: Plugins
    network: Outgoing

    async def due(self) -> list[tuple[Installed, PluginInstallationRow]]:
        """The apps for which something may have come in, or is to be tried again."""
        wanted = {
            each.name: each
            for each in await self.plugins.all_of()
            if each.manifest.kind == "probot" and each.row["state"] == "installed"
        }
        if not wanted:
            return []

        async def look(tx: Tx) -> list[PluginInstallationRow]:
            return await plugin_installations.due(tx, await tx.now(), list(wanted))

        return [(wanted[use["plugin"]], use) for use in await self.store.read(look)]

    async def step(self) -> int:
        """Serve the apps that are due. Return how many deliveries were sent."""
        return sum(await asyncio.gather(*(self.serve(*each) for each in await self.due())))

    async def serve(self, installed: Installed, use: PluginInstallationRow) -> int:
        async def take(tx: Tx) -> int | None:
            until = await tx.now() + TAKEN_S * SECOND
            return until if await plugin_installations.take(tx, use, until) else None

        until = await self.store.write(take)
        if until is None:
            return 0
        use["due_at"] = until
        served, sent, seq = self._target(installed, use), 0, use["seq"]
        if served is not None:
            seq = await self._collect(served)
            sent = await self._send(served)

        async def advance(tx: Tx) -> None:
            due = await tx.now() + (0 if sent else LOOK_S * SECOND)
            await plugin_installations.advance(tx, use, seq, due)

        await self.store.write(advance)
        return sent

    def _target(self, installed: Installed, use: PluginInstallationRow) -> Served | None:
        manifest = installed.manifest
        try:
            given = uses.with_defaults(manifest, uses.settings_of(self.plugins.keys, use))
        except Broken:
            log.warning("settings cannot be decrypted", plugin=installed.name)
            return None
        number = given.get("installation")
        app = App(
            str(given.get("url") or manifest.entry),
            str(given.get("secret", "")),
            int(number) if number else None,
        )
        return Served(use, manifest.adds.deliveries, app, given.get("repositories", []))

    # --- Collecting ------------------------------------------------------------------------------

    async def _collect(self, served: Served) -> int:
        """Have what came in forwarded. Return the new place.

        Each look begins a little earlier than the last one ended, because a transaction that began
        earlier may be committed later. What was collected already is left alone.
        """
        after = (served.use["seq"] - LATE, "")
        for _ in range(MOST_PAGES):
            page = await self.store.write(partial(self._collect_page, served, after))
            if page is None:
                return max(served.use["seq"], after[0])
            after = page
        # There is more than a step reads: the next one goes on from here.
        return after[0] + LATE

    async def _collect_page(
        self, served: Served, after: tuple[int, str], tx: Tx
    ) -> tuple[int, str] | None:
        """Where the next page begins. None: this was the last one."""
        i, plugin = served.use["installation_id"], served.use["plugin"]
        page = await forwards.newer(tx, i, after, PAGE)
        ids = await _repository_ids(tx, i, served.repositories)
        wanted = [each for each in page if choosing.is_wanted(each, served.events, ids)]
        if wanted:
            await forwards.add(tx, i, plugin, wanted)
        if len(page) < PAGE:
            return None
        return page[-1]["received_at"], page[-1]["guid"]

    # --- Sending ---------------------------------------------------------------------------------

    async def _send(self, served: Served) -> int:
        """Send the oldest of each repository, and then the next, until none is due."""
        sent, blocked = 0, set[int]()
        for _ in range(MOST_ROUNDS):
            heads = await self.store.read(partial(_heads, served.use, blocked))
            if not heads:
                break
            ended = await asyncio.gather(*(self._send_one(served, each) for each in heads))
            sent += len(heads)
            blocked |= {
                each["repository_id"] for each, went in zip(heads, ended, strict=True) if not went
            }
        return sent

    async def _send_one(self, served: Served, row: PluginForwardRow) -> bool:
        """Return whether it is done: the app took it, or it is given up."""
        here = (row["installation_id"], row["guid"])
        found = await self.store.read(lambda tx: deliveries.get(tx, *here))
        now = await self.store.read(lambda tx: tx.now())
        if found is None:
            return await self._end(row, Failed("its payload is not kept any more"), now, last=True)
        letter = Letter(row["guid"], row["event"], found[1].payload)
        failed = await sending.send(self.network, served.app, letter, now / SECOND)
        return await self._end(row, failed, now)

    async def _end(
        self, row: PluginForwardRow, failed: Failed | None, now: int, *, last: bool = False
    ) -> bool:
        here = (row["installation_id"], row["plugin"])
        last = last or row["attempts"] >= len(PAUSES_S)

        async def work(tx: Tx) -> None:
            if failed is None:
                await forwards.end_attempt(tx, row, "delivered", now, None)
                await plugin_installations.count_success(tx, *here)
                return
            await plugin_installations.note_failure(tx, *here, failed.why)
            if last:
                await forwards.end_attempt(tx, row, "dead", now, failed.why)
                return
            wait_s = max(PAUSES_S[row["attempts"]], min(failed.wait_s or 0, LONGEST_WAIT_S))
            at = now + int(wait_s * SECOND)
            await forwards.end_attempt(tx, row, "waiting", at, failed.why)

        await self.store.write(work)
        return failed is None or last


async def _repository_ids(tx: Tx, installation_id: int, names: list[str]) -> set[int] | None:
    """None: all repositories."""
    if not names:
        return None
    found = [await stored_repositories.repository(tx, installation_id, each) for each in names]
    return {each["id"] for each in found if each is not None}


async def _heads(use: PluginInstallationRow, blocked: set[int], tx: Tx) -> list[PluginForwardRow]:
    """The oldest that waits of each repository, if it is due. What is not due blocks its own."""
    now, heads = await tx.now(), dict[int, PluginForwardRow]()
    here = (tx, use["installation_id"], use["plugin"])
    while len(heads) < AT_ONCE:
        rows = await forwards.waiting(*here, blocked | heads.keys(), WINDOW)
        if not rows:
            break
        for row in rows:
            repository = row["repository_id"]
            if repository in blocked or repository in heads or len(heads) >= AT_ONCE:
                continue
            if row["not_before"] > now:
                blocked.add(repository)
            else:
                heads[repository] = row
    return list(heads.values())
