"""For the tests of plug-ins: `open_harness` runs a plug-in with a database of its own."""

import sys

from . import APP

if APP.is_dir():
    sys.path.insert(0, str(APP))

from bot.cli.plugin_harness import Harness, open_harness

__all__ = ["Harness", "open_harness"]
