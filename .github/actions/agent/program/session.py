"""A session that stays valid as long as the job runs."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import hubbub
from hubbub import Refused, Server, Tokens, Unreachable
from runner import Problem, write_file

# The share of a token's life after which it is renewed.
RENEW_AFTER = 0.6
# Seconds between attempts, each twice as long as the one before.
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0


class Session:
    """Holds the tokens. `run` is endless; call it in a thread of its own."""

    def __init__(self, server: Server, held: Tokens, file: Path | None = None) -> None:
        self.server = server
        self.agent_id = held.agent_id
        self._file = file
        self._lock = threading.Lock()
        self._ended: Problem | None = None
        self._keep(held)

    def _keep(self, held: Tokens) -> None:
        self._held = held
        self._renew_at = time.monotonic() + held.lifetime * RENEW_AFTER
        self._expires_at = time.monotonic() + held.lifetime
        if self._file:
            write_file(self._file, held.access)

    def token(self) -> str:
        """The token to send now. Raise Problem if the session has ended."""
        if self._ended and time.monotonic() > self._expires_at:
            raise self._ended
        return self._held.access

    def renew(self, refused: str) -> None:
        """Renew the token that the server refused, unless that was done meanwhile."""
        with self._lock:
            if self._held.access == refused and not self._ended:
                self._renew()

    def run(self) -> None:
        """Renew the token before it expires, until the session ends. One request at a time."""
        wait = FIRST_WAIT_S
        while not self._ended:
            time.sleep(max(0.0, self._renew_at - time.monotonic()))
            with self._lock:
                if time.monotonic() < self._renew_at:
                    continue
                if self._try():
                    wait = FIRST_WAIT_S
                    continue
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _try(self) -> bool:
        """Whether it is renewed, or has ended."""
        try:
            self._renew()
        except Problem as problem:
            print(f"not renewed: {problem}", flush=True)
            return False
        return True

    def _renew(self) -> None:
        """After a lost answer nobody knows whether the refresh token is used up: begin anew."""
        try:
            try:
                self._keep(hubbub.refresh(self.server, self._held))
            except Unreachable as lost:
                print(f"a new session, because {lost}", flush=True)
                self._keep(hubbub.exchange(self.server))
        except Refused as refused:
            print(f"the session has ended: {refused}", flush=True)
            self._ended = refused

    def end(self) -> None:
        """Tell the server that nobody needs the session any more."""
        with self._lock:
            self._ended = Problem("The session has ended: the job has reported its result.")
            self._expires_at = 0.0
            hubbub.revoke(self.server, self._held)
            if self._file:
                self._file.unlink()
