"""Why a setup cannot go on."""

from bot.settings import WrongSettings


class SetupFailed(WrongSettings):
    """Something outside stopped the setup. The text says what, and what to do."""
