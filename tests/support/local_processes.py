"""Processes of this machine."""

import psutil


def is_alive(process_id: int) -> bool:
    """Whether it does something: a dead process may wait until its parent looks."""
    try:
        return bool(psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
