"""A plan for a Keras model, of what was decided, whose outcome has been looked at."""

from collections.abc import Sequence
from typing import Any

from dropnorm.errors import SurgeryError
from dropnorm.surgery.edits import Edit
from dropnorm.surgery.keras.check import agree, outputs
from dropnorm.surgery.keras.difference import difference
from dropnorm.surgery.keras.graph import Graph
from dropnorm.surgery.keras.rebuild import rebuilt
from dropnorm.surgery.keras.rewrite import changes_of, rewrite
from dropnorm.surgery.notes import Note
from dropnorm.surgery.plan import Plan, sorted_out


def make_plan(graph: Graph, decided: Sequence[Edit | Note], sample: Any) -> Plan:
    """A plan of what was decided.

    Raises:      SurgeryError if the model cannot be built anew with it, or computes something else for the sample then.
    """
    edits, notes = sorted_out(decided)
    changes = changes_of(graph, edits)
    rebuilt(graph.model, changes)
    if sample is not None and edits and not _does_the_same(graph.model, edits, sample):
        raise SurgeryError(
            f"model={type(graph.model).__name__} cannot be changed safely: afterwards its outputs for the sample in "
            f"inference mode are others. Expected layers that only compute, and do not look at each other. Name places to "
            f"leave out by where=, or put the layers in by hand."
        )
    return Plan(graph.model, edits, notes, difference(graph, changes), rewrite)


def _does_the_same(model: Any, edits: Sequence[Edit], sample: Any) -> bool:
    """Whether a model computes the same with these changes."""
    same = rebuilt(model)
    expected = outputs(same, sample)  # which gives weights to one that has none yet
    return agree(expected, outputs(rewrite(same, edits), sample))
