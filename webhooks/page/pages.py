"""From a request to a page of HTML, and what a browser reads when that fails."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from bot.errors import Refused, failure
from bot.identity.actors import BOT
from webhooks.listener import CONNECTIONS
from webhooks.page import answers, rendering
from webhooks.page.action_table import ACTIONS
from webhooks.page.visit import Menu, NoAccount, Visit, open_visit, sign_in_address


async def answer(
    request: web.Request, make: Callable[[Visit], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The answer for a visitor, or a page that says why there is none."""
    try:
        visit = await open_visit(request)
        with request.app[CONNECTIONS].mark_known(request, visit.actor.key):
            return await make(visit)
    except NoAccount:
        return no_account(request)
    except Refused as exc:
        return problem(request, exc)
    except web.HTTPSeeOther as exc:
        if _wants_fragment(request):
            return _reload(request)
        return answers.see_other(str(exc.location))
    except Exception as exc:  # noqa: BLE001 - every bug is logged and answered
        return problem(request, failure(exc, path=request.path))


def show(
    visit: Visit,
    template: str,
    values: Mapping[str, Any],
    menu: Menu,
    current: str,
    status: int = 200,
) -> web.Response:
    """The page; or one of its fragments, if the address asks for it."""
    everything = {
        "visit": visit,
        "link": visit.link,
        "task_link": visit.task_link,
        "github_url": visit.github_url,
        "on_github": visit.is_on_github,
        "bot": BOT,
        "here": visit.here,
        "now": visit.now,
        "menu": [each for each in menu if not each[2] or visit.may(each[2])],
        "current": current,
        "done": ACTIONS.get(visit.value("done")),
        "act": partial(_action_address, visit),
        **values,
    }
    if not _wants_fragment(visit.request):
        return answers.html(rendering.render(visit.request, template, everything), status)
    block = visit.request.query["fragment"]
    found = rendering.render_block(visit.request, template, block, everything)
    if found is None:
        raise Refused("bad_request", f"This page has no fragment {block!r}. Load the page again.")
    return answers.html(found)


def _action_address(visit: Visit, action: str, **about: Any) -> str:
    """The address of an action, which leads back to this page afterwards."""
    assert action in ACTIONS, f"webhooks/page/action_table.py has no {action}"
    return visit.link(f"do/{action}", **about, back=visit.here(fragment=None, done=None))


def _wants_fragment(request: web.Request) -> bool:
    return "fragment" in request.query


def _reload(request: web.Request) -> web.Response:
    """The login ended, so the whole page must lead to a new one."""
    response = answers.html("", 401)
    response.headers["HX-Redirect"] = sign_in_address(request)
    return response


def problem(request: web.Request, exc: Refused) -> web.Response:
    values = {"title": "This did not work", "text": exc.message, "code": exc.code}
    return answers.html(rendering.render(request, "problem.html", values), exc.status)


def no_account(request: web.Request) -> web.Response:
    text = (
        "There is no such account here, or you have no role in any of its repositories. Ask "
        "somebody who administers a repository to add you on GitHub, then log in again."
    )
    values = {"title": "Not found", "text": text, "code": "unknown_account"}
    return answers.html(rendering.render(request, "problem.html", values), 404)
