"""The running statistics of a model's batch norms measured anew: exactly, under the weights as they are."""

from collections.abc import Iterable
from typing import Any

from dropnorm._arguments import checked
from dropnorm._record import Record
from dropnorm._validate import probability
from dropnorm.errors import ArgumentError, NonFiniteError
from dropnorm.surgery.dispatch import Model, is_keras
from dropnorm.surgery.moments import Moments, Statistics


class LayerShift(Record):
    """How far one batch norm's old running statistics were off.

    Args:        path: of the module; level: how many batch norms come before it, at most; values: how many per channel;
                 mean_shift: of the median channel, in old standard deviations; variance_ratio: of the median channel, new
                 variance over old.
    """

    path: str
    level: int
    values: int
    mean_shift: float
    variance_ratio: float


class Recalibration(Record):
    """What `recalibrate` found: print it for a table.

    Args:        layers: one entry for each batch norm; passes: how often the batches were gone through; rows: how many there
                 were; not_reached: batch norms that no batch came to, which are as they were.
    """

    layers: tuple[LayerShift, ...]
    passes: int
    rows: int
    not_reached: tuple[str, ...]

    def __str__(self) -> str:
        rows = [("batch norm", "mean off by", "variance is")]
        rows += [(each.path, f"{each.mean_shift:.2g} sd", f"{each.variance_ratio:.3g} x") for each in self.layers]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ["  ".join([row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].rjust(widths[2])]) for row in rows]
        lines.append(f"{self.rows} rows, {self.passes} pass{'es' * (self.passes > 1)}")
        lines += [f"{path}: no batch came to it." for path in self.not_reached]
        return "\n".join(lines)


@checked(model=Model())
def recalibrate(model: Any, batches: Iterable[Any], *, momentum: float = 1.0) -> Recalibration:
    """Set the running statistics of every batch norm to those of the data, under the weights as they are, in place.

    Equation:    mean and variance of each channel over all values of all batches, as they come to the layer in inference mode,
                 with dropout off, when all batch norms before it have their new statistics already
    Args:        model: any torch.nn.Module, or any model of Keras; only running statistics change. batches: what training sees,
                 in batches of any sizes, with labels behind the inputs or without: a DataLoader or a list, which is gone
                 through once for each batch norm on the longest way through the model. For Keras a batch is what the model
                 takes, or a tuple of that and labels, and a PyDataset or an array will do. momentum: how far to go from the
                 old statistics to the new ones, default 1: all the way.
    Returns:     Recalibration, which says how far the old statistics were off.
    Numerics:    in float64; each value weighs the same, in whichever batch it is. The running variance is unbiased in
                 torch and biased in Keras, as theirs are.
    Raises:      ArgumentError for a model without running statistics, or momentum outside [0, 1]; ArgumentTypeError for an
                 iterator that ends after one pass; SurgeryError for batches that do not fit, NonFiniteError for values that are
                 no numbers: then all is as it was.
    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU())
        >>> report = dn.recalibrate(net, [torch.randn(32, 4), torch.randn(7, 4)])
        >>> report.rows, report.passes
        (39, 1)
    Source:      Li et al. 2019, arXiv:1801.05134, section 5.2; Wu & Johnson 2021, arXiv:2105.07576, section 3, "PreciseBN"
    See also:    torch.optim.swa_utils.update_bn: keeps dropout on, lets all batch norms learn at once of inputs that still
                 change, and weighs a short last batch as a full one.
    """
    probability(momentum, "momentum")
    statistics = _statistics(model)
    if not statistics.norms:
        raise ArgumentError(
            "model has no batch norm with running statistics: expected one, since they are what is measured. There is nothing "
            "to do for others."
        )
    batches = statistics.batches(batches)
    measured: dict[str, Moments] = {}
    # What is set on the way is put back at the end, so that an error leaves all as it was.
    with statistics.kept():
        # Batches may take different ways, so that what is first is known only after all of them.
        levels = dict.fromkeys(statistics.norms, 0)
        found, rows, count = statistics.measure(list(statistics.norms), batches, levels)
        for level in range(max(levels.values()) + 1):
            here = [path for path, own in levels.items() if own == level]
            if level:
                found, _, _ = statistics.measure(here, batches)
            for path in [path for path in here if path in found]:
                _check_finite(path, found[path])
                statistics.move(path, found[path], 1.0)
                measured[path] = found[path]
    layers = []
    for path, moments in sorted(measured.items(), key=lambda each: levels[each[0]]):
        layers.append(_shift(path, levels[path], statistics, moments))
        statistics.move(path, moments, momentum)
        statistics.count(path, count)
    missed = tuple(path for path in statistics.norms if path not in measured)
    return Recalibration(layers=tuple(layers), passes=max(levels.values()) + 1, rows=rows, not_reached=missed)


def _statistics(model: Any) -> Statistics:
    if is_keras(model):
        from dropnorm.surgery.keras.statistics import KerasStatistics

        return KerasStatistics(model)
    from dropnorm.surgery.modules.statistics import ModuleStatistics

    return ModuleStatistics(model)


def _check_finite(path: str, found: Moments) -> None:
    if not bool((found.mean.isfinite() & found.var.isfinite()).all()):
        raise NonFiniteError(
            f"NaN or infinity comes to the batch norm {path!r}: expected finite values. The running statistics are as they "
            f"were. Look for the batch, or the weights before it, that made them."
        )


def _shift(path: str, level: int, statistics: Statistics, moments: Moments) -> LayerShift:
    mean, var = statistics.current(path)
    return LayerShift(
        path=path,
        level=level,
        values=moments.count,
        mean_shift=float(((moments.mean - mean).abs() / var.sqrt()).median()),
        variance_ratio=float(((moments.var + statistics.epsilon(path)) / var).median()),
    )
