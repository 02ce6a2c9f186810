"""Trusted plug-ins of packages are loaded from a folder that ends with the process."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from bot.plugins import loading
from tests.support.plugin_packages import package

manager = loading.from_package(package())
print(sys.modules[type(manager.get_plugin("echo")).__module__].__file__)
"""


def test_the_files_of_a_plug_in_are_removed_when_the_process_ends() -> None:
    made = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    file = Path(made.stdout.strip())
    assert file.name == "echo.py"
    assert not file.parent.exists()
