"""Which epoch of each net is its best on validation, which nets go on more slowly, and which stop."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dropnorm.study.records import TrainingLimits

_STATE = (
    "best_loss",
    "best_score",
    "best_epoch",
    "lowest_loss",
    "highest_score",
    "progress_epoch",
    "drops",
    "drop_epoch",
)


@dataclass(frozen=True)
class Judgement:
    """What an epoch means for each of the nets in training: truth values (nets,)."""

    best: Tensor  # it is the net's best epoch so far
    dropping: Tensor  # the net goes back to its best weights, and on at a lower learning rate
    staying: Tensor  # the net goes on training


class EarlyStopping:
    """Follows the nets of a block, epoch by epoch.

    Equation:    An epoch is a net's best so far if its validation loss is the lowest; with `stop_by` "score", if its score is
                 the highest, or as high at a lower loss.
                 A net makes progress with a loss that is lower by `limits.progress` than at the last progress; with "score",
                 also with its highest score. It stalls when its last progress, in epoch n, is max(patience, growth * n) epochs
                 ago. The first `limits.drops` times that it stalls, its learning rate drops, after which `patience` epochs
                 without progress are a stall; then it stops.
    State:       loss, score and number of the best epoch; lowest loss and highest score that were progress, and the last such
                 epoch; how often the learning rate has dropped, and the last such epoch; all (nets,)
    Source:      Prechelt 1998, "Early stopping - but when?"; a patience that grows with the epochs that were needed: Bengio
                 2012, arXiv:1206.5533, section 3.2.1.
    """

    def __init__(self, limits: TrainingLimits, nets: int, saved: Mapping[str, Tensor] | None = None) -> None:
        self.limits = limits
        self.best_loss, self.lowest_loss = (torch.full((nets,), torch.inf) for _ in range(2))
        self.best_score, self.highest_score = (torch.full((nets,), -torch.inf) for _ in range(2))
        self.best_epoch, self.progress_epoch, self.drop_epoch, self.drops = torch.zeros(4, nets, dtype=torch.int64)
        for name, tensor in (saved or {}).items():
            setattr(self, name, tensor)

    def state(self) -> dict[str, Tensor]:
        """What it needs to go on, by name."""
        return {name: getattr(self, name) for name in _STATE}

    def shares(self, nets: Tensor) -> list[float]:
        """The share of the learning rate at which each of these nets trains."""
        return [float(self.limits.drop_to**drops) for drops in self.drops[nets].tolist()]

    def after_epoch(self, epoch: int, nets: Tensor, loss: Tensor, score: Tensor) -> Judgement:
        """Judge an epoch of these nets by their losses and scores on validation; a loss that is infinite is never the best."""
        lower = loss < self.best_loss[nets]
        best = lower
        if self.limits.stop_by == "score":
            before = self.best_score[nets]
            best = loss.isfinite() & ((score > before) | ((score == before) & lower))
        self.best_loss[nets[best]], self.best_score[nets[best]], self.best_epoch[nets[best]] = (
            loss[best],
            score[best],
            epoch,
        )
        self._note_progress(epoch, nets, loss, score)
        last = torch.maximum(self.progress_epoch, self.drop_epoch)[nets]
        growing = (self.limits.growth * last).clamp(min=self.limits.patience)
        stalled = epoch - last >= torch.where(self.drops[nets] > 0, self.limits.patience, growing)
        dropping = stalled & (self.drops[nets] < self.limits.drops)
        self.drops[nets[dropping]] += 1
        self.drop_epoch[nets[dropping]] = epoch
        return Judgement(best, dropping, ~stalled | dropping)

    def _note_progress(self, epoch: int, nets: Tensor, loss: Tensor, score: Tensor) -> None:
        progress = loss < self.lowest_loss[nets] - self.limits.progress
        self.lowest_loss[nets[progress]] = loss[progress]
        if self.limits.stop_by == "score":
            higher = score > self.highest_score[nets]
            self.highest_score[nets[higher]] = score[higher]
            progress = progress | higher
        self.progress_epoch[nets[progress]] = epoch


def before_there_was_progress(best_loss: Tensor, best_epoch: Tensor) -> dict[str, Tensor]:
    """The state of version 0.1.0, to which every better loss was progress, and whose learning rate never dropped."""
    best = {"best_loss": best_loss, "best_epoch": best_epoch}
    return best | {"lowest_loss": best_loss.clone(), "progress_epoch": best_epoch.clone()}
