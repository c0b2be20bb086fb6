"""What is going to be done to a model: printed as a difference, and carried out on a copy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dropnorm.surgery.edits import Edit, Insert, Remove, ReturnBias, SetRate
from dropnorm.surgery.notes import Note, as_text, counted, grouped


@dataclass(frozen=True, eq=False)
class Plan:
    """Changes of a model, not made yet: print it to see them, `apply()` makes them on a copy.

    Args:        model: the one given; edits: what is to be done to it, as data; notes: what is not, and why; difference: of the
                 two models, as text.
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

    model: Any = field(repr=False)
    edits: tuple[Edit, ...]
    notes: tuple[Note, ...]
    difference: str = field(repr=False)
    rewrite: Callable[[Any, Sequence[Edit]], Any] = field(repr=False)

    def apply(self) -> Any:
        """A changed copy of the model, of torch or Keras as it is; the model itself stays as it is."""
        return self.rewrite(self.model, self.edits)

    def __str__(self) -> str:
        return as_text(self.model, _summary(self.edits), self.difference, grouped(self.notes))


def sorted_out(decided: Sequence[Edit | Note]) -> tuple[tuple[Edit, ...], tuple[Note, ...]]:
    """Edits and notes apart, each once."""
    notes = tuple(dict.fromkeys(each for each in decided if isinstance(each, Note)))
    edits = tuple(dict.fromkeys(each for each in decided if not isinstance(each, Note)))
    return edits, notes


def _summary(edits: Sequence[Edit]) -> str:
    inserts = [edit for edit in edits if isinstance(edit, Insert)]
    parts = [
        counted(sum(edit.layer.role == "norm" for edit in inserts), "batch norm", "added"),
        counted(sum(edit.takes_bias for edit in inserts), "bias", "moved there", "biases"),
        counted(sum(edit.layer.role == "dropout" for edit in inserts), "dropout", "added"),
        counted(sum(isinstance(edit, SetRate) for edit in edits), "rate", "changed"),
        counted(sum(isinstance(edit, Remove) for edit in edits), "layer", "removed"),
        counted(sum(isinstance(edit, ReturnBias) for edit in edits), "bias", "given back", "biases"),
    ]
    return ", ".join(part for part in parts if part) or "nothing to change"
