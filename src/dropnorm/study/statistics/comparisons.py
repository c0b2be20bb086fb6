"""What an arm changes: paired differences to plain in each measure, their tests, and the interaction of two."""

from collections.abc import Mapping, Sequence

from dropnorm.study.records import ArmName, Comparison, Interaction, Interval, NetRecord
from dropnorm.study.statistics.catalogue import Statistic, statistics_of
from dropnorm.study.statistics.intervals import bootstrap_interval, holm, interval_within, p_value
from dropnorm.study.statistics.power import needed_to_see
from dropnorm.study.statistics.resampling import Resampling, Sample
from dropnorm.study.task import Task


def compare_arms(
    chosen: Mapping[ArmName, Sequence[NetRecord]], task: Task, resampling: Resampling, resolution: float = 0.0
) -> dict[ArmName, tuple[Comparison, ...]]:
    """Every other arm's comparisons with plain; in each statistic the p values are adjusted over the arms."""
    comparisons: dict[ArmName, tuple[Comparison, ...]] = dict.fromkeys(chosen, ())
    others = [arm for arm in chosen if arm != "plain"]
    for statistic in (one for one in statistics_of(task).values() if one.compared):
        differences = {arm: paired(chosen[arm], chosen["plain"], statistic) for arm in others}
        if any(values is None for values in differences.values()):
            continue
        samples = {arm: resampling.sample(statistic, values or [], resolution) for arm, values in differences.items()}
        for arm, found in conclude(statistic, samples).items():
            # Each seed's value is kept, also where the test is of their means.
            comparisons[arm] += (found.model_copy(update={"differences": tuple(differences[arm] or ())}),)
    return comparisons


def conclude(statistic: Statistic, samples: Mapping[ArmName, Sample]) -> dict[ArmName, Comparison]:
    """A comparison from each sample of differences; their p values are adjusted over all."""
    p_values = [p_value(*sample) for sample in samples.values()]
    return {
        name: Comparison(
            statistic=statistic.name,
            differences=tuple(sample.values),
            interval=difference_interval(statistic, sample),
            bootstrap=bootstrap_interval(sample.values),
            p_value=p,
            p_holm=adjusted,
            power=needed_to_see(*sample),
        )
        for (name, sample), p, adjusted in zip(samples.items(), p_values, holm(p_values), strict=True)
    }


def difference_interval(statistic: Statistic, sample: Sample) -> Interval:
    """The mean difference in a statistic with its interval, within what two values can differ by."""
    return interval_within(*sample, lowest=-statistic.span, highest=statistic.span)


def paired(nets: Sequence[NetRecord], plain: Sequence[NetRecord], statistic: Statistic) -> list[float] | None:
    """Differences in a statistic, seed by seed; None where not all nets have it."""
    pairs = [(statistic.value(net), statistic.value(other)) for net, other in zip(nets, plain, strict=True)]
    known = [(one, other) for one, other in pairs if one is not None and other is not None]
    return [one - other for one, other in known] if len(known) == len(pairs) else None


def interactions(
    chosen: Mapping[ArmName, Sequence[NetRecord]], task: Task, resampling: Resampling, resolution: float = 0.0
) -> tuple[Interaction, ...]:
    """Whether dropout and batch norm do more, or less, together than the sum of what each does alone."""
    if not {"plain", "dropout", "batch_norm", "dropout+batch_norm"} <= set(chosen):
        return ()
    found: list[Interaction] = []
    for statistic in (one for one in statistics_of(task).values() if one.interaction):
        with_norm = paired(chosen["dropout+batch_norm"], chosen["batch_norm"], statistic)
        without = paired(chosen["dropout"], chosen["plain"], statistic)
        if with_norm is not None and without is not None:
            beyond = [one - other for one, other in zip(with_norm, without, strict=True)]
            sample = resampling.sample(statistic, beyond, resolution)
            span = interval_within(*sample, lowest=-2 * statistic.span, highest=2 * statistic.span)
            found += [Interaction(statistic=statistic.name, interval=span, p_value=p_value(*sample))]
    return tuple(found)
