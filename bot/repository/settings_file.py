"""Reads `.github/hubbub.yml`: the settings, or each problem with its line."""

from pydantic import ValidationError

from bot.kernel import yaml_file
from bot.kernel.yaml_file import ANY, Rules, Unreadable
from bot.repository.composed_tools import file_checks
from bot.repository.repository_settings import RepositorySettings, group_at

PATH = ".github/hubbub.yml"
RULES = Rules(
    example="lease_s: 900",
    depth=file_checks.DEEPEST,
    prose=(
        ("templates", ANY, "prompt"),
        ("templates", ANY, "inputs", ANY),
        *file_checks.PROSE,
    ),
)


def parse(data: bytes) -> RepositorySettings:
    """Raise Unreadable."""
    given, lines = yaml_file.read(data, RULES)
    try:
        settings = RepositorySettings.model_validate(given)
    except ValidationError as exc:
        found = yaml_file.problems_of(exc, lines, group_at)
        raise yaml_file.unreadable(found) from exc
    if wrong := file_checks.problems(settings.tools, lines):
        raise yaml_file.unreadable(wrong)
    return settings


def too_long(size: int) -> Unreadable:
    return yaml_file.too_long(size, RULES)
