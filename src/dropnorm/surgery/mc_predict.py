"""Monte Carlo dropout: how sure a net is, told by many passes with its dropout on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dropnorm._validate import choice, whole
from dropnorm.errors import ArgumentError
from dropnorm.surgery.masking import masked_passes

PASSES_AT_ONCE = 8192
TAIL = 0.025


@dataclass(frozen=True)
class MonteCarlo:
    """What the samples of each row say: of each class's probability, or of each quantity.

    Shape:       mean, variance, low, high: as the model's outputs, (N, *); entropies: (N, *) without the dimension of classes
    Numerics:    float64. `variance` has the divisor samples - 1; `low` and `high` are the 2.5 % and 97.5 % quantiles.
                 `predictive_entropy`, of the mean probabilities, and `mutual_information`, the part of it that is about the
                 weights and not the data, are in nats; None for a regression.
    """

    mean: Tensor
    variance: Tensor
    low: Tensor
    high: Tensor
    predictive_entropy: Tensor | None
    mutual_information: Tensor | None


def mc_predict(
    model: torch.nn.Module,
    x: Tensor,
    samples: int = 100,
    *,
    task: Literal["classification", "regression"] = "classification",
    key: int = 0,
    passes_at_once: int = PASSES_AT_ONCE,
) -> MonteCarlo:
    """Predict with many masks of the model's dropout: their mean is the prediction, their spread how unsure it is.

    Equation:    of probabilities p_s = softmax(model(x, mask_s)), p = mean of p_s: predictive entropy H[p]; mutual
                 information H[p] - mean of H[p_s]. H is Shannon's entropy.
    Shape:       x (N, *) -> each result (N, *)
    Args:        model: any module with dropout layers, whose outputs (N, classes, *) are logits or (N, *) quantities;
                 samples: count of masks per row, at least 2, default 100; task: "classification" (default) or
                 "regression"; key: of the masks, a 64-bit number, default 0; passes_at_once: how many rows times samples
                 are in memory at once, default 8192.
    Randomness:  none: row n's mask in sample s is a function of (key, s, n), and of the layer's place in the order of
                 calls. So results do not depend on passes_at_once, but for rounding; torch's generators stay untouched.
    Numerics:    everything but dropout is in inference mode: batch norm uses its running statistics. The model's own modes
                 are as before afterwards. What F.dropout drops inside of a model's code is not switched on.
    Raises:      ArgumentError for a model that calls no dropout layer, or one with a forward of its own, with a batch norm
                 without running statistics, or with one logit for two classes; ShapeError where a dropout sees the samples in
                 another dimension than the first.
    Example:
        >>> import torch
        >>> from dropnorm.surgery.mc_predict import mc_predict
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3))
        >>> mc_predict(net, torch.randn(5, 4), samples=20).mean.shape
        torch.Size([5, 3])
    Source:      Gal & Ghahramani 2016, "Dropout as a Bayesian approximation", arXiv:1506.02142; mutual information: Gal,
                 Islam & Ghahramani 2017, arXiv:1703.02910, equation 2.
    """
    choice(task, "task", ("classification", "regression"))
    whole(samples, "samples", 2, "one sample has no spread")
    whole(passes_at_once, "passes_at_once", 1)
    parts = [
        _summary(_probabilities(outputs) if task == "classification" else outputs.double(), task == "classification")
        for outputs in _sampled(model, x, samples, key, passes_at_once)
    ]
    gathered = [None if values[0] is None else torch.cat(values) for values in zip(*parts, strict=True)]
    return MonteCarlo(*gathered)  # type: ignore[arg-type]


@torch.no_grad()
def _sampled(model: torch.nn.Module, x: Tensor, samples: int, key: int, passes_at_once: int) -> Iterator[Tensor]:
    """Outputs (samples, rows, *) of one stretch of rows after the other; of no rows, of none."""
    rows_at_once = max(1, passes_at_once // samples)
    samples_at_once = min(samples, passes_at_once)
    with masked_passes(model, key) as run:
        for start in range(0, max(1, len(x)), rows_at_once):
            rows = torch.arange(start, min(len(x), start + rows_at_once))
            yield torch.cat([run(x, rows, some) for some in torch.split(torch.arange(samples), samples_at_once)])


def _probabilities(logits: Tensor) -> Tensor:
    """Of (samples, N, classes, *)."""
    if logits.ndim < 3 or logits.shape[2] < 2:
        raise ArgumentError(
            f"the model's outputs have the shape {tuple(logits.shape[1:])}: expected (N, classes, *), a logit for each of two "
            f'or more classes. For quantities use task="regression".'
        )
    return logits.double().softmax(dim=2)


def _summary(values: Tensor, classes: bool) -> tuple[Tensor | None, ...]:
    """The fields of a MonteCarlo from the samples (samples, N, *) of some rows."""
    mean, sorted_values = values.mean(0), values.sort(dim=0).values
    predictive = mutual = None
    if classes:
        predictive = torch.special.entr(mean).sum(1)
        # Rounding may leave a trifle below zero where all samples agree.
        mutual = (predictive - torch.special.entr(values).sum(2).mean(0)).clamp(min=0.0)
    low, high = (_quantile(sorted_values, q) for q in (TAIL, 1.0 - TAIL))
    variance = (values - mean).square().sum(0) / (len(values) - 1)
    return mean, variance, low, high, predictive, mutual


def _quantile(sorted_values: Tensor, q: float) -> Tensor:
    """By linear interpolation, as torch.quantile, which takes no more than 16 million values."""
    place = q * (len(sorted_values) - 1)
    below = int(place)
    above = min(below + 1, len(sorted_values) - 1)
    return torch.lerp(sorted_values[below], sorted_values[above], place - below)
