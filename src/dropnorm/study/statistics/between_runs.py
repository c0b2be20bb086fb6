"""Two studies of the same rows: by how much one's nets differ from the other's, over the splits that both have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dropnorm.study.records import ArmName, Comparison, NetRecord, Summary
from dropnorm.study.statistics.catalogue import Statistic, statistics_of
from dropnorm.study.statistics.comparisons import conclude
from dropnorm.study.statistics.resampling import Resampling, Sample
from dropnorm.study.task import Task

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

    def sample(self, pair: Pair, statistic: Statistic, resolution: float) -> Sample | None:
        """The differences, the second less the first; None where not all nets have the statistic."""
        one, other = (self._by_split(nets, statistic) for nets in pair)
        resolution = resolution if statistic.in_steps else 0.0
        if one is None or other is None:
            return None
        if self.splits == 1:
            pairs = zip(one[0][: self.seeds], other[0][: self.seeds], strict=True)
            return Sample([b - a for a, b in pairs], self.share, resolution)
        differences = [sum(b) / len(b) - sum(a) / len(a) for a, b in zip(one, other, strict=True)]
        # The mean of several scores comes in finer steps than one.
        finer = ((1 / len(one[0]) + 1 / len(other[0])) / 2) ** 0.5
        return Sample(differences, self.share, resolution * finer)

    def _by_split(self, nets: Sequence[NetRecord], statistic: Statistic) -> list[list[float]] | None:
        """On each shared split, the values of its nets in their seeds' order."""
        values: list[list[float]] = [[] for _ in range(self.splits)]
        for net in sorted(nets, key=lambda net: net.seed):
            value = statistic.value(net)
            if value is None:
                return None
            if net.split < self.splits:
                values[net.split].append(value)
        return values


def compare_pairs(
    pairs: Mapping[ArmName, Pair], task: Task, shared: SharedSplits, resolution: float = 0.0
) -> dict[ArmName, tuple[Comparison, ...]]:
    """Every pair's comparisons, of the second study's nets with the first's; p values are adjusted over the pairs."""
    comparisons: dict[ArmName, tuple[Comparison, ...]] = dict.fromkeys(pairs, ())
    for statistic in (one for one in statistics_of(task).values() if one.compared):
        found = {name: shared.sample(pair, statistic, resolution) for name, pair in pairs.items()}
        samples = {name: sample for name, sample in found.items() if sample is not None}
        if len(samples) == len(pairs):
            for name, comparison in conclude(statistic, samples).items():
                comparisons[name] += (comparison,)
    return comparisons
