"""Adds settings to a `.env` file. What is there stays as it is, letter by letter."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from bot.settings import WrongSettings
from bot.setup import private_files

MASK = "…"


@dataclass(frozen=True)
class EnvFile:
    path: Path
    text: str
    # What is set in it, with the last value of a name.
    values: Mapping[str, str]


def read(path: Path) -> EnvFile:
    """The file, empty if there is none. Raise WrongSettings if it is not UTF-8."""
    try:
        # Without a change of its line ends.
        text = path.read_bytes().decode() if path.exists() else ""
    except UnicodeDecodeError as exc:
        raise WrongSettings(f"{path} is not UTF-8. Save it as UTF-8.") from exc
    except OSError as exc:
        raise WrongSettings(f"Cannot read {path}: {exc.strerror}.") from exc
    return EnvFile(path, text, _values(text))


def missing(file: EnvFile, wanted: Mapping[str, str]) -> dict[str, str]:
    """What is to be added. Raise WrongSettings if a name has another value already."""
    for name, value in wanted.items():
        if file.values.get(name, value) != value:
            raise WrongSettings(
                f"{file.path} has another value for {name} already. `hubbub setup` changes no "
                "existing setting. Remove the line, or pass another file as --env-file."
            )
    return {name: value for name, value in wanted.items() if name not in file.values}


def with_added(file: EnvFile, wanted: Mapping[str, str], heading: str) -> str:
    """The text with the settings that it lacks at its end."""
    added = missing(file, wanted)
    if not added:
        return file.text
    end = "\r\n" if "\r\n" in file.text else "\n"
    kept = file.text if not file.text or file.text.endswith("\n") else file.text + end
    gap = end if kept else ""
    lines = [f"# {heading}", *(line(name, value) for name, value in added.items())]
    made = kept + gap + "".join(each + end for each in lines)
    _check(made, {**file.values, **added}, file.path)
    return made


def write(file: EnvFile, text: str) -> None:
    """Raise WrongSettings if the file was changed since it was read."""
    if read(file.path).text != file.text:
        raise WrongSettings(f"{file.path} was changed meanwhile. Run `hubbub setup` again.")
    private_files.write(file.path, text.encode())


def line(name: str, value: str) -> str:
    return f"{name}={_quote(value)}"


def _quote(value: str) -> str:
    """Quoted if a program that reads the file could take the bare text for something else."""
    if value and all(c.isalnum() or c in "_-./:@%+,=~" for c in value):
        return value
    if "'" not in value and value.isprintable():
        return f"'{value}'"
    raise WrongSettings(f"A setting cannot have the value {value!r}. Use another path or address.")


def _check(text: str, expected: Mapping[str, str], path: Path) -> None:
    """Read the new text as `serve` will: nothing is written that means something else."""
    if _values(text) != expected:
        raise WrongSettings(
            f"{path} cannot be extended safely: its last line may begin a quoted text. Add the "
            "settings by hand, or pass another file as --env-file."
        )


def _values(text: str) -> dict[str, str]:
    """A name with an empty value, as in a copied template, counts as not set."""
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value}
