"""What the handlers of the application share."""

from aiohttp import web

from bot.dispatch.dispatcher import Hub
from bot.identity.actors import Actor
from webhooks.group_commit import Inbox
from webhooks.metrics import Metrics

HUB = web.AppKey("hub", Hub)
INBOX = web.AppKey("inbox", Inbox)
METRICS = web.AppKey("metrics", Metrics)
WEBHOOK_SECRET = web.AppKey("webhook_secret", str)
ACTOR = web.RequestKey("actor", Actor)
