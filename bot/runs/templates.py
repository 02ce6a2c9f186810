"""What a template makes of a request for a run: the model, the priority, the inputs. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from bot.errors import Refused
from bot.repository.repository_settings import RepositorySettings
from bot.repository.run_settings import RUN_INPUT, Template, When
from bot.repository.settings_file import PATH
from bot.tasks.priorities import Priority
from bot.tasks.sizes import Size
from store.tables.mirror import RepositoryRow

# Templates that an error names.
MOST_SHOWN = 20


@dataclass(frozen=True)
class Traits:
    """What the rules of a template look at."""

    priority: Priority
    size: Size | None = None
    labels: Collection[str] = ()


def template_of(settings: RepositorySettings, name: str, full_name: str) -> Template:
    """The template with this name. Raise Refused."""
    if name in settings.templates:
        return settings.templates[name]
    raise Refused(
        "unknown_template",
        f"{full_name} has no template {name[:80]!r}. {known_names(settings, name)}",
        templates=sorted(settings.templates)[:MOST_SHOWN],
    )


def ref_of(template: Template, repository: RepositoryRow) -> str:
    """The branch or tag on which the workflow of a run starts."""
    return template.ref or repository["default_branch"]


def known_names(settings: RepositorySettings, name: str) -> str:
    """A sentence that names the templates there are, those like `name` first."""
    names = sorted(settings.templates)
    if not names:
        return f"It has no templates; `templates` in {PATH} has them."
    if near := get_close_matches(name, names, n=3):
        return f"Did you mean {' or '.join(near)}?"
    more = f", and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return f"Its templates: {', '.join(names[:MOST_SHOWN])}{more}."


def model_of(template: Template, traits: Traits) -> str:
    """The model of the first rule that applies, or the template's own."""
    for rule in template.when:
        if _applies(rule, traits):
            return rule.model
    return template.model or ""


def _applies(rule: When, traits: Traits) -> bool:
    labels = {each.casefold() for each in traits.labels}
    return (
        rule.size in (None, traits.size)
        and rule.priority in (None, traits.priority)
        and (rule.label is None or rule.label.casefold() in labels)
    )


def inputs_of(
    template: Template, *, run_id: str, task: str, prompt: str, model: str
) -> Mapping[str, str]:
    """All inputs of the workflow."""
    own = {RUN_INPUT: run_id, "task": task, "prompt": prompt, "model": model}
    return {**template.inputs, **own}
