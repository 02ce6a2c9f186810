"""For the tests of plug-ins: `open_harness` runs a plug-in with a database of its own."""

import logging
import sys

from . import APP

if APP.is_dir():
    sys.path.insert(0, str(APP))

from bot.cli.plugin_harness import Harness, open_harness

# IsolatedAsyncioTestCase turns on asyncio's debug mode, which reports each slow step of Hubbub.
logging.getLogger("asyncio").setLevel(logging.ERROR)

__all__ = ["Harness", "open_harness"]
