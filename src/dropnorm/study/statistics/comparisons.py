"""What an arm changes: paired differences to plain in each measure, their tests, and the interaction of two."""

from collections.abc import Mapping, Sequence

from dropnorm.study.records import ArmName, Comparison, Interaction, MeasureName, NetRecord
from dropnorm.study.statistics.intervals import bootstrap_interval, holm, interval, p_value
from dropnorm.study.statistics.power import needed_to_see
from dropnorm.study.statistics.resampling import Resampling, Sample
from dropnorm.study.task import Metric

MEASURES: tuple[MeasureName, ...] = ("score", "loss", "calibration_error", "generalization_gap")


def measured(net: NetRecord, measure: MeasureName, metric: Metric) -> float | None:
    """A net's value of a measure; None where it has none, as a regression's has no calibration error."""
    match measure:
        case "score":
            return net.test_score
        case "loss":
            return net.test_loss
        case "calibration_error":
            return net.calibration_error
        case "generalization_gap":
            return metric.gain(net.train_score, net.test_score)


def compare_arms(
    chosen: Mapping[ArmName, Sequence[NetRecord]], metric: Metric, resampling: Resampling, resolution: float = 0.0
) -> dict[ArmName, tuple[Comparison, ...]]:
    """Every other arm's comparisons with plain; in each measure the p values are adjusted over the arms."""
    comparisons: dict[ArmName, tuple[Comparison, ...]] = dict.fromkeys(chosen, ())
    others = [arm for arm in chosen if arm != "plain"]
    for measure in MEASURES:
        differences = {arm: paired(chosen[arm], chosen["plain"], measure, metric) for arm in others}
        if any(values is None for values in differences.values()):
            continue
        step = resolution if measure in ("score", "generalization_gap") else 0.0
        samples = {arm: resampling.tested(values or [], step) for arm, values in differences.items()}
        for arm, found in conclude(measure, samples).items():
            # Each seed's value is kept, also where the test is of their means.
            comparisons[arm] += (found.model_copy(update={"differences": tuple(differences[arm] or ())}),)
    return comparisons


def conclude(measure: MeasureName, samples: Mapping[ArmName, Sample]) -> dict[ArmName, Comparison]:
    """A comparison from each sample of differences; their p values are adjusted over all."""
    p_values = [p_value(*sample) for sample in samples.values()]
    return {
        name: Comparison(
            measure=measure,
            differences=tuple(sample.values),
            interval=interval(*sample),
            bootstrap=bootstrap_interval(sample.values),
            p_value=p,
            p_holm=adjusted,
            power=needed_to_see(*sample),
        )
        for (name, sample), p, adjusted in zip(samples.items(), p_values, holm(p_values), strict=True)
    }


def paired(
    nets: Sequence[NetRecord], plain: Sequence[NetRecord], measure: MeasureName, metric: Metric
) -> list[float] | None:
    """Differences in a measure, seed by seed; None where the measure is not taken."""
    pairs = [
        (measured(net, measure, metric), measured(other, measure, metric))
        for net, other in zip(nets, plain, strict=True)
    ]
    known = [(one, other) for one, other in pairs if one is not None and other is not None]
    return [one - other for one, other in known] if len(known) == len(pairs) else None


def interactions(
    chosen: Mapping[ArmName, Sequence[NetRecord]], metric: Metric, resampling: Resampling, resolution: float = 0.0
) -> tuple[Interaction, ...]:
    """Whether dropout and batch norm do more, or less, together than the sum of what each does alone: in score and loss."""
    if not {"plain", "dropout", "batch_norm", "dropout+batch_norm"} <= set(chosen):
        return ()
    steps: dict[MeasureName, float] = {"score": resolution, "loss": 0.0}
    found: list[Interaction] = []
    for measure, step in steps.items():
        with_norm = paired(chosen["dropout+batch_norm"], chosen["batch_norm"], measure, metric) or []
        without = paired(chosen["dropout"], chosen["plain"], measure, metric) or []
        sample = resampling.tested([one - other for one, other in zip(with_norm, without, strict=True)], step)
        found += [Interaction(measure=measure, interval=interval(*sample), p_value=p_value(*sample))]
    return tuple(found)
