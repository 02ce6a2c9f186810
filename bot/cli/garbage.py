"""When Python looks for garbage among objects.

Imports make many objects that stay, and little garbage. To look through them again and again takes
a seventh of a start.
"""

import gc

USUAL = gc.get_threshold()
# More objects than all imports make.
AFTER_IMPORTS = 500_000


def wait_for_imports() -> None:
    gc.set_threshold(AFTER_IMPORTS, *USUAL[1:])


def resume() -> None:
    """What was imported so far stays, so Python need never look at it again."""
    if gc.get_threshold()[0] == AFTER_IMPORTS:
        gc.freeze()
        gc.set_threshold(*USUAL)
