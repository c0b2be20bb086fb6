"""The data as the nets see it: split and standardized anew for each seed, on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dropnorm.study.data.class_weights import balanced_weights
from dropnorm.study.data.dataset import Dataset
from dropnorm.study.data.scaling import feature_groups
from dropnorm.study.data.splitting import Split, split_rows
from dropnorm.study.data.standardization import Standardization, StandardizedFeatures
from dropnorm.study.records import StudyConfig


@dataclass(frozen=True)
class Parts:
    """Every seed's split of the standardized data."""

    features: StandardizedFeatures
    targets: Tensor  # (rows,) int64 of classes, or (seeds, rows) float32 of a quantity, standardized
    target_scale: Tensor  # (seeds,), float64: how much of the target's unit a standardized one is
    splits: tuple[Split, ...]
    class_weights: Tensor | None = (
        None  # (seeds, classes), float32: what a row counts in the loss, where not all do alike
    )

    @classmethod
    def prepare(cls, dataset: Dataset, config: StudyConfig) -> "Parts":
        """Split and standardize the data for each seed of the study."""
        distinct = [split_rows(dataset, number, config) for number in range(config.split_count)]
        splits = tuple(distinct[config.split_of(seed)] for seed in range(config.repetitions))
        device = torch.device(config.device)
        targets = [standardize_target(dataset, split) for split in splits]
        values = dataset.targets if dataset.encoding.classes else np.stack([one for one, _, _ in targets])
        learned = dataset.features[: dataset.rows - dataset.given_test]
        groups = feature_groups(dataset.encoding, learned, config.scaling)
        return cls(
            features=StandardizedFeatures.prepare(dataset.features, splits, device, groups),
            targets=torch.from_numpy(values).to(device),
            target_scale=torch.tensor([scale for _, _, scale in targets], dtype=torch.float64),
            splits=splits,
            class_weights=stacked_weights(dataset, splits, device) if config.class_weight else None,
        )

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many rows train, validate and test: of parts of whole groups, on average over the seeds."""
        sizes = [(len(split.train), len(split.validation), len(split.test)) for split in self.splits]
        train, validation, test = (round(float(mean)) for mean in np.mean(sizes, axis=0))
        return train, validation, test

    def steps_per_epoch(self, batch_size: int) -> int:
        """How many whole batches every seed's training part has."""
        return min(len(split.train) for split in self.splits) // batch_size

    def train_rows(self, seed: int) -> Tensor:
        """The rows that a seed trains on."""
        return torch.from_numpy(self.splits[seed].train).to(self.targets.device)

    def index(self, seeds: Sequence[int], part: str) -> tuple[Tensor, Tensor]:
        """The rows of a part ("train", "validation" or "test") for each of the seeds, and how many there are.

        Shape:       (len(seeds), largest size), (len(seeds),): behind a smaller part, its first row fills up
        """
        parts = [getattr(self.splits[seed], part) for seed in seeds]
        largest = max(map(len, parts))
        rows = np.stack([np.pad(rows, (0, largest - len(rows)), constant_values=rows[0]) for rows in parts])
        sizes = torch.tensor([len(rows) for rows in parts])
        return torch.from_numpy(rows).to(self.targets.device), sizes.to(self.targets.device)

    def take(self, seeds: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Features (nets, batch, features) and targets (nets, batch) of rows (nets, batch), for each net by its seed."""
        return self.features.take(seeds, rows), self.take_targets(seeds, rows)

    def take_targets(self, seeds: Tensor, rows: Tensor) -> Tensor:
        """Targets (nets, batch) of rows (nets, batch), for each net by its seed."""
        return self.targets[rows] if self.targets.ndim == 1 else self.targets[seeds[:, None], rows]

    def take_weights(self, seeds: Tensor, targets: Tensor) -> Tensor | None:
        """What each of these targets (nets, batch) counts in the loss, for each net by its seed; None where all do alike."""
        return None if self.class_weights is None else self.class_weights[seeds].gather(1, targets)

    def target_variance(self, seed: int, part: str) -> float:
        """The variance of a quantity, standardized, in a part of one seed's."""
        rows = torch.from_numpy(getattr(self.splits[seed], part)).to(self.targets.device)
        return float(self.targets[seed][rows].double().var(correction=0))


def stacked_weights(dataset: Dataset, splits: Sequence[Split], device: torch.device) -> Tensor:
    """The weights of the classes of each split, by its own training rows (splits, classes)."""
    classes = len(dataset.encoding.classes)
    weights = [balanced_weights(dataset.targets, split.train, classes) for split in splits]
    return torch.from_numpy(np.stack(weights)).to(device)


def standardize_target(dataset: Dataset, split: Split) -> tuple[np.ndarray, float, float]:
    """The targets as the nets of a split learn them, with the mean and the scale that undo it; classes stay as they are."""
    if dataset.encoding.classes:
        return dataset.targets, 0.0, 1.0
    column = dataset.targets[:, None]
    learned = Standardization.learn(column, split.train)
    # A quantity that is constant in training keeps its unit, so that its errors are seen.
    standardization = Standardization(learned.mean, np.where(np.isfinite(learned.scale), learned.scale, 1.0))
    return standardization.apply(column)[:, 0], float(standardization.mean[0]), float(standardization.scale[0])
