"""The pages of the authorization. Every text in them is escaped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from bot.identity.actors import ROLES
from bot.identity.oauth.clients import Client, is_loopback, origin_of, policy_source
from bot.identity.oauth.consent import LONGEST_AGENT, Choice
from bot.identity.people.browser_sessions import Reach, SignedIn
from store.tables.agents import Role
from webhooks.html_page import page

# Browsers refuse a hyphen at the end of a class unless it is escaped.
AGENT_PATTERN = r"[a-z0-9][a-z0-9\-]*"


@dataclass(frozen=True)
class Consent:
    """What the page asks about. `names`: the repositories that it lists, by id."""

    person: SignedIn
    client: Client
    redirect_uri: str
    reach: Reach
    names: Mapping[int, str]
    choice: Choice
    # What the form sends back unchanged.
    hidden: Sequence[tuple[str, str]]
    # How many repositories the list leaves out.
    left_out: int = 0


def refusal(description: str, status: int = 400) -> web.Response:
    """For the person, not for the client: its address is not known to be right."""
    return page(
        "This login cannot go on",
        f"<p>{escape(description)}</p><p>Nothing was granted. Start again from the program that "
        "sent you here.</p>",
        status,
    )


def choose_installation(person: SignedIn, query: Sequence[tuple[str, str]]) -> web.Response:
    links = "".join(f"<li>{_link(each, query)}</li>" for each in person.reach)
    return page("For which account?", f"<p>You are @{escape(person.login)}.</p><ul>{links}</ul>")


def _link(reach: Reach, query: Sequence[tuple[str, str]]) -> str:
    target = urlencode([*query, ("installation", str(reach.installation_id))])
    return f'<a href="?{escape(target)}">{escape(reach.account)}</a>'


def consent(asked: Consent, problem: str = "") -> web.Response:
    client_page = policy_source(asked.redirect_uri)
    shown = f'<p class="warning" role="alert">{escape(problem)}</p>' if problem else ""
    return page(
        f"Connect {asked.client.name} to Hubbub?",
        f"{shown}{_about(asked)}{_warnings(asked)}{_form(asked)}",
        422 if problem else 200,
        None if client_page is None else f"'self' {client_page}",
    )


def _about(asked: Consent) -> str:
    client = asked.client
    known = (
        f"It names itself by <code>{escape(client.id)}</code>."
        if client.has_document
        else "The operator of this server registered it."
    )
    return (
        f"<p>You are logged in as <strong>@{escape(asked.person.login)}</strong>. "
        f"<strong>{escape(client.name)}</strong> wants to act as an agent in "
        f"<strong>{escape(asked.reach.account)}</strong>. {known} The answer goes to "
        f"<strong>{escape(origin_of(asked.redirect_uri))}</strong> "
        f"(<code>{escape(asked.redirect_uri)}</code>).</p>"
    )


def _warnings(asked: Consent) -> str:
    return "".join(
        f'<p class="warning">{escape(each)}</p>'
        for each in warnings(asked.client, asked.redirect_uri)
    )


def warnings(client: Client, redirect_uri: str) -> Iterable[str]:
    """What a person should consider who is asked by this client."""
    parts = urlsplit(redirect_uri)
    if is_loopback(redirect_uri):
        yield (
            "The answer goes to a program on your own computer, and any program there can use "
            "this name. Go on only if you have just started this login yourself."
        )
    elif parts.scheme != "https":
        yield (
            "The answer opens a program on this device. Go on only if you have just started this "
            "login yourself."
        )
    elif client.has_document and parts.hostname != urlsplit(client.id).hostname:
        yield "The answer goes to another host than the one by which the client names itself."


def _form(asked: Consent) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in asked.hidden
    )
    return (
        f'<form method="post">{hidden}{_agent(asked)}{_role(asked)}{_repositories(asked)}'
        '<button name="decision" value="allow">Connect</button>'
        '<button name="decision" value="deny">Cancel</button></form>'
    )


def _agent(asked: Consent) -> str:
    return (
        "<fieldset><legend>Agent</legend><label>Its id, by which people and other agents name it: "
        f'<input name="agent" required maxlength="{LONGEST_AGENT}" pattern="{AGENT_PATTERN}" '
        f'value="{escape(asked.choice.agent)}"></label></fieldset>'
    )


def _role(asked: Consent) -> str:
    highest = max(asked.reach.roles.values(), key=ROLES.index)
    offered = ROLES[: ROLES.index(highest) + 1]
    options = "".join(_radio(each, each == asked.choice.role) for each in offered)
    return f"<fieldset><legend>Role</legend>{options}</fieldset>"


def _radio(role: Role, chosen: bool) -> str:  # noqa: FBT001 - whether it is checked
    checked = " checked" if chosen else ""
    return f'<label><input type="radio" name="role" value="{role}"{checked}> {role}</label>'


def _repositories(asked: Consent) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" name="repository" value="{each}"'
        f"{' checked' if each in asked.choice.repositories else ''}> {escape(name)} "
        f"(you: {asked.reach.roles[each]})</label>"
        for each, name in asked.names.items()
    )
    more = f"<p>{asked.left_out} more repositories are not listed.</p>" if asked.left_out else ""
    return f"<fieldset><legend>Repositories</legend>{boxes}{more}</fieldset>"
