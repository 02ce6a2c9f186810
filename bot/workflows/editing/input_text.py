"""Edits of inputs in the text of a definition."""

from yaml.nodes import MappingNode, Node

from bot.workflows.editing import draft_file, edited_values, renaming, yaml_nodes, yaml_patch
from bot.workflows.editing.edited_values import Values
from bot.workflows.editing.edits import RenameInput, SetInput
from bot.workflows.editing.key_text import INPUT, TOP, with_key


def with_input(text: str, values: Values, wanted: Values, change: SetInput) -> str:
    """Of an input that exists, each key is edited for itself."""
    inputs = values.get("inputs")
    if not isinstance(inputs, dict) or not inputs or "inputs" not in wanted:
        return with_key(text, values, (), "inputs", wanted.get("inputs"), TOP)
    old = inputs.get(change.input)
    if change.value is None or not isinstance(old, dict) or not old or not change.value:
        return with_key(text, values, ("inputs",), change.input, change.value, ())
    at = ("inputs", change.input)
    for key in change.value:
        text = with_key(text, draft_file.read(text), at, key, change.value[key], INPUT)
    for key in old:
        if key not in change.value:
            text = with_key(text, draft_file.read(text), at, key, None, INPUT)
    return text


def with_renamed_input(text: str, values: Values, change: RenameInput) -> str:
    """The name itself, the steps that repeat for it, and each `${{ inputs.NAME }}`."""
    root = yaml_nodes.compose(text)
    inputs, steps = yaml_nodes.find(root, ("inputs",)), yaml_nodes.find(root, ("steps",))
    assert isinstance(inputs, MappingNode)
    key, _ = yaml_nodes.entry(inputs, change.input)
    cuts = [_renaming(text, key, change)]
    pattern = edited_values.input_pattern(change.input)
    cuts += renaming.cuts(text, steps, pattern, change.to)
    for n, step in enumerate(edited_values.steps_of(values)):
        if isinstance(step, dict) and step.get("each") == change.input:
            node = yaml_nodes.find(root, ("steps", n, "each"))
            cuts.append(_renaming(text, node, change))
    return yaml_patch.with_cuts(text, cuts)


def _renaming(text: str, node: Node, change: RenameInput) -> yaml_patch.Cut:
    first, last = yaml_nodes.start(node), yaml_nodes.end(text, node)
    return first, last, text[first:last].replace(change.input, change.to)
