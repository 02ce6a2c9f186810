"""Where the workflow files of a repository are, and their names. Pure."""

import re

FOLDER = ".github/hubbub/workflows"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
# The ending that counts, and those by which people may mean a workflow file.
ENDING, ENDINGS = ".yml", (".yml", ".yaml")
WRONG_NAME = "the file needs a name of 1 to 60 lower-case letters, digits and hyphens, and .yml"


def is_workflow_file(path: str) -> bool:
    """Whether it lies in the folder and looks like one, whatever its name."""
    folder, _, file = path.rpartition("/")
    return folder == FOLDER and file.endswith(ENDINGS)


def name_of(path: str) -> str | None:
    """`feature` for `.github/hubbub/workflows/feature.yml`. None if it cannot be one."""
    folder, _, file = path.rpartition("/")
    name = file.removesuffix(ENDING)
    is_one = folder == FOLDER and file.endswith(ENDING) and NAME.fullmatch(name)
    return name if is_one else None


def path_of(name: str) -> str:
    return f"{FOLDER}/{name}{ENDING}"
