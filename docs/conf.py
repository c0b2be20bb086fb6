"""Sphinx configuration."""

import os
import re
from importlib.metadata import version as installed

from dropnorm._options import by_panel, options_of
from dropnorm.study.options import PANELS, StudyOptions

# The layers for Keras are imported to be described; torch is there in any case.
os.environ.setdefault("KERAS_BACKEND", "torch")

project = "dropnorm"
author = "The dropnorm authors"
copyright = "2026, the dropnorm authors"
release = version = installed("dropnorm")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "dropnorm"
autodoc_typehints = "none"
autodoc_member_order = "bysource"

# A section of the house's docstrings: a name, a colon, two spaces or an end of line.
SECTION = re.compile(r"^([A-Z][a-z]*(?: [a-z]+)*):(?:  +(.*))?$")


ARGUMENT = re.compile(r"(?:^|(?<=[;.]) )(?=(?:\w+, )*\w+: )")


def to_fields(app, what, name, obj, options, lines):
    """Turn the house's sections into a field list; equations are full of what reStructuredText takes for markup."""
    sections = [("", [])]
    for line in lines:
        if section := SECTION.match(line):
            sections.append((section[1], [section[2] or ""]))
        else:
            sections[-1][1].append(line.strip())
    lines[:] = [escaped(line) for line in sections[0][1]]
    for title, body in sections[1:]:
        lines += ["", f":{title}:", *(f"    {line}" for line in render(title, body))]
    lines.append("")


def render(title, body):
    """The lines of a section: an example as it is, arguments one by one, everything else as a paragraph."""
    if title == "Example":
        return ["", *body]
    if title in ("Args", "Call"):
        arguments = [part.strip(" ;") for part in ARGUMENT.split(" ".join(body)) if part.strip(" ;")]
        return [f"- {escaped(argument)}" for argument in arguments]
    return [escaped(line) for line in body]


def escaped(text):
    """The text with its backquoted parts as literals and the rest without markup."""
    parts = re.split(r"`+([^`]+)`+", text)
    return "".join(f"``{part}``" if odd else re.sub(r"([\\*|_])", r"\\\1", part) for odd, part in alternating(parts))


def alternating(parts):
    """Each part, and whether its place is odd."""
    return ((index % 2 == 1, part) for index, part in enumerate(parts))


def with_options(app, page, source):
    """Put the table of all options of a study where a page asks for it."""
    source[0] = source[0].replace("<!-- the table of all options -->", table_of_options())


def table_of_options():
    """All options of a study as Markdown, made from their declarations."""
    lines = ["| option | what it decides | allowed | default |", "| --- | --- | --- | --- |"]
    for panel, options in by_panel(options_of(StudyOptions).values(), PANELS).items():
        lines.append(f"| **{panel}** | | | |")
        for option in options:
            names = [
                f"`{option.name}=`",
                *([f"`{option.flag}`"] if option.in_words and option.name != "X" else []),
            ]
            help_text = f"{option.help}{option.python and f'; in Python also {option.python}'}"
            cells = (", ".join(names), help_text, option.allowed, option.default_text)
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def setup(app):
    """Register the hooks."""
    app.connect("autodoc-process-docstring", to_fields)
    app.connect("source-read", with_options)
