"""Parts of a seed's training rows, each smaller one within each larger one, for the learning curve."""

from dataclasses import replace

import numpy as np
import torch

from dropnorm.errors import DataError
from dropnorm.study.conclusions.learning_curve import FRACTIONS
from dropnorm.study.data.dataset import Dataset
from dropnorm.study.data.parts import Parts, stacked_weights, standardize_target
from dropnorm.study.data.splitting import training_rows
from dropnorm.study.records import StudyConfig


def reduced_parts(parts: Parts, dataset: Dataset, fraction: float) -> Parts:
    """The same parts with a fraction of the training rows, from which the standardization is learned too.

    The fraction is repeated to the length of the whole, so that an epoch has as many steps: an arm that learns from fewer rows
    is to be short of rows, not of training.
    """
    first = {id(split): seed for seed, split in reversed(list(enumerate(parts.splits)))}
    rows = [nested_rows(dataset, split.train, fraction, first[id(split)]) for split in parts.splits]
    splits = [replace(split, train=own) for split, own in zip(parts.splits, rows, strict=True)]
    targets = [standardize_target(dataset, split) for split in splits]
    values = dataset.targets if dataset.encoding.classes else np.stack([one for one, _, _ in targets])
    return Parts(
        features=parts.features.learned_anew(dataset.features, splits),
        targets=torch.from_numpy(values).to(parts.targets.device),
        target_scale=torch.tensor([scale for _, _, scale in targets], dtype=torch.float64),
        splits=tuple(
            replace(split, train=np.resize(own, len(split.train)))
            for split, own in zip(parts.splits, rows, strict=True)
        ),
        class_weights=None if parts.class_weights is None else stacked_weights(dataset, splits, parts.targets.device),
    )


def nested_rows(dataset: Dataset, train: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """A fraction of the training rows, in their order, as the split made them.

    Whole groups, if the rows are split by groups; otherwise classes keep their shares, and at least a row each.
    """
    if dataset.order.groups is not None:
        groups = dataset.order.groups[train]
        distinct = np.random.default_rng(seed).permutation(np.unique(groups))
        kept = np.isin(groups, distinct[: _share(len(distinct), fraction)])
    elif dataset.encoding.classes:
        kept = np.zeros(len(train), dtype=bool)
        labels = dataset.targets[train]
        for label in np.unique(labels):
            own = np.flatnonzero(labels == label)
            kept[own[: _share(len(own), fraction)]] = True
    else:
        kept = np.arange(len(train)) < _share(len(train), fraction)
    return np.compress(kept, train)


def usable_fractions(train_rows: int, batch_size: int) -> tuple[float, ...]:
    """Those fractions of so many training rows that hold at least one batch."""
    return tuple(fraction for fraction in FRACTIONS if train_rows * fraction >= batch_size)


def check_learning_curve(dataset: Dataset, config: StudyConfig) -> None:
    """Refuse a learning curve of a training part of which not even a half holds a batch."""
    rows = training_rows(dataset, config) if config.learning_curve else 0
    if config.learning_curve and not usable_fractions(rows, config.batch_size):
        raise DataError(
            f"{dataset.name}: learning_curve is asked for, and half of its {rows} training rows are fewer than one batch of "
            f"{config.batch_size}. Use --batch-size {max(2, rows // 8)} (batch_size= in Python), or leave it out."
        )


def _share(count: int, fraction: float) -> int:
    return max(1, round(fraction * count))
