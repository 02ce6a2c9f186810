"""Keys of what the handlers of the application share."""

from aiohttp import web

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.tokens import Tokens
from webhooks.group_commit import Inbox
from webhooks.metrics import Metrics
from webhooks.refused_signatures import RefusedSignatures

DISPATCHER = web.AppKey("dispatcher", Dispatcher)
TOKENS = web.AppKey("tokens", Tokens)
INBOX = web.AppKey("inbox", Inbox)
METRICS = web.AppKey("metrics", Metrics)
WEBHOOK_SECRETS = web.AppKey("webhook_secrets", tuple[str, ...])
SIGNATURES = web.AppKey("signatures", RefusedSignatures)
ACTOR = web.RequestKey("actor", Actor)
