"""Outputs that a step needs and may not get, because the step that gives them may not. Pure."""

from collections.abc import Iterator

from bot.kernel.references import as_written, texts
from bot.workflows.definitions import references
from bot.workflows.definitions.definition import Definition, Step
from bot.workflows.definitions.references import Output


def hints(definition: Definition) -> list[str]:
    """In words, each once. The file is valid: whether something is missing is seen in a run."""
    by_id = {each.id: each for each in definition.steps}
    found = [
        f"steps.{step.id}.arguments: {named} may have no value, because {why}; write what stands "
        f"in for it: ${{{{ {named} || null }}}}"
        for step in definition.steps
        for named in _outputs(step)
        if (why := _why_nothing(by_id[named.step], step))
    ]
    return list(dict.fromkeys(found))


def _outputs(step: Step) -> Iterator[Output]:
    """Those without a default."""
    for _, text in texts(step.arguments):
        for _, inside in as_written(text):
            named = references.output(inside)
            if named is not None and named.default is None:
                yield named


def _why_nothing(other: Step, step: Step) -> str | None:
    if other.on_failure == "continue":
        return f"{other.id} may fail and the workflow goes on"
    if other.condition not in ("success", "always", step.condition):
        return f"{other.id} is skipped unless its `if` holds"
    if step.condition in ("failure", "always"):
        return f"{step.id} also begins after a failure"
    return None
