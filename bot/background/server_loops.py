"""The background loops with all that they need, from the settings of a server."""

from contextlib import AbstractAsyncContextManager

from bot.background import agent_endpoints, loops, notifying, retention
from bot.backup.schedule import schedule_of
from bot.dispatch.refusals import Refusals
from bot.identity.server_address import address_of
from bot.inbox.backpressure import Backpressure
from bot.kernel.operation import Shared
from bot.settings import GitHubApp, Settings
from store.engine.transaction import Store


def run(
    store: Store,
    shared: Shared,
    loaded: Settings,
    github_app: GitHubApp,
    pressure: Backpressure,
    refusals: Refusals,
) -> AbstractAsyncContextManager[loops.Loops]:
    links = notifying.links_of(loaded)
    return loops.run_loops(
        store,
        shared,
        pressure,
        github_app,
        retention.retention_times(loaded),
        refusals,
        notifying.notifier_of(loaded, store, shared.keys),
        agent_endpoints.courier_of(store, shared, address_of(loaded), links=links),
        schedule_of(loaded, store),
    )
