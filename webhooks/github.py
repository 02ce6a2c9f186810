"""`POST /webhooks/github`: verify and store a delivery. The worker processes it later."""

import re
from dataclasses import replace
from typing import Any

import structlog
from aiohttp import web

from bot import tracing
from bot.errors import Refused
from bot.github import webhook_payloads
from webhooks.app_keys import INBOX, METRICS, SIGNATURES, WEBHOOK_SECRETS
from webhooks.bodies import BODIES
from webhooks.listener import CONNECTIONS
from webhooks.refused_signatures import REMEDY
from webhooks.signature import is_valid

log = structlog.get_logger()

# The name of GitHub as a caller.
GITHUB = "github"
# GitHub sends nothing larger.
LARGEST = 25 * 2**20
GUID = re.compile(r"[A-Za-z0-9-]{1,80}")
EVENT = re.compile(r"[a-z0-9_]{1,80}")


async def receive(request: web.Request) -> web.Response:
    app = request.app
    body = await app[BODIES].read_unsigned(request, LARGEST)
    _check_signature(request, body)
    guid = _header(request, "X-GitHub-Delivery", GUID)
    event = _header(request, "X-GitHub-Event", EVENT)
    delivery = webhook_payloads.delivery(guid, event, body, _payload(request, body))
    try:
        with (
            app[CONNECTIONS].mark_known(request, GITHUB),
            tracing.span(
                f"receive {event}",
                "producer",
                messaging__system=GITHUB,
                messaging__operation__type="receive",
                messaging__destination__name="deliveries",
                messaging__message__id=guid,
                messaging__message__body__size=len(body),
                hubbub__installation__id=delivery.installation_id,
            ),
        ):
            await app[INBOX].receive(replace(delivery, trace=tracing.traceparent()))
    except Exception as exc:  # whatever it is, GitHub must not take it as stored
        log.exception("delivery not stored", guid=guid)
        raise Refused(
            "unavailable", "The delivery could not be stored. Redeliver it later."
        ) from exc
    app[METRICS].count_delivery(event)
    return web.json_response({"accepted": guid}, status=202)


def _check_signature(request: web.Request, body: bytes) -> None:
    signature = request.headers.get("X-Hub-Signature-256", "")
    if not signature:
        _report_refusal(request, "missing")
        raise Refused(
            "unauthenticated",
            "The header X-Hub-Signature-256 is missing. Set a webhook secret for the App.",
        )
    secrets = request.app[WEBHOOK_SECRETS]
    if not any(is_valid(each, body, signature) for each in secrets):
        _report_refusal(request, "wrong")
        raise Refused(
            "unauthenticated",
            "The signature does not match the body. Set HUBBUB_GITHUB_WEBHOOK_SECRET to the "
            "webhook secret of the App.",
        )
    request.app[SIGNATURES].clear()


def _report_refusal(request: web.Request, reason: str) -> None:
    """Count it, and log it now and then. What does not look like a delivery is only counted."""
    request.app[METRICS].signatures.labels(reason).inc()
    guid, event = (request.headers.get(f"X-GitHub-{name}", "") for name in ("Delivery", "Event"))
    if not (GUID.fullmatch(guid) and EVENT.fullmatch(event)):
        return
    if (count := request.app[SIGNATURES].record()) is not None:
        log.warning(
            "webhook refused", signature=reason, count=count, guid=guid, event_name=event, do=REMEDY
        )


def _header(request: web.Request, name: str, shape: re.Pattern[str]) -> str:
    value = request.headers.get(name, "")
    if not shape.fullmatch(value):
        problem = "is missing" if not value else "has a value that GitHub does not send"
        raise Refused("bad_request", f"The header {name} {problem}.")
    return value


def _payload(request: web.Request, body: bytes) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise Refused(
            "bad_request",
            f"The content type is {request.content_type}. Set the content type of the App's "
            "webhook to application/json.",
        )
    try:
        payload = webhook_payloads.json_of(body)
    except (ValueError, RecursionError) as exc:
        raise Refused("bad_request", f"The body is not JSON: {exc}.") from exc
    if not isinstance(payload, dict):
        raise Refused("bad_request", "The body must be a JSON object.")
    return payload
