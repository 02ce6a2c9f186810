"""`/invitations/ID`: shows the code of an invitation once, to the person who wrote `/invite`.

The form is protected like that of the logout: the cookie is SameSite, so no other site can post it.
"""

from html import escape

from aiohttp import web

from bot.identity import invitations
from store.engine.transaction import Tx
from webhooks import login
from webhooks.html_page import page
from webhooks.login import LOGIN
from webhooks.origins import write

NOT_YOURS = (
    "<p>It does not exist, has ended, was shown already, or somebody else made it. Write "
    "<code>/agents invite NAME</code> again for another one.</p>"
)


def add_routes(app: web.Application) -> None:
    app.router.add_get("/invitations/{id}", ask)
    app.router.add_post("/invitations/{id}", reveal)


async def ask(request: web.Request) -> web.Response:
    """A button, because programs that follow links must not use the code up."""
    person = await login.signed_in(request)
    if person is None:
        raise login.to_login(request)
    return page(
        "The code of an invitation",
        f"<p>You are @{escape(person.login)}. The code is shown once. With it an agent gets its "
        "token, so give it to nobody else.</p>"
        '<form method="post"><button>Show the code</button></form>',
    )


async def reveal(request: web.Request) -> web.Response:
    person = await login.signed_in(request)
    if person is None:
        raise login.to_login(request)
    here, invitation_id = request.app[LOGIN], request.match_info["id"]

    async def work(tx: Tx) -> str | None:
        return await invitations.reveal(tx, here.keys, invitation_id, person.person_id)

    code = await write(request, here.store, work, "page", f"@{person.login}")
    if code is None:
        return page("There is no code for you", NOT_YOURS, 404)
    return page(
        "The code of your invitation",
        f"<p><code>{escape(code)}</code></p><p>The agent gets its token with it: "
        "<code>hubbub token redeem CODE</code>. It works once, within an hour.</p>",
    )
