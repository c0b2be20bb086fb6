"""Whether a changed model still does what it did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dropnorm.errors import SurgeryError
from dropnorm.surgery.edits import Edit
from dropnorm.surgery.modules.observe import outputs
from dropnorm.surgery.modules.reading import Reading
from dropnorm.surgery.modules.rewrite import copied
from dropnorm.surgery.modules.trace import trace

# A new batch norm divides by sqrt(1 + eps), which a deep net may amplify.
_TOLERANCE = 1e-3


def check(reading: Reading, new: nn.Module, edits: Sequence[Edit], sample: Any) -> None:
    """Refuse an outcome whose forward fails, or which in inference mode computes something else than the model did.

    New batch norms start as the identity and take over the biases, and dropout does nothing in inference mode.
    """
    if not edits:
        return
    again = trace(copied(new))
    if again.untraceable != reading.trace.untraceable:
        broken = next(each for each in again.untraceable if each not in reading.trace.untraceable)
        raise SurgeryError(_failure(reading, f"the forward of {broken.path or 'the model'!r} fails: {broken.reason}"))
    if sample is None:
        return
    expected, got = (outputs(copied(model).eval(), sample) for model in (reading.model, new))
    if not agree(expected, got):
        raise SurgeryError(_failure(reading, "its outputs for the sample in inference mode are others"))


def agree(expected: Any, got: Any) -> bool:
    """Whether two outputs, or what they are made of, are the same but for rounding."""
    before, after = list(_tensors(expected)), list(_tensors(got))
    return len(before) == len(after) and all(map(_is_close, before, after))


def _is_close(old: Tensor, new: Tensor) -> bool:
    if old.shape != new.shape or not old.numel():
        return old.shape == new.shape
    scale = float(old.abs().nan_to_num(posinf=0.0).max())
    tolerance = (_TOLERANCE + 8 * torch.finfo(old.dtype).eps) * scale
    return torch.allclose(old, new, rtol=0.0, atol=tolerance, equal_nan=True)


def _failure(reading: Reading, what: str) -> str:
    return (
        f"model={type(reading.model).__name__} cannot be changed safely: afterwards {what}. Expected a forward that only "
        f"calls its layers, and does not look at their attributes. Name places to leave out by where=, or put the layers "
        f"in by hand."
    )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _tensors(each)
