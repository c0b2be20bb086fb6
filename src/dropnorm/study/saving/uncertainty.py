"""How sure a model's nets are of each row: how far they are from each other, and each from itself with its dropout on."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dropnorm._validate import whole
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.saving.description import ModelDescription
from dropnorm.study.saving.nets import SavedNets
from dropnorm.surgery.mc_predict import sampled_values, tails


def uncertain_predictions(
    nets: SavedNets, description: ModelDescription, features: np.ndarray, samples: int, key: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The mean of all samples of each row (rows, outputs), and by column how sure it is.

    Samples are a net's passes with its dropout on, or its one prediction where it has none.
    """
    whole(samples, "samples", 2, "one sample has no spread")
    measure = _of_classes if description.encoding.classes else _of_quantity
    parts = [
        (values.mean(dim=(0, 1)), measure(values)) for values in _values(nets, description, features, samples, key)
    ]
    columns = {name: torch.cat([part[name] for _, part in parts]).numpy() for name in parts[0][1]}
    return torch.cat([mean for mean, _ in parts]).numpy(), columns


def _values(
    nets: SavedNets, description: ModelDescription, features: np.ndarray, samples: int, key: int
) -> Iterator[Tensor]:
    """Probabilities or quantities (nets, samples, rows, outputs) in float64, of one stretch of rows after the other."""
    standardizations, (mean, scale) = description.standardizations, description.target_scales
    task = description.encoding.task
    if not nets.drops:
        outputs = nets.outputs(features, standardizations).double()
        yield OBJECTIVES[task].values(outputs, mean, scale)[:, None]
        return
    samplings = [
        nets.sampling(place, standardization.apply(features), task, key)
        for place, standardization in enumerate(standardizations)
    ]
    for values in sampled_values(samplings, samples):
        # Classes' target mean and scale are 0 and 1.
        yield torch.stack(values) * scale[:, None, None, None] + mean[:, None, None, None]


def _of_classes(values: Tensor) -> dict[str, Tensor]:
    """Entropies in nats of probabilities (nets, samples, rows, classes).

    Equation:    H[p] - mean H[p_ns] = (H[p] - mean H[p_n]) + mean (H[p_n] - mean H[p_ns]) for samples p_ns, means p_n of a
                 net's, and p of all: the mutual information of prediction and weights, between nets and,
                 given the net, within
    """
    predictive = _entropy(values.mean(dim=(0, 1)))
    of_nets = _entropy(values.mean(dim=1)).mean(dim=0)
    of_samples = _entropy(values).mean(dim=(0, 1))
    # Rounding may leave a trifle below zero where all agree.
    between, within = (predictive - of_nets).clamp(min=0.0), (of_nets - of_samples).clamp(min=0.0)
    return {
        "predictive_entropy": predictive,
        "mutual_information": between + within,
        "mutual_information_between_nets": between,
        "mutual_information_within_nets": within,
    }


def _of_quantity(values: Tensor) -> dict[str, Tensor]:
    """Deviations and quantiles of quantities (nets, samples, rows, 1).

    Equation:    var = var of the nets' expectations + mean of the variances within nets: the law of total variance. That of
                 the nets' means of s samples is larger than that of their expectations by the variance within over s.
    """
    nets, samples, rows, _ = values.shape
    within = values.var(dim=1).mean(dim=0)[:, 0] if samples > 1 else torch.zeros(rows, dtype=values.dtype)
    between = torch.zeros_like(within)
    if nets > 1:
        between = (values.mean(dim=1).var(dim=0)[:, 0] - within / samples).clamp(min=0.0)
    low, high = tails(values.flatten(0, 1)[:, :, 0])
    return {
        "deviation": (between + within).sqrt(),
        "deviation_between_nets": between.sqrt(),
        "deviation_within_nets": within.sqrt(),
        "low": low,
        "high": high,
    }


def _entropy(probabilities: Tensor) -> Tensor:
    entropy: Tensor = torch.special.entr(probabilities).sum(dim=-1)
    return entropy
