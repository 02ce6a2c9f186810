"""How people name the protocol of an endpoint: that of a plug-in is `plugin/PLUGIN__PROTOCOL`."""

from typing import Any

import orjson
from pydantic import BaseModel

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.operations.plugins.plugin_list import row_of
from bot.plugins.added import use_of
from bot.plugins.deliveries import protocols_of
from bot.plugins.installed import Installed
from bot.plugins.manifest import SEPARATOR
from bot.protocols import plugins
from bot.protocols.routing import ROUTES
from store.tables.protocols import AgentEndpointRow, Protocol

OF_PLUGIN = "plugin/"
# Bytes of the options that a plug-in gets.
LONGEST_OPTIONS = 10_000


def protocol_of(row: AgentEndpointRow) -> str:
    """As people name it."""
    if row["protocol"] != "plugin":
        return row["protocol"]
    return f"{OF_PLUGIN}{row['options']['protocol']}"


def options_of(row: AgentEndpointRow) -> dict[str, Any]:
    """As people set them."""
    found: dict[str, Any] = row["options"]
    return found if row["protocol"] != "plugin" else dict(found["values"])


def split(name: str) -> tuple[Protocol, str]:
    """How the endpoint is stored; and of a plug-in `PLUGIN__PROTOCOL`, else empty."""
    if name.startswith(OF_PLUGIN):
        return "plugin", name.removeprefix(OF_PLUGIN)
    (found,) = (each for each in ROUTES if each == name)
    return found, ""


async def check_added(ctx: Context, name: str) -> None:
    """Raise Refused unless a plug-in that is on here adds the protocol."""
    plugin, _, protocol = name.partition(SEPARATOR)
    installed = Installed.of(await row_of(ctx.tx, plugin))
    known = protocols_of(installed)
    if protocol not in known:
        raise Refused(
            "invalid_arguments",
            f"The plug-in {plugin} adds no protocol {protocol!r}. It adds "
            f"{', '.join(known) or 'none'}.",
        )
    await use_of(ctx.tx, ctx.installation_id, installed)


def plugin_options(name: str, given: dict[str, Any]) -> BaseModel:
    """Raise Refused. The plug-in itself knows which options it has."""
    if len(orjson.dumps(given)) > LONGEST_OPTIONS:
        raise Refused("invalid_arguments", f"`options` has more than {LONGEST_OPTIONS} bytes.")
    return plugins.Options(protocol=name, values=given)
