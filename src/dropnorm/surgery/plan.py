"""What is going to be done to a model: printed as a difference, and carried out on a copy."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from dropnorm.surgery.check import check
from dropnorm.surgery.difference import difference
from dropnorm.surgery.edits import Edit, Insert, Remove, ReturnBias, SetRate
from dropnorm.surgery.reading import Note, Reading
from dropnorm.surgery.rewrite import rewrite


@dataclass(frozen=True, eq=False)
class Plan:
    """Changes of a model, not made yet: print it to see them, `apply()` makes them on a copy.

    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> print(dn.regularize(net, dropout=0.1, batch_norm=False))
        Sequential: 1 dropout added
          Sequential(
            (0): Linear(in_features=4, out_features=8, bias=True)
            (1): ReLU()
        +   (2): Dropout(p=0.1, inplace=False)
            (3): Linear(in_features=8, out_features=2, bias=True)
          )
    """

    model: nn.Module = field(repr=False)
    edits: tuple[Edit, ...]
    notes: tuple[Note, ...]
    difference: str = field(repr=False)

    def apply(self) -> nn.Module:
        """A changed copy of the model; the model itself stays as it is."""
        return rewrite(self.model, self.edits)

    def __str__(self) -> str:
        notes = [f"  {note}" for note in _grouped(self.notes)]
        return "\n".join([f"{type(self.model).__name__}: {_summary(self.edits)}", self.difference, *notes])


def make_plan(reading: Reading, decided: Sequence[Edit | Note], sample: Any) -> Plan:
    """A plan of what was decided, whose outcome has been looked at."""
    notes = tuple(dict.fromkeys(each for each in decided if isinstance(each, Note)))
    edits = tuple(dict.fromkeys(each for each in decided if not isinstance(each, Note)))
    new = rewrite(reading.model, edits)
    check(reading, new, edits, sample)
    return Plan(reading.model, edits, notes, difference(reading.model, new))


def _summary(edits: Sequence[Edit]) -> str:
    inserts = [edit for edit in edits if isinstance(edit, Insert)]
    parts = [
        _count(sum(edit.layer.role == "norm" for edit in inserts), "batch norm", "added"),
        _count(sum(edit.takes_bias for edit in inserts), "bias", "moved there", "biases"),
        _count(sum(edit.layer.role == "dropout" for edit in inserts), "dropout", "added"),
        _count(sum(isinstance(edit, SetRate) for edit in edits), "rate", "changed"),
        _count(sum(isinstance(edit, Remove) for edit in edits), "layer", "removed"),
        _count(sum(isinstance(edit, ReturnBias) for edit in edits), "bias", "given back", "biases"),
    ]
    return ", ".join(part for part in parts if part) or "nothing to change"


def _count(number: int, what: str, done: str, plural: str = "") -> str:
    return f"{number} {what if number == 1 else plural or f'{what}s'} {done}" if number else ""


def _grouped(notes: Sequence[Note]) -> list[str]:
    """Notes as lines: those that say the same of several modules are one."""
    paths: dict[str, list[str]] = {}
    for note in notes:
        paths.setdefault(note.text, []).append(note.path or "the model")
    return [
        f"{', '.join(where[:4])}{f' and {len(where) - 4} more' if len(where) > 4 else ''}: {text}"
        for text, where in paths.items()
    ]
