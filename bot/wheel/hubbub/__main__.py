"""Run `python -m hubbub` as the command `hubbub`."""

from . import main

main()
