"""Counting rows by the confidence of many nets at once, piece by piece."""

from collections.abc import Iterator

import torch
from torch import Tensor

from dropnorm.study.records import Reliability
from dropnorm.study.statistics.calibration import BINS


class BinnedRows:
    """Rows, their confidence and hits in bins of equal width, (k / 15, (k + 1) / 15], for each of so many nets."""

    def __init__(self, nets: int) -> None:
        self.counts, self.confidence, self.hits = torch.zeros(3, nets, BINS, dtype=torch.float64)

    def add(self, confidences: Tensor, hits: Tensor, own: Tensor) -> None:
        """Count rows (nets, batch) where `own`."""
        # A net that has diverged is sure of nothing.
        sure = confidences.nan_to_num(nan=0.0)
        bins = (sure * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
        for total, values in ((self.counts, torch.ones_like(sure)), (self.confidence, sure), (self.hits, hits)):
            total.scatter_add_(1, bins, values.where(own, 0.0))

    def records(self) -> Iterator[Reliability]:
        """What was counted, net by net."""
        rows = self.counts.clamp(min=1.0)
        for count, confidence, accuracy in zip(self.counts, self.confidence / rows, self.hits / rows, strict=True):
            yield Reliability(
                counts=tuple(count.long().tolist()),
                confidence=tuple(confidence.tolist()),
                accuracy=tuple(accuracy.tolist()),
            )
