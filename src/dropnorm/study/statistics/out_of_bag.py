"""How good a model of several nets is, from the rows that some of them did not see."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dropnorm.study.records import Interval, ModelResult, NetRecord
from dropnorm.study.statistics.metrics import class_results, metric_results
from dropnorm.study.statistics.rows import mean_interval, mean_of_new_rows, share_interval, share_of_new_rows


@dataclass(frozen=True)
class OutOfBag:
    """Rows, each predicted by the mean of those nets of a model that did not see it.

    Shape:       rows (n,), their numbers in the data; targets (n,); predictions (n, classes) of probabilities, or (n, 1) of a
                 quantity in its own unit; nets (n,), how many predicted each row; single_hits, single_losses (n,), the means of
                 what each of these nets comes to alone on the row; groups (n,), where rows have some
    """

    rows: np.ndarray
    targets: np.ndarray
    predictions: np.ndarray
    nets: np.ndarray
    single_hits: np.ndarray
    single_losses: np.ndarray
    groups: np.ndarray | None = None

    @property
    def hits(self) -> np.ndarray:
        """Whether the likeliest class is the right one (n,), which it is never of a quantity."""
        return row_hits(self.predictions, self.targets)

    @property
    def losses(self) -> np.ndarray:
        """The log loss of each row, or its squared error in the target's own unit (n,)."""
        return row_losses(self.predictions, self.targets)


class UnseenMean:
    """The mean over nets of what each says of rows that it did not see, added net by net.

    Args:        targets: those of all rows; outputs: how many predictions there are of a row
    """

    def __init__(self, targets: np.ndarray, outputs: int) -> None:
        self.targets, self.nets = targets, np.zeros(len(targets), dtype=np.int64)
        self.predictions = np.zeros((len(targets), outputs))
        self.hits, self.losses = np.zeros((2, len(targets)))

    def add(self, rows: np.ndarray, predictions: np.ndarray) -> None:
        """Add one net's predictions (n, outputs) of different rows (n,)."""
        targets = self.targets[rows]
        self.nets[rows] += 1
        self.predictions[rows] += predictions
        self.hits[rows] += row_hits(predictions, targets)
        self.losses[rows] += row_losses(predictions, targets)

    def result(self, groups: np.ndarray | None = None) -> OutOfBag:
        """The rows that at least one net has predicted, with those of the groups of all rows that are theirs."""
        rows = np.flatnonzero(self.nets)
        nets = self.nets[rows]
        return OutOfBag(
            rows=rows,
            targets=self.targets[rows],
            predictions=self.predictions[rows] / nets[:, None],
            nets=nets,
            single_hits=self.hits[rows] / nets,
            single_losses=self.losses[rows] / nets,
            groups=None if groups is None else groups[rows],
        )


def row_hits(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Whether the likeliest class of each row (n,) is the right one; a prediction of a net that has diverged is not."""
    hits: np.ndarray = (predictions.argmax(axis=1) == targets) & np.isfinite(predictions).all(axis=1)
    return hits


def row_losses(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The log loss of each row (n,), or of a quantity its squared error; infinite for a net that has diverged."""
    if _is_of_classes(targets):
        right = np.take_along_axis(predictions, targets[:, None], axis=1)[:, 0]
        losses = -np.log(np.maximum(right, np.finfo(np.float64).tiny))
    else:
        losses = np.square(predictions[:, 0] - targets)
    return np.where(np.isnan(losses), np.inf, losses)


def model_result(
    predicted: OutOfBag, nets: Sequence[NetRecord], new_rows: int, classes: Sequence[str] = ()
) -> ModelResult:
    """What a model of these nets comes to, from its out-of-bag predictions.

    Args:        new_rows: how many rows are new in `score_of_new_rows`
    """
    loss = mean_interval(predicted.losses, predicted.groups)
    single_loss = float(predicted.single_losses.mean())
    if _is_of_classes(predicted.targets):
        score = share_interval(predicted.hits, predicted.groups)
        of_new_rows = share_of_new_rows(predicted.hits, new_rows, predicted.groups)
        single_score = float(predicted.single_hits.mean())
    else:
        score = _root(loss)
        of_new_rows = _root(mean_of_new_rows(predicted.losses, new_rows, predicted.groups))
        single_score = single_loss**0.5
    return ModelResult(
        arm=nets[0].arm,
        rate=nets[0].rate,
        weight_decay=nets[0].weight_decay,
        nets=tuple(net.net for net in nets),
        rows=len(predicted.rows),
        nets_per_row=float(predicted.nets.mean()),
        score=score,
        loss=loss,
        new_rows=new_rows,
        score_of_new_rows=of_new_rows,
        single_score=single_score,
        single_loss=single_loss,
        metrics=metric_results(predicted.targets, predicted.predictions, predicted.groups),
        classes=class_results(classes, predicted.targets, predicted.predictions),
    )


def _is_of_classes(targets: np.ndarray) -> bool:
    """Whether targets are numbers of classes, which are whole; quantities are in float64."""
    return targets.dtype.kind == "i"


def _root(squares: Interval) -> Interval:
    """The interval of the root: BCa's and quantiles are those of whatever grows with the mean square."""
    return Interval(**{name: value**0.5 for name, value in squares.model_dump().items()})
