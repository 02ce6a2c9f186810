"""`…/do/<action>`: a form, then a preview of the exact effect, then the operation itself."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from bot.dispatch.effects import Effects
from bot.errors import Refused
from bot.kernel import event_kinds
from bot.kernel.operation import Answer
from webhooks.app_keys import DISPATCHER
from webhooks.bodies import BODIES
from webhooks.login import is_local
from webhooks.page import (
    answers,
    form_tokens,
    pages,
    plugin_settings,
    policy_in_force,
    workflow_inputs,
)
from webhooks.page.action_table import ACTIONS, Action, Field
from webhooks.page.visit import Menu, Visit

# Bytes of a form: the text of a comment or of a file, when each of its letters is escaped.
LARGEST = 1024 * 1024
# The form of the builder has many fields.
MOST_FIELDS = 200
# Texts in which spaces and line breaks at the ends count.
WHOLE = frozenset({"text"})
# Fields with several values, with commas.
LISTS = frozenset({"policy.capabilities", "options.tags", "options.methods", "repositories"})
# What puts a setting of a policy back to its default.
DEFAULT = "-"
# The argument with which an error begins.
ABOUT = re.compile(r"(?:\w+: )?`([\w.]+)`:? ")
KEY = re.compile(r"[0-9a-f]{32}")
# Fields of every answer, which say nothing about the effect.
COMMON = frozenset(Answer.model_fields)


@dataclass(frozen=True)
class Form:
    """`given`: the arguments of the operation. `back`: the page from which the person came.

    `texts`: what the person filled in; `fields`: with those of a workflow's inputs.
    """

    name: str
    action: Action
    given: dict[str, Any]
    back: str
    texts: dict[str, str]
    fields: tuple[Field, ...]
    in_force: Mapping[str, str]


async def ask(visit: Visit, menu: Menu) -> web.Response:
    """The form. If there is nothing to fill in, the preview at once."""
    form = await _form(visit, dict(visit.request.query))
    if form.fields:
        return _show(visit, menu, form, None)
    return await _preview(visit, menu, form)


async def act(visit: Visit, menu: Menu) -> web.Response:
    """The preview; or, with the token of a preview, the operation itself."""
    sent = await read_fields(visit.request)
    form, token = await _form(visit, sent), sent.get("token")
    if token is None:
        return await _preview(visit, menu, form)
    key, agreed = sent.get("key", ""), sent.get("agreed", "")
    if not KEY.fullmatch(key) or not form_tokens.is_valid(
        visit, token, form.action.operation, form.given, key, agreed
    ):
        problem = (
            "This form is not from this login, or it is older than 15 minutes. Nothing was "
            "changed: look at the effect again."
        )
        return await _preview(visit, menu, form, problem, 403)
    try:
        await visit.run(form.action.operation, form.given, key, agreed)
    except Refused as exc:
        if exc.code == "effect_changed":
            return await _preview(visit, menu, form, exc.message, exc.status)
        return _refuse(visit, menu, form, exc)
    separator = "&" if "?" in form.back else "?"
    return answers.see_other(f"{form.back}{separator}done={form.name}")


async def _form(visit: Visit, sent: dict[str, str]) -> Form:
    """Raise Refused for an action that does not exist."""
    name = visit.part("action")
    action = ACTIONS.get(name)
    if action is None:
        raise Refused("bad_request", f"There is no action {name!r}. Go back to the page before.")
    inputs = await workflow_inputs.of(visit, sent) if action.has_inputs else {}
    settings = await plugin_settings.of(visit, sent) if action.has_settings else {}
    fields = (
        *workflow_inputs.fields(inputs),
        *plugin_settings.fields(settings),
        *action.fields,
    )
    names = (*action.about, *(each.name for each in fields))
    texts = {
        each: sent[each] if each in WHOLE else sent[each].strip()
        for each in names
        if sent.get(each, "").strip()
    }
    back = sent.get("back", "")
    dynamic = (workflow_inputs.PREFIX, plugin_settings.PREFIX)
    own = {each: texts[each] for each in texts if not each.startswith(dynamic)}
    given = {
        **action.given,
        **_nest({each: _value(each, text) for each, text in own.items()}),
        **workflow_inputs.arguments(inputs, texts),
        **plugin_settings.arguments(settings, texts),
    }
    goes_back = back if is_local(back) else visit.link()
    in_force = await policy_in_force.of(visit, sent) if action.has_policy else {}
    in_force |= plugin_settings.defaults(settings)
    return Form(name, action, given, goes_back, texts, fields, in_force)


def _nest(given: dict[str, Any]) -> dict[str, Any]:
    """A field `policy.role` fills in the part `role` of the argument `policy`."""
    made: dict[str, Any] = {}
    for name, value in given.items():
        argument, dot, part = name.partition(".")
        if dot:
            made.setdefault(argument, {})[part] = value
        else:
            made[name] = value
    return made


def _value(name: str, text: str) -> Any:
    """A number stays a text if it is not one, so that the operation refuses it."""
    if text == DEFAULT and name.startswith("policy."):
        return None
    if name in LISTS:
        return [each.strip() for each in text.split(",") if each.strip()]
    return int(text) if name == "version" and text.isdecimal() and len(text) < 10 else text


async def read_fields(request: web.Request) -> dict[str, str]:
    """The fields of the form. Raise Refused."""
    body = await request.app[BODIES].read(request, LARGEST)
    try:
        fields = parse_qsl(body.decode(), max_num_fields=MOST_FIELDS)
    except ValueError as exc:
        raise Refused("bad_request", "The form cannot be read. Send it again.") from exc
    # Browsers send line breaks as CRLF.
    return {name: text.replace("\r\n", "\n") for name, text in fields}


async def _preview(
    visit: Visit, menu: Menu, form: Form, problem: str = "", status: int = 200
) -> web.Response:
    dispatcher = visit.request.app[DISPATCHER]
    try:
        found = await dispatcher.preview(
            visit.actor, form.action.operation, form.given, visit.caller
        )
    except Refused as exc:
        return _refuse(visit, menu, form, exc)
    return _show(visit, menu, form, found, problem, status)


def _refuse(visit: Visit, menu: Menu, form: Form, exc: Refused) -> web.Response:
    return _show(visit, menu, form, None, exc.message, exc.status, wrong_fields(form, exc))


def wrong_fields(form: Form, exc: Refused) -> dict[str, str]:
    """What is wrong with which field: a list of errors says it, or the beginning of the text."""
    listed = exc.details.get("errors") or []
    found = {str(each["argument"]): str(each["problem"]) for each in listed}
    if not found and (begins := ABOUT.match(exc.message)):
        found = {begins[1]: exc.message[begins.end() :]}
    named = {each.name.replace(plugin_settings.PREFIX, "settings."): each for each in form.fields}
    return {named[each].name: why for each, why in found.items() if each in named}


def _show(
    visit: Visit,
    menu: Menu,
    form: Form,
    preview: Effects | None,
    problem: str = "",
    status: int = 200,
    wrong: Mapping[str, str] | None = None,
) -> web.Response:
    key = secrets.token_hex(16)
    agreed = preview.digest if preview else ""
    token = form_tokens.new_token(visit, form.action.operation, form.given, key, agreed)
    values = {
        "title": form.action.label,
        "form": form,
        "about": {name: form.given[name] for name in form.action.about if name in form.given},
        "preview": preview,
        "effects": _effects(preview) if preview else {},
        "kinds": event_kinds.KINDS,
        "problem": problem,
        "wrong": wrong or {},
        "hidden": {"token": token, "key": key, "agreed": agreed},
    }
    return pages.show(visit, "action.html", values, menu, form.name, status)


def _effects(preview: Effects) -> dict[str, Any]:
    """What the answer says beside the fields of every answer, without what is empty."""
    found = preview.answer.model_dump(mode="json", exclude=set(COMMON))
    return {name: each for name, each in found.items() if each not in (None, "", [], {}, 0)}
