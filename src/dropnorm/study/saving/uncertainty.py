"""Predictions with how sure they are, from Monte Carlo dropout, in the target's own terms."""

from typing import Any

import numpy as np
from torch import Tensor

from dropnorm.surgery.mc_predict import MonteCarlo


def uncertain_predictions(
    told: MonteCarlo[Tensor], classes: tuple[str, ...], mean: float, scale: float
) -> dict[str, Any]:
    """What to tell of each row, by column.

    Of classes: the likeliest by the mean probabilities, these, the predictive entropy and the mutual information, in nats.
    Of a quantity, from its mean and scale: the mean, the deviation, and `low` and `high`, with 95 % of the samples between.
    """
    if not classes:
        return {
            "prediction": told.mean[:, 0].numpy() * scale + mean,
            "deviation": told.variance[:, 0].sqrt().numpy() * scale,
            "low": told.low[:, 0].numpy() * scale + mean,
            "high": told.high[:, 0].numpy() * scale + mean,
        }
    assert told.predictive_entropy is not None
    assert told.mutual_information is not None
    probabilities = told.mean.numpy()
    columns: dict[str, Any] = {"prediction": np.array(classes)[probabilities.argmax(axis=1)]}
    columns |= {f"probability_{name}": probabilities[:, index] for index, name in enumerate(classes)}
    columns["predictive_entropy"] = told.predictive_entropy.numpy()
    columns["mutual_information"] = told.mutual_information.numpy()
    return columns
