"""New names of inputs and steps where the texts of steps use them."""

import re
from collections.abc import Iterator

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bot.workflows.editing import yaml_nodes, yaml_patch


def cuts(text: str, node: Node, pattern: re.Pattern[str], new: str) -> list[yaml_patch.Cut]:
    """What to replace in the values below the node."""
    return [
        (found.start(), found.end(), new)
        for each in _scalars(node)
        for found in pattern.finditer(text, yaml_nodes.start(each), yaml_nodes.end(text, each))
    ]


def _scalars(node: Node) -> Iterator[ScalarNode]:
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, SequenceNode):
        for each in node.value:
            yield from _scalars(each)
    elif isinstance(node, MappingNode):
        for _, value in node.value:
            yield from _scalars(value)
