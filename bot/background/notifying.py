"""The steps of the loop for notifications: look for what needs a person, then send what is due."""

from functools import partial

from bot.background.attempts import attempt
from bot.identity.keyring import Keys
from bot.notifications import noticing
from bot.notifications.delivery import Notifier
from bot.notifications.message import Links
from bot.notifications.smtp import mail_server
from bot.notifications.web import Web
from bot.settings import Settings, split_list, web_url
from store.engine.transaction import Store
from store.notifications import noticed

BATCH = 100


async def step(store: Store, notifier: Notifier) -> int:
    """Return how many messages were tried."""
    await look(store)
    return await attempt(notifier.step(), "notifications not sent")


async def look(store: Store) -> int:
    """Look at the installations that are due, each in a transaction of its own."""
    due = await store.read(lambda tx: noticed.due(tx, BATCH))
    return sum(
        [
            await attempt(
                store.write(partial(noticing.look, installation_id=each)),
                "not looked for what needs a person",
                installation=each,
            )
            for each in due
        ]
    )


def notifier_of(loaded: Settings, store: Store, keys: Keys) -> Notifier:
    trusted = frozenset(each.lower() for each in split_list(loaded.notify_origins))
    return Notifier(store, keys, Web(trusted), mail_server(loaded), links_of(loaded))


def links_of(loaded: Settings) -> Links:
    """The addresses of GitHub's pages and of Hubbub's."""
    github = loaded.github_url or web_url(loaded.github_api_url)
    return Links(github, loaded.public_url or "")
