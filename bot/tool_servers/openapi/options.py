"""What a person sets for an OpenAPI service: its operations, its pace, its cache, its pages."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bot.tool_servers.openapi.service import Choice

Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Names = Annotated[list[Words], Field(max_length=500)]
# A path into JSON, as in `data.items`; '' for the whole.
JsonPath = Annotated[str, StringConstraints(max_length=200, pattern=r"^([^.\s]+(\.[^.\s]+)*)?$")]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Paging(_Options):
    """How the service gives the next page."""

    by: Literal["link", "cursor", "page"] = Field(
        description="the header `Link`, a value in the answer, or the number of the page"
    )
    parameter: Annotated[str, StringConstraints(max_length=200)] = Field(
        "", description="of the query, which takes the cursor or the number"
    )
    next: JsonPath = Field("", description="where the answer has the next cursor or address")
    items: JsonPath = Field("", description="where the answer has the list of results")


class Options(_Options):
    operations: Names = Field(default=[], description="ids, or as in `GET /pets`; all if empty")
    tags: Names = Field(default=[], description="only operations with one of these tags")
    methods: Annotated[
        list[Literal["get", "post", "put", "patch", "delete"]], Field(max_length=5)
    ] = Field(default=[], description="only operations with one of these methods")
    requests_a_minute: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="by each process of Hubbub"
    )
    cache_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        0, description="keep answers to GET; each process has its own"
    )
    paging: Paging | None = None

    @property
    def choice(self) -> Choice:
        return Choice(self.operations, self.tags, self.methods)
