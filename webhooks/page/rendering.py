"""Templates: every text is escaped, and an unknown name is an error."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from webhooks.addresses import ADDRESSES
from webhooks.page import filters, static_files

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters.update(filters.FILTERS)
    return found


def render(request: web.Request, template: str, values: Mapping[str, Any]) -> str:
    """The whole page."""
    return environment().get_template(template).render(_common_values(request) | dict(values))


def render_block(
    request: web.Request, template: str, block: str, values: Mapping[str, Any]
) -> str | None:
    """One block of the page, which a browser puts in the place of the old one. None: no such."""
    found = environment().get_template(template)
    if block not in found.blocks:
        return None
    context = found.new_context(_common_values(request) | dict(values))
    return "".join(found.blocks[block](context))


def _common_values(request: web.Request) -> dict[str, Any]:
    """What every template may use."""
    prefix = request.app[ADDRESSES].path_prefix()

    def asset(name: str) -> str:
        return prefix + static_files.path_of(name)

    return {"asset": asset, "prefix": prefix}
