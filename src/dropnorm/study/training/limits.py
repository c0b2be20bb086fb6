"""How long a study's nets train, decided once it is known how many steps an epoch of its data has."""

import math

from dropnorm.study.data.parts import Parts
from dropnorm.study.records import StudyConfig, TrainingLimits

PATIENCE_STEPS = 200
PATIENCE_EPOCHS = (10, 40)
"""The default patience is so many steps, and at least and at most so many epochs, which take longer than their steps."""
LONGEST_STEPS = 20_000
LONGEST_EPOCHS = (100, 1000)
"""By default a net trains at most so many steps, but at least and at most so many epochs."""
DROPS, DROP_TO = 2, 0.2
"""On a plateau the learning rate drops to a fifth, twice."""
PROGRESS = 0.002
"""In nats. The loss of classes that are told apart falls for ever, by less and less."""


def limits_of(parts: Parts, config: StudyConfig) -> TrainingLimits:
    """What a configuration comes to on these parts."""
    return training_limits(config, parts.steps_per_epoch(config.batch_size), classes=parts.targets.ndim == 1)


def training_limits(config: StudyConfig, steps_per_epoch: int, *, classes: bool) -> TrainingLimits:
    """What a configuration comes to on data of so many steps per epoch, whose target is of classes or a quantity.

    Args:        config: whose `epochs` and `patience` are None where the data decide: 200 steps of patience, but 10 to 40
                 epochs, and at most 20,000 steps in all, but 100 to 1,000 epochs
    """
    return TrainingLimits(
        epochs=config.epochs or _in_epochs(LONGEST_STEPS, steps_per_epoch, LONGEST_EPOCHS),
        patience=config.patience or _in_epochs(PATIENCE_STEPS, steps_per_epoch, PATIENCE_EPOCHS),
        growth=config.patience_growth,
        progress=PROGRESS if classes and config.patience_growth else 0.0,
        drops=DROPS if config.schedule == "plateau" else 0,
        drop_to=DROP_TO if config.schedule == "plateau" else 1.0,
        # Of a quantity, loss and score are best in the same epoch.
        stop_by=config.stop_by if classes else "loss",
    )


def _in_epochs(steps: int, steps_per_epoch: int, bounds: tuple[int, int]) -> int:
    lowest, highest = bounds
    return min(highest, max(lowest, math.ceil(steps / steps_per_epoch)))
