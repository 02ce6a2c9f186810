"""Finds which functions, classes and methods of a file some lines are in. Pure functions.

Python is parsed by the standard library, TypeScript and JavaScript by tree-sitter, if the extra
`symbols` is installed. A file that nobody can parse has no symbols, and only its path counts.
"""

import ast
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

# Bytes of a file that is parsed, and symbols of one file. What is larger is compared by its path.
LARGEST, MOST = 128 * 1024, 2000
# Nodes of a syntax tree that are visited.
MOST_NODES = 200_000
# How deep classes and functions are looked for in each other.
DEEPEST = 20
LONGEST_NAME = 200
# How long tree-sitter may take, and bytes that it reads at once.
LONGEST_S, PIECE = 0.2, 4096
# It keeps two readings of each `a<b,`, a comparison and a type. At the end of the file this costs
# the square of their number, in one step that nothing can stop: minutes for 20,000 of them.
MOST_SIGNS = 1500
# What of a file is outside of every symbol: imports, and what runs when it is loaded.
TOP_LEVEL = "(top level)"


class Symbol(NamedTuple):
    """`name` with the names around it, as Class.method. Its first and last line, from 1."""

    name: str
    first: int
    last: int


# The first and last line.
Range: TypeAlias = Sequence[int]
Parse: TypeAlias = Callable[[bytes], list[Symbol]]


def parser_of(path: str) -> Parse | None:
    """None if no parser for this kind of file is at hand."""
    ending = path.rpartition(".")[2].lower() if "." in path else ""
    if ending in ("py", "pyi"):
        return _python
    language = GRAMMARS.get(ending)
    return _by_tree_sitter(language) if language and _language(language) else None


def symbols_in(path: str, content: bytes) -> list[Symbol] | None:
    """None if the file cannot be parsed, or is too large for it."""
    parse = parser_of(path)
    if parse is None or len(content) > LARGEST:
        return None
    try:
        return parse(content)[:MOST]
    # What a hostile file can cause: it is no program, or one that is nested too deeply.
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def touched_symbols(symbols: Sequence[Symbol], ranges: Sequence[Range]) -> set[str]:
    """The innermost symbols that the lines are in."""
    found: set[str] = set()
    for first, last in ranges:
        hit = {each.name for each in symbols if each.first <= last and first <= each.last}
        inner = hit - {outer for name in hit for outer in _around(name)}
        found |= inner or {TOP_LEVEL}
    return found


def _around(name: str) -> Iterator[str]:
    """The names that one with dots is in: of `A.b.c` these are `A.b` and `A`."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


# --- Python ---------------------------------------------------------------------------------------

DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _python(content: bytes) -> list[Symbol]:
    with warnings.catch_warnings():
        # About wrong escapes in somebody else's file.
        warnings.simplefilter("ignore")
        tree = ast.parse(content)
    return list(_definitions(tree.body, ""))


def _definitions(body: Sequence[ast.stmt], around: str, depth: int = 0) -> Iterator[Symbol]:
    for each in body:
        if isinstance(each, DEFINES) and depth < DEEPEST:
            name = f"{around}{each.name}"[:LONGEST_NAME]
            first = min([each.lineno, *(one.lineno for one in each.decorator_list)])
            yield Symbol(name, first, each.end_lineno or each.lineno)
            if isinstance(each, ast.ClassDef):
                yield from _definitions(each.body, f"{name}.", depth + 1)
        elif isinstance(each, ast.If | ast.Try) and depth < DEEPEST:
            yield from _definitions([*each.body, *each.orelse], around, depth + 1)


# --- TypeScript and JavaScript --------------------------------------------------------------------

# The grammar of TSX also reads JavaScript.
GRAMMARS = {
    **dict.fromkeys(("ts", "mts", "cts"), "language_typescript"),
    **dict.fromkeys(("tsx", "js", "jsx", "mjs", "cjs"), "language_tsx"),
}
NAMED = frozenset(
    {
        "function_declaration",
        "generator_function_declaration",
        "class_declaration",
        "abstract_class_declaration",
        "interface_declaration",
        "enum_declaration",
        "type_alias_declaration",
        "method_definition",
        "internal_module",
    }
)
# A variable counts if it holds one of these.
FUNCTIONS = frozenset({"arrow_function", "function_expression", "class"})


@cache
def _language(name: str) -> Any:
    """The grammar. None if the extra `symbols` is not installed."""
    try:
        import tree_sitter_typescript  # noqa: PLC0415 - an extra
        from tree_sitter import Language  # noqa: PLC0415
    except ImportError:
        return None
    return Language(getattr(tree_sitter_typescript, name)())


def _by_tree_sitter(language: str) -> Parse:
    def parse(content: bytes) -> list[Symbol]:
        from tree_sitter import Parser  # noqa: PLC0415 - an extra

        if content.count(b"<") > MOST_SIGNS:
            raise ValueError("it would take too long")

        end = time.thread_time() + LONGEST_S

        def is_late(*_: Any) -> bool:
            return time.thread_time() > end

        parser = Parser(_language(language))
        # The parser asks whether to stop only if it reads the content piece by piece.
        tree = parser.parse(lambda at, _: content[at : at + PIECE], progress_callback=is_late)
        return list(_declarations(tree.root_node, content))

    return parse


def _declarations(root: Any, content: bytes) -> Iterator[Symbol]:
    """In the order of the file. It keeps its own stack, because a file can be nested deeply."""
    stack, visited = [(root, "", 0)], 0
    while stack and visited < MOST_NODES:
        node, around, depth = stack.pop()
        visited += 1
        if symbol := _declaration(node, around, content):
            yield symbol
            around, depth = f"{symbol.name}.", depth + 1
        if depth < DEEPEST:
            stack += [(each, around, depth) for each in reversed(node.named_children)]


def _declaration(node: Any, around: str, content: bytes) -> Symbol | None:
    value = node.child_by_field_name("value") if node.type == "variable_declarator" else None
    if node.type not in NAMED and (value is None or value.type not in FUNCTIONS):
        return None
    named = node.child_by_field_name("name")
    if named is None:
        return None
    own = content[named.start_byte : named.end_byte].decode(errors="replace")
    name = f"{around}{own}"[:LONGEST_NAME]
    return Symbol(name, node.start_point[0] + 1, node.end_point[0] + 1)
