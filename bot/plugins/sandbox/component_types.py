"""Whether a component fits the world `hubbub:plugin/plugin`, before any of its code runs.

The types are the component's to declare, and the library converts by what it declares, value by
value: a list of bytes becomes thousands of objects. So nothing but two strings and a result passes.
"""

from wasmtime import Engine
from wasmtime.component import Component, FuncType, ResultType, String

IMPORT, EXPORT = "call", "handle"
SIGNATURE = "func(string, string) -> result<string, string>"


def misfit(engine: Engine, component: Component) -> str | None:
    """What is wrong with its imports and exports."""
    imports = component.type.imports(engine)
    if others := sorted(imports.keys() - {IMPORT}):
        shown = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        hint = (
            " (build with --stub-wasi)" if any(each.startswith("wasi:") for each in others) else ""
        )
        return f"it imports {shown}, and a plug-in may import `{IMPORT}` alone{hint}"
    exports = component.type.exports(engine)
    if EXPORT not in exports:
        return f"it exports no `{EXPORT}: {SIGNATURE}`"
    for name, each in ((EXPORT, exports[EXPORT]), *imports.items()):
        if not _fits(each.ty):
            return f"`{name}` must be {SIGNATURE}"
    return None


def _fits(found: object) -> bool:
    if not isinstance(found, FuncType):
        return False
    result = found.result
    return (
        [type(each) for _, each in found.params] == [String, String]
        and isinstance(result, ResultType)
        and isinstance(result.ok, String)
        and isinstance(result.err, String)
    )
