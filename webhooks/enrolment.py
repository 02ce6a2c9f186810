"""`POST /enrol`: an agent gets its token for the one-time code of an invitation."""

import json

from aiohttp import web

from bot.errors import Refused
from bot.identity import invitations
from bot.identity.invitations import Redeemed
from store.engine.transaction import Tx
from webhooks.app_keys import DISPATCHER
from webhooks.bodies import BODIES
from webhooks.origins import write

LARGEST = 4096
NO_STORE = {"Cache-Control": "no-store"}


async def enrol(request: web.Request) -> web.Response:
    code, client_key = _code(await request.app[BODIES].read_unsigned(request, LARGEST))
    dispatcher = request.app[DISPATCHER]
    keys = dispatcher.shared.keys

    async def redeem(tx: Tx) -> Redeemed | None:
        return await invitations.redeem(tx, keys, code, client_key)

    # A stranger who guesses starts no transaction that writes.
    is_known = await dispatcher.store.read(lambda tx: invitations.is_known(tx, keys, code))
    redeemed = await write(request, dispatcher.store, redeem) if is_known else None
    return web.json_response(invitations.answer(redeemed), headers=NO_STORE)


def _code(body: bytes) -> tuple[str, str]:
    """The code, and the client's key or nothing. Raise Refused."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    match given:
        case {"code": str(code), "client_key": str(client_key)}:
            return code, client_key
        case {"code": str(code)}:
            return code, ""
    raise Refused("bad_request", 'Send the code as JSON: {"code": "hubbub_…"}.')
