"""What was done to a Keras model that computes the same as before, and the way back."""

from dataclasses import dataclass, field

import keras

from dropnorm.surgery.keras.rebuild import rebuilt
from dropnorm.surgery.notes import Note, as_text, grouped


@dataclass(frozen=True, eq=False)
class Receipt:
    """A new model that computes what the given one does, what was done to it, and what was left alone with the reason.

    Args:        model: the new one, of the same class; done: what was done, by the paths of layers; notes: what not, and why.
    See also:    dropnorm.surgery.modules.receipt.Receipt, of a torch module, whose `undo` changes that module back in place.
    """

    model: keras.Model
    done: tuple[Note, ...]
    notes: tuple[Note, ...]
    summary: str
    difference: str = field(repr=False)
    before: keras.Model = field(repr=False)

    def undo(self) -> keras.Model:
        """A model with the layers and the weights that the given one had when it was folded, each time another one."""
        return rebuilt(self.before)

    def __str__(self) -> str:
        return as_text(self.model, self.summary, self.difference, grouped(self.notes))
