"""Calls of plug-ins, and how they end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

HookName: TypeAlias = Literal["operation", "event", "card_lines", "strategy", "protocol", "panel"]
FailureKind: TypeAlias = Literal[
    "trap",  # the code crashed, or broke the rules of the interface
    "error",  # the plug-in says in its own words that it failed
    "out_of_fuel",  # it computed for too long
    "out_of_memory",
    "timed_out",  # it took too long by the clock, waiting included
    "bad_output",  # what it returned is not JSON, or is too long
    "refused",  # the code cannot be run as it is: too long, wrong imports, not a component
    "missing_runtime",  # this machine has no such sandbox
]


@dataclass(frozen=True)
class HookCall:
    """One call of a plug-in. `name`: of the operation, strategy, protocol or panel; else empty.

    `arguments`: of an operation its own; else `event`, `task` or `delivery`; of a panel none.
    """

    hook: HookName
    name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    kind: FailureKind
    text: str  # what happened and what to do, for the author of the plug-in


@dataclass(frozen=True, slots=True)
class PluginResult:
    """`value` is JSON, or there is a failure. `log`: what the guest wrote to stdout and stderr."""

    value: Any = None
    failure: Failure | None = None
    log: str = ""
    host_calls: int = 0
    wall_ms: float = 0.0
    fuel: int = 0  # 0 for processes
    # Of the version that was called. None: this process does not run the plug-in.
    version: str | None = None
