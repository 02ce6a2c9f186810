"""Plug-ins to begin with, for those that run in a sandbox."""

from pathlib import Path

from bot.plugins.sandbox.contract import Kind

HERE = Path(__file__).parent
# What a plug-in is written with. In the sandbox of processes it is there; a component is built
# with it, and editors and tests of a plug-in read it.
LIBRARY = HERE.parent / "sandbox/guest/hubbub_plugin.py"


def files(kind: Kind, name: str, publisher: str) -> dict[str, str]:
    """The files of a new plug-in by their paths."""
    folder = HERE / kind
    found = {
        path.relative_to(folder).as_posix().removesuffix(".txt"): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = found["hubbub-plugin.yml"]
    found["hubbub-plugin.yml"] = manifest.replace("NAME", name).replace("PUBLISHER", publisher)
    return {**found, "hubbub_plugin.py": LIBRARY.read_text()}
