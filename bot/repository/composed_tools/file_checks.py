"""The composed tools of a settings file, each problem with its line."""

from collections.abc import Mapping

from bot.kernel.yaml_file import ANY, Found, Lines, Where, nearest_line
from bot.repository.composed_tools import checks
from bot.repository.composed_tools.definition import ComposedArgument, ComposedStep, ComposedTool
from bot.repository.setting_types import Group

# How deep the values of a step may be in the file: `tools.NAME.steps.0.with` is five levels.
DEEPEST = 12
# Where texts may have several lines.
_VALUES: tuple[Where, ...] = (
    ("tools", ANY, "steps", ANY, "with"),
    ("tools", ANY, "result"),
)
PROSE: tuple[Where, ...] = (
    ("tools", ANY, "description"),
    *((*each, *[ANY] * levels) for each in _VALUES for levels in range(DEEPEST)),
)
# What each part of the key `tools` is.
ENTRIES: dict[Where, type[Group]] = {
    ("tools", ANY): ComposedTool,
    ("tools", ANY, "arguments", ANY): ComposedArgument,
    ("tools", ANY, "steps", ANY): ComposedStep,
}


def problems(tools: Mapping[str, ComposedTool], lines: Lines) -> list[Found]:
    """What is wrong between the parts of each tool. The keys themselves are right."""
    return [
        (nearest_line(lines, ("tools", name, *where)), ("tools", name, *where), why)
        for name, tool in tools.items()
        for where, why in checks.problems(tool)
    ]
