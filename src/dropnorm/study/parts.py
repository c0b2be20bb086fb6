"""The data as the nets see it: split and standardized anew for each seed, on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from dropnorm.study.dataset import Dataset
from dropnorm.study.records import StudyConfig
from dropnorm.study.splitting import Split, split_rows

FARTHEST = 1e6  # standard deviations


@dataclass(frozen=True)
class Standardization:
    """Mean and scale of each feature in one seed's training part; a missing value becomes the mean, which is 0."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def learn(cls, features: np.ndarray) -> "Standardization":
        """From the rows of a training part, missing values left out."""
        # A feature that is missing throughout the training part has no mean; it stays 0 for every row.
        present = np.where(np.isnan(features).all(axis=0), 0.0, features)
        scaler = StandardScaler().fit(present)
        return cls(mean=scaler.mean_, scale=scaler.scale_)

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Standardized features in float32."""
        # Cut, far out, so that a single absurd value cannot overflow float32 inside a net.
        standardized = np.clip((features - self.mean) / self.scale, -FARTHEST, FARTHEST)
        return np.where(np.isnan(standardized), 0.0, standardized).astype(np.float32)


@dataclass(frozen=True)
class Parts:
    """Every seed's split of the standardized data. A row of seed s is found at s * rows + row."""

    features: Tensor  # (seeds * rows, features)
    targets: Tensor  # (seeds * rows,), int64 of classes, standardized float32 of a quantity
    target_scale: Tensor  # (seeds,), float64: how much of the target's unit a standardized one is
    rows: int
    splits: tuple[Split, ...]

    @classmethod
    def prepare(cls, dataset: Dataset, config: StudyConfig) -> "Parts":
        """Split and standardize the data for each seed of the study."""
        splits = tuple(split_rows(dataset, seed, config) for seed in range(config.seeds))
        standardized = [
            Standardization.learn(dataset.features[split.train]).apply(dataset.features) for split in splits
        ]
        targets = [standardize_target(dataset, split) for split in splits]
        device = torch.device(config.device)
        return cls(
            features=torch.from_numpy(np.concatenate(standardized)).to(device),
            targets=torch.from_numpy(np.concatenate([values for values, _, _ in targets])).to(device),
            target_scale=torch.tensor([scale for _, _, scale in targets], dtype=torch.float64),
            rows=dataset.rows,
            splits=splits,
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
        flat = (seeds[:, None] * self.rows + rows).reshape(-1)
        return self.features.index_select(0, flat).view(*rows.shape, -1), self.targets[flat].view(rows.shape)

    def target_variance(self, seed: int, part: str) -> float:
        """The variance of the standardized target in a part of one seed's."""
        rows = torch.from_numpy(getattr(self.splits[seed], part)).to(self.targets.device)
        return float(self.targets[seed * self.rows + rows].double().var(correction=0))


def standardize_target(dataset: Dataset, split: Split) -> tuple[np.ndarray, float, float]:
    """The targets as the nets of a split learn them, with the mean and the scale that undo it; classes stay as they are."""
    if dataset.encoding.classes:
        return dataset.targets, 0.0, 1.0
    column = dataset.targets[:, None]
    standardization = Standardization.learn(column[split.train])
    return standardization.apply(column)[:, 0], float(standardization.mean[0]), float(standardization.scale[0])
