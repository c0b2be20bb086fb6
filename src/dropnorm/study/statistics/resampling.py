"""How the values of a study's seeds hang together: which share a split, and how much the splits overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dropnorm.study.records import DataDescription, StudyConfig
from dropnorm.study.statistics.catalogue import Statistic


class Sample(NamedTuple):
    """Values to draw a conclusion from, with the overlap of the splits they come from, and the step they come in."""

    values: list[float]
    share: float
    resolution: float = 0.0


@dataclass(frozen=True)
class Resampling:
    """A study's two levels: splits, and seeds within each.

    The unit of a conclusion is the split: of several seeds on one split first the mean is taken, since they share all rows
    and are no more independent news of other rows than one of them. The corrected resampled t-test then runs over the
    splits, with their number less one degrees of freedom. What is left of the seeds' own noise in a mean is independent of
    other splits, so that the test rejects a true hypothesis at most as often as it says.
    With a single split the seeds are the units; nothing is resampled, nothing corrected, and the conclusion is about these
    rows alone.
    Args:        splits: count; seeds: count on each; test_share: rows that a split leaves out to test over those that it
                 learns from and chooses by; validation_share: rows left out to validate over those it learns from. A test
                 part of its own is in no split: what is resampled is then the training part, by leaving out the validation
                 part, and both shares are that. It is what the test has for this case, and less than would cover training
                 rows of another sample: conclusions are then about these rows alone.
    Source:      Nadeau & Bengio 2003, "Inference for the generalization error", Machine Learning 52. Means of groups of
                 values before the test are among what Bouckaert & Frank 2004 compare, "Evaluating the replicability of
                 significance tests for comparing learning algorithms", PAKDD.
    """

    splits: int
    seeds: int
    test_share: float
    validation_share: float

    @classmethod
    def of(cls, data: DataDescription, config: StudyConfig) -> "Resampling":
        """That of a study."""
        splits = config.split_count
        seeds = config.repetitions // splits
        if splits == 1:
            return cls(splits, seeds, test_share=0.0, validation_share=0.0)
        validation_share = data.validation_rows / data.train_rows
        test_share = data.test_rows / (data.train_rows + data.validation_rows)
        return cls(splits, seeds, validation_share if data.given_test else test_share, validation_share)

    def sample(self, statistic: Statistic, values: Sequence[float], resolution: float = 0.0) -> Sample:
        """Values of a statistic, or differences of them, one per seed in the seeds' order; resolution is the step of scores."""
        share = self.validation_share if statistic.part == "validation" else self.test_share
        return self._sample(values, share, resolution if statistic.in_steps else 0.0)

    def tested(self, values: Sequence[float], resolution: float = 0.0) -> Sample:
        """Values measured on test parts, one per seed in the seeds' order; resolution is the step of one value."""
        return self._sample(values, self.test_share, resolution)

    def validated(self, values: Sequence[float]) -> Sample:
        """Values measured on validation parts, one per seed in the seeds' order."""
        return self._sample(values, self.validation_share, 0.0)

    @property
    def unit(self) -> str:
        """What more of would make a conclusion surer: splits or seeds."""
        return "splits" if self.splits > 1 and self.seeds > 1 else "seeds"

    @property
    def units(self) -> int:
        """How many values a conclusion rests on."""
        return self.splits if self.splits > 1 else self.seeds

    def _sample(self, values: Sequence[float], share: float, resolution: float) -> Sample:
        if self.splits == 1 or self.seeds == 1:
            return Sample(list(values), share, resolution)
        means = np.reshape(values, (self.splits, self.seeds)).mean(axis=1)
        return Sample(means.tolist(), share, resolution / self.seeds**0.5)
