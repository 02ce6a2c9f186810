"""How long it takes to load a trusted plug-in, from the database to its hooks."""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.cli import plugin_starts
from bot.plugins import installing, plugin_code
from bot.plugins.installed import Installed
from bot.plugins.package import Package
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Store

# Modules of a large trusted plug-in, and the functions of each: 1.1 MB.
MODULES, FUNCTIONS = 100, 100
FUNCTION = """
def function_{0}(value):
    found = [value, {0}]
    return {{"found": found, "n": len(found), "words": "of function {0}"}}

"""
LOADS = 5


def large(package: Package) -> Package:
    """The same plug-in, which imports many modules."""
    functions = "".join(FUNCTION.format(n) for n in range(FUNCTIONS))
    modules = {f"module_{n}.py": f"# {n}\n{functions}".encode() for n in range(MODULES)}
    imports = "".join(f"from . import module_{n}\n" for n in range(MODULES)).encode()
    return Package({**package.files, **modules, "plugin.py": imports + package.files["plugin.py"]})


async def load_ms(store: Store, package: Package) -> list[tuple[float, float]]:
    """Each time another package, so that nothing is kept: by the clock, and of the processor."""
    took = []
    for n in range(LOADS):
        files = {**package.files, "once.txt": str(n).encode()}
        candidate = installing.of_package(Package(files))
        options = {"unsigned": True, "update": n > 0}
        row = await installing.install(store, candidate, "bench", **options)
        began = time.perf_counter(), time.process_time()
        await plugin_code.load(store, Installed.of(row))
        ended = time.perf_counter(), time.process_time()
        took.append(((ended[0] - began[0]) * 1000, (ended[1] - began[1]) * 1000))
    await installing.remove(store, package.manifest.name)
    return took


async def measure(folder: Path) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    url = f"sqlite:///{folder}/bench.db"
    await asyncio.to_thread(upgrade, url)
    store = await open_store(url)
    files = plugin_starts.files("bench", "python")
    small = Package({path: text.encode() for path, text in files.items()})
    took = await load_ms(store, small), await load_ms(store, large(small))
    await store.close()
    return took


def main() -> None:
    table = Table(title=f"Trusted plug-ins, each loaded {LOADS} times")
    for each in ("", "what `plugin new` writes", f"{MODULES} modules"):
        table.add_column(each, justify="left" if not each else "right")
    with tempfile.TemporaryDirectory() as folder:
        took = asyncio.run(measure(Path(folder)))
    for n, name in enumerate(("by the clock", "of the processor")):
        figures = [sorted(each[n] for each in one) for one in took]
        medians = (f"{statistics.median(each):.0f}" for each in figures)
        table.add_row(f"loaded, {name}, median, ms", *medians)
        table.add_row(f"loaded, {name}, slowest, ms", *(f"{each[-1]:.0f}" for each in figures))
    Console().print(table)


if __name__ == "__main__":
    main()
