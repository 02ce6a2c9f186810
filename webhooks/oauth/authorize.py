"""`/oauth/authorize`: a person who is logged in with GitHub grants an agent to a client.

Nothing is kept between the page and its form: see `form_tokens.py`.
"""

from dataclasses import dataclass

import structlog
from aiohttp import web

from bot.errors import Refused
from bot.identity.credentials import Grant
from bot.identity.oauth import authorization_codes
from bot.identity.oauth.authorization import (
    AuthorizationRequest,
    Fields,
    OAuthError,
    answer_address,
    one,
    request_of,
    state_of,
    target_of,
)
from bot.identity.oauth.client_documents import Unusable
from bot.identity.oauth.clients import Client, may_redirect
from bot.identity.oauth.consent import (
    MOST_REPOSITORIES,
    Choice,
    check_owner,
    grant_for,
    usual_choice,
)
from bot.identity.people.browser_sessions import Reach, SignedIn
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from webhooks import login
from webhooks.addresses import ADDRESSES
from webhooks.client_address import PROXIES
from webhooks.oauth import form_tokens, pages
from webhooks.oauth.forms import read_form, read_query
from webhooks.oauth.server import OAUTH
from webhooks.origins import write

log = structlog.get_logger()

# The client's request goes to GitHub and back in a cookie.
LONGEST_QUERY = 2000
FORM_FIELDS = frozenset({"resource", "repository"})


@dataclass(frozen=True)
class Visit:
    """A person on the page: what the client asks for, and the fields that their browser sent."""

    request: web.Request
    fields: Fields
    person: SignedIn
    client: Client
    asked: AuthorizationRequest


async def show(request: web.Request) -> web.Response:
    """The page on which the person decides."""
    request.app[OAUTH].pages.count(request.app[PROXIES].limit_key(request))
    try:
        fields = _query(request)
        person = await login.signed_in(request)
        if person is None:
            raise login.to_login(request)
        client = await _client(request, fields)
    except OAuthError as exc:
        return pages.refusal(exc.description)
    try:
        asked = request_of(fields, request.app[ADDRESSES].resources(request))
    except OAuthError as exc:
        return _refuse(request, fields, exc)
    return await _page(Visit(request, fields, person, client, asked))


def _query(request: web.Request) -> Fields:
    """Raise OAuthError, which the client must not get: its address is not checked yet."""
    if len(request.path_qs) > LONGEST_QUERY:
        raise OAuthError("invalid_request", f"The request is longer than {LONGEST_QUERY}.")
    fields = read_query(request)
    target_of(fields)
    return fields


async def decide(request: web.Request) -> web.Response:
    """What the buttons of the page do."""
    try:
        fields = await read_form(request, FORM_FIELDS)
        person = await login.signed_in(request)
        if person is None or not await form_tokens.is_own_form(request, fields, person):
            return pages.refusal("This form is not from this browser, or it is too old.", 403)
        request.app[OAUTH].decisions.count(person.person_id)
        client = await _client(request, fields)
        asked = request_of(fields, request.app[ADDRESSES].resources(request))
    except OAuthError as exc:
        return pages.refusal(exc.description)
    if one(fields, "decision") != "allow":
        declined = OAuthError("access_denied", "The person declined.")
        return _refuse(request, fields, declined)
    return await _grant(Visit(request, fields, person, client, asked))


async def _client(request: web.Request, fields: Fields) -> Client:
    """The client, if the redirect address is one of its own. Raise OAuthError."""
    client_id, redirect_uri = target_of(fields)
    try:
        client = await request.app[OAUTH].client(client_id)
    except Unusable as exc:
        raise OAuthError(
            "invalid_client", f"The client {client_id} cannot be used: {exc}."
        ) from exc
    if not may_redirect(client.redirect_uris, redirect_uri):
        raise OAuthError(
            "invalid_request", f"{redirect_uri} is not a redirect address of {client.name}."
        )
    return client


def _refuse(request: web.Request, fields: Fields, exc: OAuthError) -> web.Response:
    """Send the error to the client, whose address was checked before."""
    try:
        state = state_of(fields)
    except OAuthError:
        state = None
    answer = {"error": exc.code, "error_description": exc.description}
    return _send(request, one(fields, "redirect_uri"), state, **answer)


def _send(
    request: web.Request, redirect_uri: str, state: str | None, **answer: str
) -> web.Response:
    issuer = request.app[ADDRESSES].base(request)
    target = answer_address(redirect_uri, state, issuer, **answer)
    headers = {"Location": target, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(status=303, headers=headers)


async def _page(visit: Visit) -> web.Response:
    person = visit.person
    if not person.reach:
        return pages.refusal("You have no role in any repository on which the App is installed.")
    if (reach := _reach(person, visit.fields)) is None:
        return pages.choose_installation(person, form_tokens.client_fields(visit.fields))
    return await _consent(visit, reach, usual_choice(person, reach, visit.client))


def _reach(person: SignedIn, fields: Fields) -> Reach | None:
    """The installation that was chosen, or the only one."""
    if "installation" not in fields and len(person.reach) == 1:
        return person.reach[0]
    chosen = one(fields, "installation")
    return next((each for each in person.reach if str(each.installation_id) == chosen), None)


async def _consent(visit: Visit, reach: Reach, choice: Choice, problem: str = "") -> web.Response:
    names = await _names(visit.request, reach)
    shown = pages.Consent(
        visit.person,
        visit.client,
        visit.asked.redirect_uri,
        reach,
        names,
        choice,
        await form_tokens.hidden_fields(visit.request, visit.fields, visit.person, reach),
        left_out=len(reach.roles) - len(names),
    )
    return pages.consent(shown, problem)


async def _names(request: web.Request, reach: Reach) -> dict[int, str]:
    """The names of the repositories that the page lists, in their order."""
    ids = sorted(reach.roles)
    found = await request.app[OAUTH].store.read(
        lambda tx: stored_repositories.names(tx, reach.installation_id, ids, MOST_REPOSITORIES)
    )
    return {each["id"]: each["full_name"] for each in found}


async def _grant(visit: Visit) -> web.Response:
    request, person, asked = visit.request, visit.person, visit.asked
    reach = _reach(person, visit.fields)
    if reach is None:
        return pages.refusal("You have no role in this account any more.", 403)
    choice = _choice(visit.fields)
    try:
        grant = grant_for(person, reach, visit.client, choice)
        code = await _issue(request, person.session, grant, asked)
    except Refused as exc:
        return await _consent(visit, reach, choice, exc.message)
    log.info("oauth granted", client=visit.client.id, agent=choice.agent, by=f"@{person.login}")
    return _send(request, asked.redirect_uri, asked.state, code=code)


async def _issue(
    request: web.Request, session: str, grant: Grant, asked: AuthorizationRequest
) -> str:
    """A code for the client. `session`: the login of the person who grants. Raise Refused."""
    keys = request.app[OAUTH].keys

    async def work(tx: Tx) -> str:
        await check_owner(tx, grant)
        return await authorization_codes.issue(tx, keys, grant, asked)

    store, actor = request.app[OAUTH].store, grant.created_by
    return await write(request, store, work, "oauth", actor, session)


def _choice(fields: Fields) -> Choice:
    ids = [each for each in fields.get("repository", ()) if each.isdecimal() and len(each) < 20]
    return Choice(
        one(fields, "agent").strip(), one(fields, "role"), frozenset(int(each) for each in ids)
    )
