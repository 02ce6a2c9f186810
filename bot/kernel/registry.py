"""Operations by name, of which each is imported when it is first needed.

A command that calls one operation needs no other, and a server can answer before it has all.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from bot.kernel.operation import Operation


class Registry(Mapping[str, Operation]):
    """`modules`: by an operation's name the module that has it, below the package `room`."""

    def __init__(self, room: str, modules: Mapping[str, str]) -> None:
        self._room = room
        self._modules = modules
        self._loaded: dict[str, Operation] = {}

    def __getitem__(self, name: str) -> Operation:
        if name not in self._loaded:
            module = import_module(f"{self._room}.{self._modules[name]}")
            found: Operation = getattr(module, name)
            self._loaded[name] = found
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)
