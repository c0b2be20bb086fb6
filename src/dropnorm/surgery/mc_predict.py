"""Monte Carlo dropout: how sure a net is, told by many passes with its dropout on."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from dropnorm._arguments import checked
from dropnorm._constraints import Flag
from dropnorm._validate import Whole, choice, whole
from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.surgery.dispatch import Model, is_keras
from dropnorm.surgery.modules.masking import Passes, masked_passes
from dropnorm.surgery.outcomes import QUANTITIES, Outcomes, classes

Array = TypeVar("Array")
# What an MLP of a thousand units computes for as many is still in the caches at the next layer.
PASSES_AT_ONCE = 1024
TAIL = 0.025


@dataclass(frozen=True)
class MonteCarlo(Generic[Array]):
    """What the samples of each row say: of each class's probability, or of each quantity.

    Shape:       mean, variance, low, high: as the model's outputs, (N, *); entropies: (N, *) without the dimension of classes;
                 of labels that are each true or not, as Keras's sigmoid gives them, one for each label
    Numerics:    float64; torch tensors of a torch model, NumPy arrays of a Keras model, as its `predict` gives. `variance` has
                 the divisor samples - 1; `low` and `high` are the 2.5 % and 97.5 % quantiles.
                 `predictive_entropy`, of the mean probabilities, and `mutual_information`, the part of it that is about the
                 weights and not the data, are in nats; None for a regression.
    """

    mean: Array
    variance: Array
    low: Array
    high: Array
    predictive_entropy: Array | None
    mutual_information: Array | None


KEY = Whole(-(2**63), 2**63 - 1)
_MOST_SAMPLES = 2**31 - 1
SAMPLES = Whole(2, why="one sample has no spread")


@checked(model=Model(), samples=SAMPLES, passes_at_once=Whole(1), key=KEY, from_logits=Flag())
def mc_predict(
    model: Any,
    x: Any,
    samples: int = 100,
    *,
    task: Literal["classification", "regression"] = "classification",
    key: int = 0,
    from_logits: bool | None = None,
    passes_at_once: int = PASSES_AT_ONCE,
) -> MonteCarlo[Any]:
    """Predict with many masks of the model's dropout: their mean is the prediction, their spread how unsure it is.

    Equation:    of probabilities p_s = softmax(model(x, mask_s)), p = mean of p_s: predictive entropy H[p]; mutual
                 information H[p] - mean of H[p_s]. H is Shannon's entropy. Of labels that are each true or not, p_s is the
                 sigmoid, and H that of each label.
    Shape:       x (N, *) -> each result (N, *)
    Args:        model: any torch module or Keras model with dropout layers; x: a tensor; for Keras arrays as its `predict`
                 takes them, of several inputs a list or dictionary; samples: count of masks per row, at least 2, default 100;
                 task: "classification" (default), with outputs (N, classes, *), in Keras (N, *, classes), or "regression",
                 with quantities (N, *); key: of the masks, a 64-bit number, default 0; from_logits: whether outputs are
                 logits, or probabilities already; default None: of torch models logits, of Keras models what the last
                 activation says (softmax, sigmoid or none), and where it is not known the compiled loss;
                 passes_at_once: how many rows times samples are in memory at once, default 1024.
    Randomness:  none: row n's mask in sample s is a function of (key, s, n), and of the layer's place in the order of
                 calls. So results do not depend on passes_at_once, but for rounding; random states stay untouched, Keras's
                 seed generators too. The masks are the same on each backend of Keras.
    Numerics:    everything but dropout is in inference mode: batch norm uses its running statistics, and noise is off. The
                 model is afterwards as before. What functions drop inside of a model's code is not switched on.
    Raises:      ArgumentError for a model that calls no dropout layer, or one with a forward of its own, with a batch norm
                 without running statistics, or with one logit for two classes; of Keras also for GaussianDropout, dropout
                 inside of recurrent layers, and outputs of which it is not known whether they are logits; ShapeError where a
                 dropout sees the samples in another dimension than the first.
    Example:
        >>> import torch
        >>> from dropnorm.surgery.mc_predict import mc_predict
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3))
        >>> mc_predict(net, torch.randn(5, 4), samples=20).mean.shape
        torch.Size([5, 3])
    Source:      Gal & Ghahramani 2016, "Dropout as a Bayesian approximation", arXiv:1506.02142; mutual information: Gal,
                 Islam & Ghahramani 2017, arXiv:1703.02910, equation 2.
    """
    sampling = sample_passes(model, x, task=task, key=key, from_logits=from_logits)
    parts = [_summary(values, sampling.outcomes) for (values,) in sampled_values([sampling], samples, passes_at_once)]
    gathered = [None if values[0] is None else torch.cat(values) for values in zip(*parts, strict=True)]
    if is_keras(model):
        return MonteCarlo(*(None if value is None else value.numpy() for value in gathered))
    return MonteCarlo(*gathered)


@dataclass(frozen=True)
class Sampling:
    """A model's passes with its dropout on, over rows of x, and what the outputs stand for."""

    passes: Passes
    x: Any
    rows: int
    outcomes: Outcomes


def sample_passes(
    model: Any,
    x: Any,
    *,
    task: Literal["classification", "regression"] = "classification",
    key: int = 0,
    from_logits: bool | None = None,
) -> Sampling:
    """Look a model over for `sampled_values`; arguments and errors are those of `mc_predict`."""
    choice(task, "task", ("classification", "regression"))
    if not is_keras(model):
        if not isinstance(x, Tensor) or not x.ndim or x.layout != torch.strided:
            raise ArgumentTypeError(
                f"x={type(x).__name__} is no batch of rows: expected a dense tensor (rows, *). Use torch.as_tensor(x)."
            )
        outcomes = classes(1, from_logits is not False) if task == "classification" else QUANTITIES
        return Sampling(masked_passes(model, key), x, len(x), outcomes)
    from dropnorm.surgery.keras.masking import arrays
    from dropnorm.surgery.keras.masking import masked_passes as passes_of_keras
    from dropnorm.surgery.keras.outputs import outcomes_of

    x, rows = arrays(x)
    outcomes = outcomes_of(model, from_logits) if task == "classification" else QUANTITIES
    return Sampling(passes_of_keras(model, key), x, rows, outcomes)


@torch.no_grad()
def sampled_values(
    samplings: Sequence[Sampling], samples: int, passes_at_once: int = PASSES_AT_ONCE
) -> Iterator[list[Tensor]]:
    """Of one stretch of rows after the other, what each model says: values (samples, rows, *); of no rows, of none.

    Args:        samplings: of models that are given the same rows
    """
    whole(samples, "samples", 2, "one sample has no spread")
    whole(passes_at_once, "passes_at_once", 1)
    if samples > _MOST_SAMPLES:
        raise ArgumentError(f"samples={samples} is too large: expected at most {_MOST_SAMPLES:,}. Use samples=100.")
    rows_at_once = max(1, passes_at_once // samples)
    samples_at_once = min(samples, passes_at_once)
    count = samplings[0].rows
    with ExitStack() as stack:
        runs = [stack.enter_context(sampling.passes) for sampling in samplings]
        for start in range(0, max(1, count), rows_at_once):
            rows = torch.arange(start, min(count, start + rows_at_once))
            yield [
                sampling.outcomes.values(
                    torch.cat(
                        [run(sampling.x, rows, some) for some in torch.split(torch.arange(samples), samples_at_once)]
                    )
                )
                for sampling, run in zip(samplings, runs, strict=True)
            ]


def _summary(values: Tensor, outcomes: Outcomes) -> tuple[Any, ...]:
    """The fields of a MonteCarlo from the values (samples, N, *) of some rows."""
    mean = values.mean(0)
    low, high = tails(values)
    predictive = mutual = None
    if outcomes.entropy is not None:
        predictive = outcomes.entropy(mean)
        each = outcomes.entropy(values.flatten(0, 1))
        # Rounding may leave a trifle below zero where all samples agree.
        mutual = (predictive - each.reshape(len(values), *predictive.shape).mean(0)).clamp(min=0.0)
    variance = (values - mean).square().sum(0) / (len(values) - 1)
    return mean, variance, low, high, predictive, mutual


def tails(values: Tensor) -> tuple[Tensor, Tensor]:
    """The 2.5 % and 97.5 % quantiles of values (samples, *), by linear interpolation."""
    sorted_values = _sorted(values)
    return _quantile(sorted_values, TAIL), _quantile(sorted_values, 1.0 - TAIL)


def _sorted(values: Tensor) -> Tensor:
    # On a CPU three times as fast as torch, which takes half of the summary's time.
    return torch.from_numpy(np.sort(values.numpy(), axis=0)) if values.is_cpu else values.sort(dim=0).values


def _quantile(sorted_values: Tensor, q: float) -> Tensor:
    """By linear interpolation, as torch.quantile, which takes no more than 16 million values."""
    place = q * (len(sorted_values) - 1)
    below = int(place)
    above = min(below + 1, len(sorted_values) - 1)
    return torch.lerp(sorted_values[below], sorted_values[above], place - below)
