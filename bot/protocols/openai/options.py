"""What people set for an agent that is a model: which one, and how far a run may go."""

from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from bot.kernel.patterns import Shape
from bot.quotas.money import AMOUNT, AMOUNT_WORDS, micros

Price: TypeAlias = Annotated[str, Shape(AMOUNT, AMOUNT_WORDS)]
# Enough to read, change and report. A longer list costs tokens with each request.
USUAL_TOOLS = (
    *("get_task", "update_task_status", "release_task", "explain_task"),
    *("github_list_files", "github_read_files", "github_get_diff", "github_get_thread"),
    *("github_search", "github_commit_files", "github_create_pr", "github_update_pr"),
    *("github_comment_issue", "get_write", "send_message", "get_messages", "mark_message_read"),
    *("list_contexts", "get_context", "create_context", "update_context", "list_agents"),
    *("find_tools", "call_tool"),
)


class Options(BaseModel):
    """Prices are in the server's currency, for 1,000 tokens. `max_cost` is of one run."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=100)]
    api: Literal["chat", "responses"] = "chat"
    instructions: Annotated[str, Field(max_length=4000)] = ""
    tools: Annotated[list[str], Field(max_length=100)] = []
    repositories: Annotated[list[str], Field(max_length=100)] = []
    max_turns: Annotated[int, Field(ge=1, le=200)] = 40
    max_tokens: Annotated[int, Field(ge=1000, le=100_000_000)] = 500_000
    max_cost: Price | None = None
    max_minutes: Annotated[int, Field(ge=1, le=720)] = 60
    max_output_tokens: Annotated[int, Field(ge=16, le=200_000)] = 4096
    context_tokens: Annotated[int, Field(ge=2000, le=2_000_000)] = 100_000
    input_price: Price = "0"
    cached_price: Price = "0"
    output_price: Price = "0"
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    timeout_s: Annotated[int, Field(ge=5, le=600)] = 120

    def cost(self, fresh: int, cached: int, output: int) -> int:
        """What so many tokens cost, in millionths."""
        prices = (self.input_price, self.cached_price, self.output_price)
        pairs = zip(prices, (fresh, cached, output), strict=True)
        return int(sum(Decimal(micros(price)) * count / 1000 for price, count in pairs))
