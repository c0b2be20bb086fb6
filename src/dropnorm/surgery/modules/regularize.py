"""Where dropout and batch norm go in a torch module."""

from typing import Any

from torch import nn

from dropnorm.errors import SurgeryError
from dropnorm.surgery.choices import Where
from dropnorm.surgery.edits import Edit
from dropnorm.surgery.modules.dropouts import dropouts
from dropnorm.surgery.modules.input_dropout import input_dropouts
from dropnorm.surgery.modules.inside import kept_rates
from dropnorm.surgery.modules.norms import batch_norms
from dropnorm.surgery.modules.plan import make_plan
from dropnorm.surgery.modules.reading import Reading, read
from dropnorm.surgery.notes import Note
from dropnorm.surgery.plan import Plan


def regularize_module(
    model: nn.Module, rate: float, batch_norm: bool, input_rate: float, where: Where, sample: Any
) -> Plan:
    """The plan of `dn.regularize` for a torch module; a rate of 0 is none."""
    reading = read(model, sample)
    if reading.trace.untraceable and not reading.trace.flows:
        raise _nothing_to_see(reading)
    decided: list[Edit | Note] = [*_untraceable(reading), *kept_rates(reading)]
    if batch_norm:
        decided += batch_norms(reading)
    if rate:
        decided += dropouts(reading, rate, where)
    if input_rate:
        decided += input_dropouts(reading, input_rate)
    return make_plan(reading, decided, sample)


def _untraceable(reading: Reading) -> list[Note]:
    return [
        Note(each.path, f"cannot be traced ({each.reason}): only what is inside its own modules is looked at.")
        for each in reading.trace.untraceable
    ]


def _nothing_to_see(reading: Reading) -> SurgeryError:
    broken = reading.trace.untraceable[0]
    return SurgeryError(
        f"model={type(reading.model).__name__}: no place for dropout or batch norm is found, since the forward of "
        f"{broken.path or 'the model'!r} ({broken.name}) cannot be traced: {broken.reason}. Expected a forward that torch.fx "
        f"can follow, without control flow that depends on values. Move layers and their activations into a "
        f"torch.nn.Sequential, which is looked into on its own."
    )
