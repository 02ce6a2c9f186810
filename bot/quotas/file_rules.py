"""What the operator decides about files that agents and people attach."""

from dataclasses import dataclass

from bot.errors import Refused

MIB = 2**20
FAMILIES = ("executable", "archive")


@dataclass(frozen=True)
class FileRules:
    """`address`: where this server is reached. `refused`: families that nobody may attach."""

    address: str = ""
    largest: int = 50 * MIB
    refused: tuple[str, ...] = ()

    def check_size(self, size: int) -> None:
        """Raise Refused."""
        if size > self.largest:
            raise Refused(
                "too_large",
                f"The file has {size} bytes; the limit is {self.largest}. Attach a smaller one, or "
                "commit it to a repository and name its path.",
                size=size,
                largest=self.largest,
            )

    def check_family(self, family: str, kind: str) -> None:
        """Raise Refused."""
        if family in self.refused:
            raise Refused(
                "invalid_arguments",
                f"The file is {kind}. The operator of this server does not accept "
                f"{' or '.join(self.refused)} files.",
                type=kind,
            )


def refused_families(text: str) -> tuple[str, ...]:
    """The families in `executable, archive`. Raise ValueError."""
    found = tuple(each for part in text.split(",") if (each := part.strip()))
    for each in found:
        if each not in FAMILIES:
            raise ValueError(f"has {each!r}; write one or both of {', '.join(FAMILIES)}")
    return found
