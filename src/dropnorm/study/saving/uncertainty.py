"""Predictions with how sure they are, from Monte Carlo dropout, in the target's own terms."""

from typing import Any

import numpy as np

from dropnorm.surgery.mc_predict import MonteCarlo


def uncertain_predictions(told: MonteCarlo[Any], classes: tuple[str, ...], mean: float, scale: float) -> dict[str, Any]:
    """What to tell of each row, by column.

    Of classes: the likeliest by the mean probabilities, these, the predictive entropy and the mutual information, in nats.
    Of a quantity, from its mean and scale: the mean, the deviation, and `low` and `high`, with 95 % of the samples between.
    """
    if not classes:
        return {
            "prediction": np.asarray(told.mean[:, 0]) * scale + mean,
            "deviation": np.sqrt(np.asarray(told.variance[:, 0])) * scale,
            "low": np.asarray(told.low[:, 0]) * scale + mean,
            "high": np.asarray(told.high[:, 0]) * scale + mean,
        }
    assert told.predictive_entropy is not None
    assert told.mutual_information is not None
    probabilities = np.asarray(told.mean)
    columns: dict[str, Any] = {"prediction": np.array(classes)[probabilities.argmax(axis=1)]}
    columns |= {f"probability_{name}": probabilities[:, index] for index, name in enumerate(classes)}
    columns["predictive_entropy"] = np.asarray(told.predictive_entropy)
    columns["mutual_information"] = np.asarray(told.mutual_information)
    return columns
