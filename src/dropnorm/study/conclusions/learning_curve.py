"""The score against the amount of training data: from how many rows on an arm pays. Nothing here imports torch."""

from collections.abc import Sequence

from dropnorm.study.arms import words
from dropnorm.study.conclusions.significance import FEW, SIGNIFICANCE
from dropnorm.study.records import MAIN_STATISTIC, CurveNet, CurvePoint, DataDescription, NetRecord, StudyConfig
from dropnorm.study.statistics.arms import interval_of
from dropnorm.study.statistics.catalogue import statistics_of
from dropnorm.study.statistics.choice import choose_nets
from dropnorm.study.statistics.comparisons import difference_interval, paired
from dropnorm.study.statistics.intervals import holm, p_value
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import Metric, task_for

FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Of the training rows; with all of them, the nets are those of the study itself."""


def summarize_curve(
    nets: Sequence[NetRecord], curve_nets: Sequence[CurveNet], data: DataDescription, config: StudyConfig
) -> tuple[CurvePoint, ...]:
    """Every arm at every size, from the smallest to all training rows; as in the study, rates are chosen on validation."""
    points: list[CurvePoint] = []
    # Smaller training parts overlap less: what is right for the whole ones is not too little for them.
    resampling = Resampling.of(data, config)
    for fraction in sorted({net.fraction for net in curve_nets}):
        own = [net for net in curve_nets if net.fraction == fraction]
        rows = round(sum(net.train_rows for net in own) / len(own))
        points += _points(own, data.model_copy(update={"train_rows": rows}), config, fraction, resampling)
    return (*points, *_points(nets, data, config, 1.0, resampling)) if points else ()


def _points(
    nets: Sequence[NetRecord], data: DataDescription, config: StudyConfig, fraction: float, resampling: Resampling
) -> list[CurvePoint]:
    """One size."""
    task = task_for(data.task, config)
    score, resolution = statistics_of(task)[MAIN_STATISTIC], task.metric.resolution(data.test_rows)
    chosen = {arm.name: choose_nets(nets, arm.name, task.metric) for arm in config.arms}
    differences = {
        arm: resampling.sample(score, paired(own, chosen["plain"], score) or [], resolution)
        for arm, own in chosen.items()
        if arm != "plain"
    }
    adjusted = dict(zip(differences, holm([p_value(*sample) for sample in differences.values()]), strict=True))
    points = []
    for arm, own in chosen.items():
        interval_of_score = interval_of(score, own, resampling, resolution)
        assert interval_of_score is not None, "every net has a score"
        points.append(
            CurvePoint(
                arm=arm,
                fraction=fraction,
                rows=data.train_rows,
                test_score=interval_of_score,
                difference=difference_interval(score, differences[arm]) if arm in differences else None,
                p_holm=adjusted.get(arm),
            )
        )
    return points


def is_better(point: CurvePoint, metric: Metric) -> bool:
    """Whether an arm is shown to be better than plain at this size, by the same criterion as in the study itself."""
    if point.difference is None or point.p_holm is None or point.p_holm >= SIGNIFICANCE:
        return False
    written = metric.scale(point.test_score.mean)
    return metric.gain(point.difference.mean, 0.0) > 0.0 and not written.is_nothing(point.difference.mean)


def pays_from(points: Sequence[CurvePoint], arm: str, metric: Metric) -> int | None:
    """The fewest rows at which, and at all more of which, an arm is better than plain; None if not with all rows."""
    fewest = None
    for point in sorted((point for point in points if point.arm == arm), key=lambda point: point.rows, reverse=True):
        if not is_better(point, metric):
            break
        fewest = point.rows
    return fewest


def describe_curve(points: Sequence[CurvePoint], metric: Metric, units: int) -> str:
    """With how many training rows each arm beats plain, in one sentence.

    Args:        units: how many values each point rests on; of few, an arm only seems to beat plain.
    """
    clauses, beaten = list[str](), False
    for arm in dict.fromkeys(point.arm for point in points if point.difference is not None):
        own = [point for point in points if point.arm == arm]
        better = [f"{point.rows:,}" for point in own if is_better(point, metric)]
        fewest = pays_from(points, arm, metric)
        verb = "" if clauses else " seems to beat plain" if units < FEW else " beats plain"
        beaten = beaten or bool(better)
        if not better:
            clauses.append(f"{words(arm)}{verb} at no size")
        elif len(better) == len(own):
            clauses.append(f"{words(arm)}{verb} at every size")
        elif fewest is not None:
            clauses.append(f"{words(arm)}{verb} from {fewest:,} rows on")
        else:
            clauses.append(f"{words(arm)}{verb} with {' and '.join(better)} rows, but not with all")
    if not beaten:
        return "By the amount of training data, no arm is shown to beat plain at any size."
    return f"By the amount of training data (p values adjusted over the arms, size by size), {'; '.join(clauses)}."
