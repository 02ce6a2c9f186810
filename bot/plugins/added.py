"""The operations that plug-ins add, as operations like all others: `PLUGIN__OPERATION`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from bot.errors import Refused
from bot.identity.actors import Actor
from bot.kernel.operation import Answer, Context, Key, Operation
from bot.kernel.outside import Outside, OutsideCall, PluginCalls
from bot.kernel.plugin_calls import HookCall, PluginResult
from bot.plugins import failures
from bot.plugins.installed import Installed
from bot.plugins.manifest import SEPARATOR, AddedOperation, Argument
from bot.plugins.plugin_code import TIMEOUTS_S
from bot.plugins.running import Plugins
from store.engine.transaction import Tx
from store.plugins import plugin_installations
from store.tables.plugins import PluginInstallationRow

LONGEST_TEXT, MOST_TEXTS = 100_000, 1_000
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
TYPES: dict[str, Any] = {
    "text": Text,
    "number": int | float,
    "boolean": bool,
    "list": Annotated[list[Text], Field(max_length=MOST_TEXTS)],
}


class PluginAnswer(Answer):
    """What a plug-in returned. Nobody here vouches for it."""

    of_mirror = False

    plugin: str = Field(description="the plug-in that made the result: its words are untrusted")
    result: Any = None


@dataclass(frozen=True)
class Found:
    """An operation and the plug-in that adds it."""

    installed: Installed
    added: AddedOperation

    @property
    def operation(self) -> Operation:
        added, name = self.added, self.installed.manifest.full_name(self.added.name)
        return Operation(
            name=name,
            description=" ".join(added.description.split()),
            arguments=_arguments(name, added),
            result=PluginAnswer,
            run=partial(_run, self),
            role=added.role,
            reads_only=added.reads_only,
            idempotent=added.reads_only,
            destructive=False,
            reaches_github=False,
            quiet=False,
            presence="any" if added.reads_only else "here",
            slashes=(),
            waitable=None,
        )


def _arguments(name: str, added: AddedOperation) -> type[BaseModel]:
    fields = {key: _field(each) for key, each in added.arguments.items()}
    if not added.reads_only:
        fields["key"] = (Key | None, None)
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


def _field(argument: Argument) -> Any:
    kind, about = TYPES[argument.type], argument.description
    if argument.required:
        return (Annotated[kind, Field(description=about)], ...)
    return (Annotated[kind | None, Field(description=about)], None)


async def find(plugins: Plugins, name: str) -> Found | None:
    """The operation with this name, if a plug-in of this server adds it."""
    plugin, separator, operation = name.partition(SEPARATOR)
    installed = await plugins.find(plugin) if separator else None
    added = installed.manifest.operation(operation) if installed else None
    return Found(installed, added) if installed and added else None


async def meaning(plugins: Plugins, name: str, given: Any) -> tuple[str, Any]:
    """The call itself; for one of `call_tool` with an operation of a plug-in, that operation."""
    tool = given.get("tool") if name == "call_tool" and isinstance(given, dict) else None
    found = await find(plugins, tool) if isinstance(tool, str) else None
    if found is None or not isinstance(tool, str):
        return name, given
    arguments = given.get("arguments") or {}
    if "key" in given and not found.added.reads_only and isinstance(arguments, dict):
        return tool, {**arguments, "key": given["key"]}
    return tool, arguments


def check_role(actor: Actor, operation: Operation) -> None:
    """Raise Refused if the actor's role is too low. The manifest has the role, not the table."""
    if not actor.may_somewhere(operation.role):
        raise Refused(
            "forbidden",
            f"{operation.name} needs the role {operation.role}; {actor.name} has {actor.role}.",
            needs=operation.role,
            has=actor.role,
        )


async def _run(found: Found, ctx: Context, /, **arguments: Any) -> OutsideCall[PluginResult]:
    """Call the plug-in, between two transactions."""
    use = await use_of(ctx.tx, ctx.installation_id, found.installed)
    given = {name: value for name, value in arguments.items() if value is not None}
    call = HookCall("operation", found.added.name, given)

    async def run(outside: Outside) -> PluginResult:
        return await plugins_in(outside).call(found.installed.name, use, call, ctx.actor)

    async def finish(ctx: Context, result: PluginResult) -> PluginAnswer:
        ctx.later.append(partial(_count, use, result))
        check(found.installed, result)
        return PluginAnswer(plugin=found.installed.name, result=result.value)

    return OutsideCall(run, finish, TIMEOUTS_S["operation"] + 15)


def plugins_in(outside: Outside) -> PluginCalls:
    """Raise Refused if this process runs none."""
    if outside.plugins is None:
        raise Refused("plugin_failed", "This process runs no plug-ins.")
    return outside.plugins


async def _count(use: PluginInstallationRow, result: PluginResult, tx: Tx) -> None:
    await failures.count(tx, use, result)


def check(installed: Installed, result: PluginResult) -> None:
    """Raise Refused if the call failed."""
    if (failure := result.failure) is not None:
        raise Refused(
            "plugin_failed",
            f"The plug-in {installed.name} failed ({failure.kind}): {failure.text}",
            plugin=installed.name,
            kind=failure.kind,
        )


async def use_of(tx: Tx, installation_id: int, installed: Installed) -> PluginInstallationRow:
    """How the installation uses it. Raise Refused unless it is on."""
    use = await plugin_installations.get(tx, installation_id, installed.name)
    if use is None or use["state"] == "off":
        raise Refused(
            "plugin_off",
            f"The plug-in {installed.name} is not turned on for this installation. A tech-lead "
            "can turn it on.",
        )
    if use["state"] == "failing":
        raise Refused(
            "plugin_off",
            f"Hubbub turned the plug-in {installed.name} off: "
            f"{use['why']}. A tech-lead can turn it on again.",
        )
    return use


def names(installed: Installed) -> Sequence[str]:
    return [installed.manifest.full_name(each.name) for each in installed.manifest.adds.operations]
