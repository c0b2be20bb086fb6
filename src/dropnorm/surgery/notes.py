"""What is told about a model's layers, and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Note:
    """Something that was not done, or not as one may expect, and why."""

    path: str
    text: str


def grouped(notes: Sequence[Note]) -> list[str]:
    """Notes as lines: those that say the same of several modules are one."""
    paths: dict[str, list[str]] = {}
    for note in notes:
        paths.setdefault(note.text, []).append(note.path or "the model")
    return [
        f"{', '.join(where[:4])}{f' and {len(where) - 4} more' if len(where) > 4 else ''}: {text}"
        for text, where in paths.items()
    ]


def as_text(model: Any, summary: str, difference: str, notes: Sequence[str]) -> str:
    """What is or was done to a model: in short, layer by layer, and what was left alone."""
    return "\n".join([f"{type(model).__name__}: {summary}", difference, *(f"  {note}" for note in notes)])


def counted(number: int, what: str, done: str, plural: str = "") -> str:
    """How many things something was done to, or nothing for none."""
    return f"{number} {what if number == 1 else plural or f'{what}s'} {done}" if number else ""


def folded_summary(done: Sequence[Note]) -> str:
    """What was folded, in short, by what is told of each."""
    kinds = ("batch norm", "folded"), ("dropout", "gone"), ("noise", "gone")
    parts = [counted(sum(note.text.startswith(what) for note in done), what, how) for what, how in kinds]
    return ", ".join(part for part in parts if part) or "nothing to fold"
