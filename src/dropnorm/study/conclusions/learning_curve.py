"""The score against the amount of training data: from how many rows on an arm pays. Nothing here imports torch."""

from collections.abc import Sequence

from dropnorm.study.arms import words
from dropnorm.study.records import CurveNet, CurvePoint, DataDescription, Interval, NetRecord, StudyConfig
from dropnorm.study.statistics.choice import choose_nets
from dropnorm.study.statistics.comparisons import paired
from dropnorm.study.statistics.intervals import interval, interval_within
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import TASKS, Metric

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
    metric = TASKS[data.task].metric
    resolution = metric.resolution(data.test_rows)
    chosen = {arm.name: choose_nets(nets, arm.name) for arm in config.arms}
    points = []
    for arm, own in chosen.items():
        differences = None if arm == "plain" else paired(own, chosen["plain"], "score", metric)
        tested = resampling.tested([net.test_score for net in own], resolution)
        points.append(
            CurvePoint(
                arm=arm,
                fraction=fraction,
                rows=data.train_rows,
                test_score=interval_within(*tested, lowest=0.0, highest=metric.highest),
                difference=None if differences is None else interval(*resampling.tested(differences, resolution)),
            )
        )
    return points


def is_better(difference: Interval, metric: Metric) -> bool:
    """Whether the whole interval of a difference to plain lies on the better side of zero."""
    return metric.gain(difference.low, 0.0) > 0.0 and metric.gain(difference.high, 0.0) > 0.0


def pays_from(points: Sequence[CurvePoint], arm: str, metric: Metric) -> int | None:
    """The fewest rows at which, and at all more of which, an arm is better than plain; None if not with all rows."""
    fewest = None
    for point in sorted((point for point in points if point.arm == arm), key=lambda point: point.rows, reverse=True):
        if point.difference is None or not is_better(point.difference, metric):
            break
        fewest = point.rows
    return fewest


def describe_curve(points: Sequence[CurvePoint], metric: Metric) -> str:
    """With how many training rows each arm beats plain, in one sentence."""
    clauses, beaten = list[str](), False
    for arm in dict.fromkeys(point.arm for point in points if point.difference is not None):
        own = [point for point in points if point.arm == arm]
        better = [f"{point.rows:,}" for point in own if point.difference and is_better(point.difference, metric)]
        fewest = pays_from(points, arm, metric)
        verb = "" if clauses else " beats plain"
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
        return "By the amount of training data, no arm beats plain at any size (all 95 % intervals hold zero or worse)."
    return f"By the amount of training data (95 % intervals, size by size), {'; '.join(clauses)}."
