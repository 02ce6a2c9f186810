"""Sphinx's settings. Pages are plain Markdown."""

project = "Hubbub"
extensions = ["myst_parser"]
# how-to/actions has files that pages show.
exclude_patterns = ["_build", "changes", "how-to/actions"]
html_theme = "furo"
html_title = "Hubbub"
myst_heading_anchors = 3
