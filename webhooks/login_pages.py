"""The pages of the login."""

from html import escape

from aiohttp import web

from bot.identity.people.browser_sessions import Reach, SignedIn
from webhooks.html_page import page

# Relative, because the address of the server may have a path.
AGAIN = '<p><a href="../login">Log in again</a></p>'


def welcome(person: SignedIn) -> web.Response:
    reach = "".join(f"<li>{_line(each)}</li>" for each in person.reach)
    lost = "<p>You have no role in any repository any more.</p>"
    return page(
        f"You are logged in as @{person.login}",
        f"{f'<ul>{reach}</ul>' if reach else lost}"
        '<form method="post" action="logout"><button>Log out</button></form>',
    )


def _line(reach: Reach) -> str:
    n = len(reach.roles)
    where = "1 repository" if n == 1 else f"{n} repositories"
    return f"{escape(reach.account)}: {where}"


def goodbye() -> web.Response:
    return page("You are logged out", AGAIN.replace("../", ""))


def stranger(login: str) -> web.Response:
    return page(
        "You have no access here",
        f"<p>GitHub knows you as @{escape(login)}, but you have no role in any repository on which "
        "this App is installed. Ask somebody who administers the repository to add you on GitHub, "
        "or to install the App there.</p>" + AGAIN,
        403,
    )


def not_begun_here() -> web.Response:
    return page(
        "This login did not begin in this browser",
        "<p>It may have taken longer than ten minutes, or a link from somebody else led you here. "
        "Nothing was changed.</p>" + AGAIN,
        400,
    )


def refusal(*, is_denied: bool) -> web.Response:
    why = "You declined on GitHub." if is_denied else "GitHub did not accept the login."
    return page("You are not logged in", f"<p>{why}</p>{AGAIN}", 403 if is_denied else 400)


def github_away() -> web.Response:
    return page("GitHub does not answer", "<p>Go back, and try again in a minute.</p>", 503)


def switched_off() -> web.Response:
    return page(
        "Login is switched off",
        "<p>The operator of this server must set HUBBUB_GITHUB_CLIENT_SECRET. Agents need no "
        "login: they have tokens.</p>",
        404,
    )
