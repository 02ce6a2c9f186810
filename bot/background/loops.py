"""The background loops of a server: worker, sender, reaper, repair, backfill and others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog

from bot.background import (
    agent_runs,
    board_sweep,
    budget_sampling,
    digest_steps,
    expiry,
    mount_looks,
    notifying,
    retention,
    sealing,
    spend_review,
    workflow_starts,
)
from bot.background.clock_watch import ClockWatch
from bot.background.model_worker import ModelWorker
from bot.background.request_scheduler import Sender
from bot.background.retention import RetentionTimes
from bot.background.step_calls import StepCalls
from bot.background.supervision import Supervisor
from bot.background.tasks_by_key import TasksByKey
from bot.backup.schedule import Schedule
from bot.comments import posted_texts
from bot.dispatch.refusals import Refusals
from bot.fetch import backfill
from bot.fetch.missed_deliveries import EVERY_S as REPAIR_EVERY_S
from bot.fetch.missed_deliveries import Repair
from bot.flags import fall_back
from bot.github.client import open_client
from bot.inbox import worker
from bot.inbox.backpressure import Backpressure
from bot.kernel.operation import Shared
from bot.notifications.delivery import Notifier
from bot.plugins import events as plugin_events
from bot.plugins.forwarding import Forwarder
from bot.plugins.registry import looking
from bot.plugins.running import plugins_of
from bot.protocols.courier import Courier
from bot.protocols.outgoing import Outgoing
from bot.settings import GitHubApp
from bot.tenants import own_settings, usage
from bot.trackers import mirroring
from bot.workflows.execution import tool_steps
from store.engine.transaction import Store, StoreError, Tx
from store.mirror import search_index
from store.outbox import write_order
from store.protocols.endpoint_deliveries import TOPIC
from store.trackers import trackers

log = structlog.get_logger()

# How often a loop runs without a signal: other processes change things too, and time passes.
WORKER_EVERY_S = 0.5
SENDER_EVERY_S = 0.5
REAPER_EVERY_S = 2.0
BACKFILL_EVERY_S = 2.0
CAPS_EVERY_S = 5.0
BOARDS_EVERY_S = 5.0
RUNS_EVERY_S = 2.0
DIGESTS_EVERY_S = 30.0
SAMPLES_EVERY_S = 30.0
FORGET_EVERY_S = 600.0
CLOCK_EVERY_S = 5.0
BACKUPS_EVERY_S = 20.0
REFUSALS_EVERY_S = 5.0
SEAL_EVERY_S = 30.0
NOTIFY_EVERY_S = 2.0
MOUNTS_EVERY_S = 2.0
CALLS_EVERY_S = 60.0
ENDPOINTS_EVERY_S = 2.0
STEP_CALLS_EVERY_S = 2.0
TRACKERS_EVERY_S = 2.0
FLAGS_EVERY_S = 5.0
PLUGINS_EVERY_S = 2.0
REGISTRIES_EVERY_S = 5.0
FALL_BACK_EVERY_S = 30.0
USAGE_EVERY_S = 60.0
INDEX_BATCH = 50
# Between two batches, so that other writers are not slowed down.
FORGET_PAUSE_S = 0.1
# When the process stops: how long a started step may take, and how long the release of leases.
FINISH_S = 10.0
RELEASE_S = 3.0
# After a failure: the database may be away.
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 30.0)


@dataclass
class Loops:
    """The loops of this process, and which of them fail."""

    store: Store
    shared: Shared
    pressure: Backpressure
    sender: Sender
    repair: Repair
    retention_times: RetentionTimes
    refusals: Refusals
    notifier: Notifier
    courier: Courier
    models: ModelWorker
    # None if `serve` makes no backups.
    backups: Schedule | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    failing: dict[str, str] = field(default_factory=dict)
    supervisor: Supervisor = field(init=False)
    clock: ClockWatch = field(init=False)
    tools: StepCalls = field(init=False)
    _sending: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _handing_over: TasksByKey = field(default_factory=lambda: TasksByKey("events of plug-ins"))
    _forwarding: TasksByKey = field(default_factory=lambda: TasksByKey("forwarded deliveries"))
    _has_adopted_boards: bool = False
    _forgotten: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.failing)
        self.clock = ClockWatch(self.store)
        self.tools = StepCalls(self.store, self.shared)

    def start(self) -> None:
        for name, step, topic, every_s in (
            ("worker", self.work, "inbox", WORKER_EVERY_S),
            ("sender", self.send, "outbox", SENDER_EVERY_S),
            ("reaper", self.end_expired, "time", REAPER_EVERY_S),
            ("caps", self.review_caps, "time", CAPS_EVERY_S),
            ("runs", self.advance_runs, "time", RUNS_EVERY_S),
            ("digests", self.write_digests, "time", DIGESTS_EVERY_S),
            ("samples", self.sample_budgets, "time", SAMPLES_EVERY_S),
            ("repair", self.repair_deliveries, "time", SENDER_EVERY_S),
            ("backfill", self.begin_backfills, "time", BACKFILL_EVERY_S),
            ("boards", self.follow_boards, "time", BOARDS_EVERY_S),
            ("indexer", self.index, "time", FORGET_EVERY_S),
            ("forgetter", self.drop_old, "time", FORGET_EVERY_S),
            ("clock", self.clock.step, "time", CLOCK_EVERY_S),
            ("refusals", self.store_refusals, "time", REFUSALS_EVERY_S),
            ("sealer", self.seal_audit, "time", SEAL_EVERY_S),
            ("notifier", self.notify, "time", NOTIFY_EVERY_S),
            ("mounts", self.look_at_mounts, "mounts", MOUNTS_EVERY_S),
            ("tool calls", self.end_lost_calls, "time", CALLS_EVERY_S),
            ("endpoints", self.courier.step, TOPIC, ENDPOINTS_EVERY_S),
            ("step calls", self.tools.step, tool_steps.TOPIC, STEP_CALLS_EVERY_S),
            ("models", self.models.step, TOPIC, ENDPOINTS_EVERY_S),
            ("trackers", self.mirror_trackers, trackers.TOPIC, TRACKERS_EVERY_S),
            ("flags", self.refresh_flags, "time", FLAGS_EVERY_S),
            ("usage", self.count_usage, "time", USAGE_EVERY_S),
            ("plugins", self.hand_events_to_plugins, "time", PLUGINS_EVERY_S),
            ("forwards", self.forward_deliveries, "time", PLUGINS_EVERY_S),
            ("registries", self.look_at_registries, "time", REGISTRIES_EVERY_S),
            ("canary", self.compare_flags, "time", FALL_BACK_EVERY_S),
            *([("backups", self.backups.step, "time", BACKUPS_EVERY_S)] if self.backups else []),
        ):
            self.supervisor.start(name, partial(self.run, name, step, topic, every_s))

    def health(self) -> dict[str, str]:
        """The problems by loop, and `github` if GitHub cannot be used."""
        trouble = self.sender.trouble or self.repair.trouble
        away = {"github": trouble} if trouble else {}
        return self.failing | away

    async def run(
        self, name: str, step: Callable[[], Awaitable[int]], topic: str, every_s: float
    ) -> None:
        """Step until there is nothing to do, then wait for the bell or for `every_s`."""
        failures = 0
        while not self.stopping.is_set():
            ticket = self.store.bell.ticket(topic)
            try:
                busy = await step()
            except Exception as exc:  # the top of a loop: it must not end
                self.failing[name] = f"{type(exc).__name__}: {exc}"
                log.exception("loop failed", loop=name)
                await self._pause(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1
                continue
            self.failing.pop(name, None)
            failures = 0
            if not busy:
                await self._rest(topic, ticket, every_s)

    async def _rest(self, topic: str, ticket: int, every_s: float) -> None:
        """Wait until the bell rings, the time is over, or the process stops."""
        bell = asyncio.create_task(self.store.bell.wait(topic, ticket, every_s))
        end = asyncio.create_task(self.stopping.wait())
        _, pending = await asyncio.wait({bell, end}, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return

    async def work(self) -> int:
        return await worker.step(self.store, self.shared, self.pressure)

    async def end_expired(self) -> int:
        return await expiry.step(self.store)

    async def review_caps(self) -> int:
        return await spend_review.step(self.store, self.shared)

    async def write_digests(self) -> int:
        return await digest_steps.step(self.store)

    async def sample_budgets(self) -> int:
        await budget_sampling.step(self.store)
        return 0

    async def advance_runs(self) -> int:
        started = await workflow_starts.step(self.store, self.shared)
        return started + await agent_runs.step(self.store, self.shared.caps.currency)

    async def follow_boards(self) -> int:
        """Only the first step looks for boards that an older version left behind."""
        if not self._has_adopted_boards:
            self._has_adopted_boards = not await board_sweep.adopt(self.store)
        return await board_sweep.step(self.store)

    async def index(self) -> int:
        """Index mirror rows that have no entry in the search index yet."""

        async def catch_up(tx: Tx) -> int:
            return await search_index.catch_up(tx, INDEX_BATCH, await posted_texts.reader(tx))

        indexed = await self.store.write(catch_up)
        if indexed:
            await self._pause(FORGET_PAUSE_S)
        return indexed

    async def drop_old(self) -> int:
        dropped = await retention.step(
            self.store, self.shared.keys, self.retention_times, self._forgotten
        )
        if dropped:
            await self._pause(FORGET_PAUSE_S)
        return dropped

    async def store_refusals(self) -> int:
        await self.refusals.flush()
        return 0

    async def notify(self) -> int:
        return await notifying.step(self.store, self.notifier)

    async def look_at_mounts(self) -> int:
        return await mount_looks.step(self.store, self.shared)

    async def end_lost_calls(self) -> int:
        return await mount_looks.end_lost_calls(self.store)

    async def mirror_trackers(self) -> int:
        return await mirroring.step(self.store, self.shared, self.courier.link.links)

    async def seal_audit(self) -> int:
        return await sealing.step(self.store, self.shared.keys)

    async def refresh_flags(self) -> int:
        await self.shared.flags.refresh(self.store)
        await own_settings.refresh(self.store, self.shared)
        return 0

    async def count_usage(self) -> int:
        return await usage.step(self.store)

    async def hand_events_to_plugins(self) -> int:
        """Start a task for each plug-in of each installation: a slow one holds up no other."""
        if (plugins := plugins_of(self.shared.outside)) is None:
            return 0
        for use in await plugin_events.due(self.store, plugins):
            work = partial(plugin_events.drain, self.store, plugins, use)
            self._handing_over.start((use["installation_id"], use["plugin"]), work)
        return 0

    async def forward_deliveries(self) -> int:
        """Beside the worker, so that an app that is slow holds up nothing of ours."""
        if (plugins := plugins_of(self.shared.outside)) is None:
            return 0
        forwarder = Forwarder(self.store, plugins, Outgoing(self.shared.trusted_origins))
        for installed, use in await forwarder.due():
            work = partial(forwarder.serve, installed, use)
            self._forwarding.start((use["installation_id"], use["plugin"]), work)
        return 0

    async def look_at_registries(self) -> int:
        return await looking.step(self.store)

    async def compare_flags(self) -> int:
        await fall_back.step(self.store)
        return 0

    async def send(self) -> int:
        """Start a task for each installation that has something to send."""
        waiting = await self.store.read(write_order.waiting_installations)
        for installation_id in waiting:
            if installation_id not in self._sending:
                task = asyncio.create_task(self._drain(installation_id))
                self._sending[installation_id] = task
        return 0

    async def _drain(self, installation_id: int) -> None:
        """Send one request after another for an installation."""
        try:
            while not self.stopping.is_set():
                again = await self.sender.step(installation_id)
                if again is None:
                    return
                if again:
                    # Only for a short time: something more urgent may come.
                    await self._pause(min(again, SENDER_EVERY_S))
        except Exception:  # a bug: the other installations must go on
            log.exception("sender failed", installation=installation_id)
            await self._pause(PAUSES_S[0])
        finally:
            del self._sending[installation_id]

    async def repair_deliveries(self) -> int:
        """Fetch lost deliveries. Each step says how long to pause."""
        await self._pause(await self.repair.step())
        return 1

    async def begin_backfills(self) -> int:
        return await backfill.begin_missing(self.store)

    def stop(self) -> None:
        """Start nothing new."""
        self.stopping.set()
        self.supervisor.stop()

    async def finish(self) -> None:
        """Wait for what runs, but not for long: the process must end."""
        self.stop()
        await asyncio.gather(
            self.courier.finish(FINISH_S), self.tools.finish(FINISH_S), self.models.finish()
        )
        running = [
            *self.supervisor.tasks.values(),
            *self._sending.values(),
            *self._handing_over.running,
            *self._forwarding.running,
        ]
        _, late = await asyncio.wait(running, timeout=FINISH_S)
        try:
            async with asyncio.timeout(RELEASE_S):
                await self.refusals.flush(everything=True)
                if not self._sending:
                    await self.sender.release()
                # Otherwise a request is running: another process waits until the lease ends.
                if not late:
                    await self.repair.release()
        except (StoreError, TimeoutError) as exc:
            log.warning("leases not released", error=repr(exc))
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


@asynccontextmanager
async def run_loops(
    store: Store,
    shared: Shared,
    pressure: Backpressure,
    app: GitHubApp,
    retention_times: RetentionTimes,
    refusals: Refusals,
    notifier: Notifier,
    courier: Courier,
    backups: Schedule | None = None,
) -> AsyncIterator[Loops]:
    async with open_client(app) as github:
        pulls = app.pull_every_s is not None
        every_s = app.pull_every_s or REPAIR_EVERY_S
        repair = Repair(store, github, keys=shared.keys, fetches=pulls, every_s=every_s)
        sender = Sender(store, github, keys=shared.keys, flags=shared.flags)
        loops = Loops(
            store,
            shared,
            pressure,
            sender,
            repair,
            retention_times,
            refusals,
            notifier,
            courier,
            ModelWorker(store),
            backups,
        )
        loops.start()
        try:
            yield loops
        finally:
            await loops.finish()
