"""The one package that an installed wheel owns. It starts the folders of the checkout in `app`."""

import sys
from pathlib import Path

APP = Path(__file__).with_name("app")


def main() -> None:
    # First on the path, because other distributions install packages named `fixtures` or `bot`.
    sys.path.insert(0, str(APP))
    from bot.__main__ import run_process  # noqa: PLC0415 - needs the path of the line above

    run_process()
