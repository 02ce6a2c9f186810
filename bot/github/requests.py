"""A request to GitHub as a value."""

from dataclasses import dataclass
from typing import Any

GRAPHQL = "/graphql"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any = None
