"""What OAuth clients and browsers send in forms and queries, bounded and read strictly."""

from collections.abc import Collection
from urllib.parse import parse_qsl

from aiohttp import web

from bot.identity.oauth.authorization import REPEATABLE, Fields, OAuthError, fields_of
from webhooks.bodies import BODIES

LARGEST = 16 * 1024
MOST_FIELDS = 200
FORM = "application/x-www-form-urlencoded"


async def read_form(request: web.Request, repeatable: Collection[str] = REPEATABLE) -> Fields:
    """The fields of the body. Raise OAuthError, or Refused if the body is too large or slow."""
    body = await request.app[BODIES].read_unsigned(request, LARGEST)
    if request.content_type != FORM:
        raise OAuthError("invalid_request", f"Send the parameters as {FORM}.")
    return _parse(body.decode("latin-1"), repeatable)


def read_query(request: web.Request) -> Fields:
    """Raise OAuthError."""
    return _parse(request.rel_url.raw_query_string, REPEATABLE)


def _parse(text: str, repeatable: Collection[str]) -> Fields:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as exc:
        raise OAuthError("invalid_request", "The parameters cannot be read.") from exc
    return fields_of(pairs, repeatable)
