"""Where dropout and batch norm go in a Keras model."""

from typing import Any

from dropnorm.surgery.choices import Where
from dropnorm.surgery.edits import Edit
from dropnorm.surgery.keras.dropouts import dropouts, input_dropouts
from dropnorm.surgery.keras.norms import batch_norms
from dropnorm.surgery.keras.plan import make_plan
from dropnorm.surgery.keras.reading import left_alone, read
from dropnorm.surgery.notes import Note
from dropnorm.surgery.plan import Plan


def regularize_keras(model: Any, rate: float, batch_norm: bool, input_rate: float, where: Where, sample: Any) -> Plan:
    """The plan of `dn.regularize` for a functional or Sequential model; a rate of 0 is none."""
    graph = read(model)
    decided: list[Edit | Note] = [*left_alone(graph)]
    if batch_norm:
        decided += batch_norms(graph)
    if rate:
        decided += dropouts(graph, rate, where)
    if input_rate:
        decided += input_dropouts(graph, input_rate)
    return make_plan(graph, decided, sample)
