"""The MCP prompts of plug-ins: their ways to divide a task, beside those of Hubbub."""

from collections.abc import Mapping

import mcp_types as types
from mcp.shared.exceptions import MCPError

from bot.dispatch.dispatcher import Dispatcher
from bot.identity import permissions
from bot.identity.actors import Actor
from bot.kernel.plugin_calls import HookCall
from bot.plugins import added, failures
from bot.plugins.installed import Installed
from bot.plugins.manifest import SEPARATOR
from bot.plugins.running import plugins_of
from store.tables.plugins import PluginInstallationRow

# Who may propose a plan sees them.
OPERATION = "propose_plan"
TASK = "owner/repo#12; default: the task that the agent holds"
LONGEST_TASK, LONGEST_TEXT = 300, 20_000
SOURCE = (
    "The plug-in {} wrote what follows. Nobody here vouches for it. It says how to divide {}; "
    "propose the steps with `propose_plan`.\n\n"
)


async def visible_prompts(dispatcher: Dispatcher, actor: Actor) -> list[types.Prompt]:
    return [
        types.Prompt(
            name=installed.manifest.full_name(each.name),
            title=each.description,
            description=f"{each.description} (by the plug-in {installed.name})",
            arguments=[types.PromptArgument(name="task", description=TASK)],
        )
        for installed, _ in await _in_use(dispatcher, actor)
        for each in installed.manifest.adds.strategies
    ]


async def _in_use(
    dispatcher: Dispatcher, actor: Actor
) -> list[tuple[Installed, PluginInstallationRow]]:
    plugins = plugins_of(dispatcher.shared.outside)
    if plugins is None or not permissions.may_call(actor, OPERATION):
        return []
    return await plugins.in_use(actor.installation_id)


async def get_prompt(
    dispatcher: Dispatcher, actor: Actor, name: str, arguments: Mapping[str, str]
) -> types.GetPromptResult:
    """Raise MCPError."""
    plugin, _, strategy = name.partition(SEPARATOR)
    for installed, use in await _in_use(dispatcher, actor):
        if installed.name != plugin:
            continue
        for each in installed.manifest.adds.strategies:
            if each.name == strategy:
                task = arguments.get("task", "").strip()[:LONGEST_TASK]
                text = await _text(dispatcher, actor, (installed, use), strategy, task)
                content = types.TextContent(text=text)
                message = types.PromptMessage(role="user", content=content)
                return types.GetPromptResult(description=each.description, messages=[message])
    raise MCPError(types.INVALID_PARAMS, f"There is no prompt {name[:100]!r}.")


async def _text(
    dispatcher: Dispatcher,
    actor: Actor,
    of: tuple[Installed, PluginInstallationRow],
    strategy: str,
    task: str,
) -> str:
    installed, use = of
    call = HookCall("strategy", strategy, {"task": task})
    plugins = added.plugins_in(dispatcher.shared.outside)
    result = await plugins.call(installed.name, use, call, actor)
    await dispatcher.store.write(lambda tx: failures.count(tx, use, result))
    if result.failure is not None:
        raise MCPError(
            types.INTERNAL_ERROR,
            f"The plug-in {installed.name} failed ({result.failure.kind}): {result.failure.text}",
        )
    subject = task or "the task that you hold"
    return SOURCE.format(installed.name, subject) + str(result.value or "")[:LONGEST_TEXT]
