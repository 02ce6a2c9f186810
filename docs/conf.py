"""Sphinx's settings. Pages are plain Markdown."""

project = "Hubbub"
extensions = ["myst_parser"]
# Files that pages show.
exclude_patterns = ["_build", "changes", "how-to/actions", "tutorials/agents"]
html_theme = "furo"
html_title = "Hubbub"
myst_heading_anchors = 3
