"""What a model's outputs stand for: quantities, classes of which one is true, or labels that are each true or not."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dropnorm.errors import ArgumentError

# Probabilities of float16 and bfloat16 add up to 1 as well as they can.
_ROUNDING = 0.02


@dataclass(frozen=True)
class Outcomes:
    """How outputs (samples, N, *) become values of the same shape, and the entropy in nats of values (N, *), if any."""

    values: Callable[[Tensor], Tensor]
    entropy: Callable[[Tensor], Tensor] | None = None


QUANTITIES = Outcomes(lambda outputs: outputs.double())


def classes(dimension: int, from_logits: bool) -> Outcomes:
    """One of several classes, along this dimension of (N, *); from_logits: whether outputs are logits or probabilities."""

    def values(outputs: Tensor) -> Tensor:
        at = dimension + 1 if dimension > 0 else dimension
        if outputs.ndim < 3 or outputs.shape[at] < 2:
            wanted = "(N, classes, *)" if dimension > 0 else "(N, *, classes)"
            raise ArgumentError(
                f"the model's outputs have the shape {tuple(outputs.shape[1:])}: expected {wanted}, a "
                f"{'logit' if from_logits else 'probability'} for each of two or more classes. For quantities use "
                f'task="regression".'
            )
        if from_logits:
            return outputs.double().softmax(dim=at)
        probabilities = _probabilities(outputs)
        if probabilities.numel() and float((probabilities.sum(at) - 1).abs().max()) > _ROUNDING:
            raise ArgumentError(
                "the model's outputs do not add up to 1: expected a probability for each class, with from_logits=False. Of "
                "logits give from_logits=True."
            )
        return probabilities

    return Outcomes(values, lambda probabilities: torch.special.entr(probabilities).sum(dimension))


def labels(from_logits: bool) -> Outcomes:
    """Each output the probability, or with from_logits the logit, of a label that is true or not."""
    return Outcomes(
        lambda outputs: outputs.double().sigmoid() if from_logits else _probabilities(outputs),
        lambda probabilities: torch.special.entr(probabilities) + torch.special.entr(1.0 - probabilities),
    )


def _probabilities(outputs: Tensor) -> Tensor:
    outside = ~((outputs >= 0) & (outputs <= 1))
    if bool(outside.any()):
        raise ArgumentError(
            f"the model's outputs are no probabilities, such as {float(outputs[outside][0]):g}: expected values from 0 to 1, "
            f"with from_logits=False. Of logits give from_logits=True."
        )
    return outputs.double()
