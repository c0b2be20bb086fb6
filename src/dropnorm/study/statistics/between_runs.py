"""Two studies of the same rows: by how much one's nets differ from the other's, over the splits that both have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dropnorm.study.records import ArmName, Comparison, MeasureName, NetRecord, Summary
from dropnorm.study.statistics.comparisons import MEASURES, conclude, measured
from dropnorm.study.statistics.resampling import Resampling, Sample
from dropnorm.study.task import Metric

Pair = tuple[Sequence[NetRecord], Sequence[NetRecord]]


@dataclass(frozen=True)
class SharedSplits:
    """What two studies of the same rows, split in the same way, have in common: their first splits, and seeds on each.

    The unit of a conclusion is the split, as within a study; of several seeds on it the mean is taken, in each study over its
    own. Of a single shared split the seeds are the units, and the conclusion is about its rows alone.
    Args:        splits: count; seeds: those that both have on the first split; share: rows left out over rows used, 0 on a
                 single split.
    """

    splits: int
    seeds: int
    share: float

    @classmethod
    def of(cls, one: Summary, other: Summary) -> "SharedSplits":
        """Those of two finished studies, which must be of the same rows and sizes of parts."""
        counts = [(study.config.split_count, study.config.repetitions) for study in (one, other)]
        splits = min(count for count, _ in counts)
        seeds = min(repetitions // count for count, repetitions in counts)
        share = max(Resampling.of(study.data, study.config).test_share for study in (one, other)) if splits > 1 else 0.0
        return cls(splits, seeds, share)

    @property
    def units(self) -> int:
        """How many values a test has."""
        return self.splits if self.splits > 1 else self.seeds

    @property
    def unit(self) -> str:
        """What these are."""
        return "splits" if self.splits > 1 else "seeds"

    def sample(self, pair: Pair, measure: MeasureName, metric: Metric, resolution: float) -> Sample | None:
        """The differences, the second less the first; None where a measure is not taken."""
        one, other = (self._by_split(nets, measure, metric) for nets in pair)
        if one is None or other is None:
            return None
        if self.splits == 1:
            pairs = zip(one[0][: self.seeds], other[0][: self.seeds], strict=True)
            return Sample([b - a for a, b in pairs], self.share, resolution)
        differences = [sum(b) / len(b) - sum(a) / len(a) for a, b in zip(one, other, strict=True)]
        # The mean of several scores comes in finer steps than one.
        finer = ((1 / len(one[0]) + 1 / len(other[0])) / 2) ** 0.5
        return Sample(differences, self.share, resolution * finer)

    def _by_split(self, nets: Sequence[NetRecord], measure: MeasureName, metric: Metric) -> list[list[float]] | None:
        """On each shared split, the values of its nets in their seeds' order."""
        values: list[list[float]] = [[] for _ in range(self.splits)]
        for net in sorted(nets, key=lambda net: net.seed):
            value = measured(net, measure, metric)
            if value is None:
                return None
            if net.split < self.splits:
                values[net.split].append(value)
        return values


def compare_pairs(
    pairs: Mapping[ArmName, Pair], metric: Metric, shared: SharedSplits, resolution: float = 0.0
) -> dict[ArmName, tuple[Comparison, ...]]:
    """Every pair's comparisons, of the second study's nets with the first's; p values are adjusted over the pairs."""
    comparisons: dict[ArmName, tuple[Comparison, ...]] = dict.fromkeys(pairs, ())
    for measure in MEASURES:
        step = resolution if measure in ("score", "generalization_gap") else 0.0
        found = {name: shared.sample(pair, measure, metric, step) for name, pair in pairs.items()}
        samples = {name: sample for name, sample in found.items() if sample is not None}
        if len(samples) == len(pairs):
            for name, comparison in conclude(measure, samples).items():
                comparisons[name] += (comparison,)
    return comparisons
