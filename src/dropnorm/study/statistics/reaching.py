"""How soon an arm's nets are as good as plain's ever are."""

from collections.abc import Sequence

import numpy as np

from dropnorm.study.records import EpochRecord, EpochsToReach, NetRecord


def epochs_to_reach(
    nets: Sequence[NetRecord], plain: Sequence[NetRecord], epochs: Sequence[EpochRecord], steps_per_epoch: int
) -> EpochsToReach:
    """The first epoch at which each net's validation loss was at most the best of plain's net of the same seed."""
    losses: dict[int, list[tuple[int, float]]] = {}
    for record in epochs:
        losses.setdefault(record.net, []).append((record.epoch, record.validation_loss))
    first = []
    for net, other in zip(nets, plain, strict=True):
        goal = min(loss for _, loss in losses[other.net])
        first += [next((epoch for epoch, loss in losses[net.net] if loss <= goal < np.inf), None)]
    reached = [epoch for epoch in first if epoch is not None]
    # Over all seeds, with those that never got there as infinity, so that a median of the lucky ones is not shown.
    median = float(np.median([np.inf if epoch is None else epoch for epoch in first]))
    known = median if np.isfinite(median) else None
    return EpochsToReach(
        reached=len(reached),
        of=len(first),
        median_epochs=known,
        median_steps=None if known is None else known * steps_per_epoch,
    )
