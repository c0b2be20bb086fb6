"""Control characters written out: a name in a stranger's file could hold commands to the terminal."""

import re

# What moves the cursor, colors, or turns the direction of writing: controls but tab and end of line, and half characters.
_CONTROLS = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff\\ud800-\\udfff]"
)


def visible(text: str) -> str:
    """A text whose control characters are written as JSON writes them, by their code point: JSON stays the same JSON."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
