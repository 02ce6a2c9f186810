"""Sphinx's settings. Pages are plain Markdown."""

project = "Hubbub"
extensions = ["myst_parser"]
exclude_patterns = ["_build", "changes"]
html_theme = "furo"
html_title = "Hubbub"
myst_heading_anchors = 3
