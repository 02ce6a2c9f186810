"""Finds the SQL texts in the source of `store` and `bot`, as far as they stand there.

Most statements are constants, or are put together from constants of their module. What depends on
an argument is found at run time only, see `tests.support.rows_visited`.
"""

import ast
import importlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[2]
ROOMS = ("store", "bot", "webhooks", "mcp_server")
VERBS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ")
METHODS = {"all", "one", "run", "many"}
# What `tx.dialect` is in expressions. Vitess gets the statements of MariaDB.
TX = SimpleNamespace(dialect="mariadb")
# What an argument may be.
SAMPLES: dict[str, list[Any]] = {"table": ["issues", "events"]}
# A name may have several values, such as one for each branch of an `if`.
MOST = 24


@dataclass(frozen=True)
class Place:
    """A call that runs a statement."""

    path: str
    function: str
    first: int
    last: int

    def has(self, path: str, line: int) -> bool:
        return path.endswith(self.path) and self.first <= line <= self.last

    def __str__(self) -> str:
        return f"{self.path.removesuffix('.py').replace('/', '.')}.{self.function}"


class Unknown(Exception):
    """An expression depends on what is known at run time only."""


@cache
def texts() -> dict[Place, set[str]]:
    """The texts that stand at each place; none where an argument decides."""
    found: dict[Place, set[str]] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                found |= _texts_of(path)
    return found


def _texts_of(path: Path) -> dict[Place, set[str]]:
    tree = ast.parse(path.read_text())
    name = str(path.relative_to(ROOT))
    found: dict[Place, set[str]] = {}
    for function in ast.walk(tree):
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and _runs_statement(call):
                place = Place(name, function.name, call.lineno, call.end_lineno or call.lineno)
                found[place] = _values(name, function, call.args[0])
    return found


def _runs_statement(call: ast.Call) -> bool:
    method = call.func
    return (
        isinstance(method, ast.Attribute)
        and method.attr in METHODS
        and isinstance(method.value, ast.Name)
        and method.value.id == "tx"
    )


def _values(path: str, function: ast.AsyncFunctionDef, text: ast.expr) -> set[str]:
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    try:
        return {each for each in Names(vars(module), function).values(text) if _is_sql(each)}
    except Unknown:
        return set()


def _is_sql(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip("(").startswith(VERBS)


class Names:
    """The names of a function: those of its module, and those that it assigns."""

    def __init__(self, module: dict[str, Any], function: ast.AsyncFunctionDef) -> None:
        self._module = module
        self._assigned: dict[str, list[ast.expr]] = {}
        arguments = function.args
        own = (*arguments.args, *arguments.kwonlyargs)
        self._arguments = {each.arg for each in own} - {"tx"}
        for each in ast.walk(function):
            if isinstance(each, ast.Assign | ast.AugAssign):
                self._assign(each)

    def _assign(self, node: ast.Assign | ast.AugAssign) -> None:
        targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
        for target in targets:
            names: list[ast.expr]
            values: list[ast.expr]
            if isinstance(target, ast.Tuple):
                names, values = target.elts, _items(node.value, len(target.elts))
            else:
                names, values = [target], [node.value]
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name):
                    is_more = isinstance(node, ast.AugAssign)
                    self._assigned.setdefault(name.id, []).append(
                        ast.BinOp(ast.Constant(""), ast.Add(), value) if is_more else value
                    )

    def values(self, expression: ast.expr) -> Iterator[Any]:
        """What the expression may be."""
        names = [each.id for each in ast.walk(expression) if isinstance(each, ast.Name)]
        bound = {n for n in names if n in self._assigned or n in self._arguments or n in SAMPLES}
        choices = [[(name, value) for value in self._of(name)] for name in sorted(bound)]
        code = compile(ast.fix_missing_locations(ast.Expression(expression)), "sql", "eval")
        is_known = False
        for chosen in islice(product(*choices), MOST):
            # A sample does not suit every function.
            with suppress(Exception):
                yield eval(code, {**self._module, "tx": TX, **dict(chosen)})  # noqa: S307 - ours
                is_known = True
        if not is_known:
            raise Unknown

    def _of(self, name: str) -> list[Any]:
        if name in SAMPLES:
            return SAMPLES[name]
        if name in self._arguments or name not in self._assigned:
            raise Unknown
        given = self._assigned.pop(name)  # A name may be assigned by itself.
        try:
            return [value for each in given for value in self.values(each)]
        finally:
            self._assigned[name] = given


def _items(value: ast.expr, n: int) -> list[ast.expr]:
    """The values of a tuple, which the source may name as a whole."""
    if isinstance(value, ast.Tuple):
        return value.elts
    return [ast.Subscript(value, ast.Constant(each), ast.Load()) for each in range(n)]
