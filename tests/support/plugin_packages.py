"""Packages of plug-ins for tests."""

from bot.plugins.package import Package

SAY = "operations: [{name: say, description: Says it again, arguments: {text: {description: it}}}]"


def manifest(name: str = "echo", version: str = "1.0.0", **changed: str) -> bytes:
    """A manifest; each keyword is a key with its value as YAML."""
    keys = {
        "name": name,
        "version": version,
        "description": "Says it again",
        "publisher": "example",
        "licence": "MIT",
        "hubbub": '">=0.1"',
        "kind": "python",
        "entry": "echo:plugin",
        "adds": f"{{{SAY}}}",
    } | changed
    return "".join(f"{key}: {value}\n" for key, value in keys.items()).encode()


ECHO = b"""\
import pluggy

hook = pluggy.HookimplMarker("hubbub")


class Plugin:
    @hook
    def operations(self):
        return {"say": self.say}

    async def say(self, hubbub, text=""):
        return {"said": text}


plugin = Plugin()
"""


def package(
    name: str = "echo",
    version: str = "1.0.0",
    files: dict[str, bytes] | None = None,
    **changed: str,
) -> Package:
    """`files`: default: a plug-in in Python that says it again."""
    found = {"echo.py": ECHO} if files is None else files
    return Package({"hubbub-plugin.yml": manifest(name, version, **changed)} | found)
