"""The data as the nets see it: split and standardized anew for each seed, on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from dropnorm.study.dataset import Dataset
from dropnorm.study.design import Split, split_rows
from dropnorm.study.records import StudyConfig

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
    labels: Tensor  # (rows,)
    rows: int
    splits: tuple[Split, ...]

    @classmethod
    def prepare(cls, dataset: Dataset, config: StudyConfig) -> "Parts":
        """Split and standardize the data for each seed of the study."""
        splits = tuple(split_rows(dataset.labels, seed, config) for seed in range(config.seeds))
        standardized = [
            Standardization.learn(dataset.features[split.train]).apply(dataset.features) for split in splits
        ]
        device = torch.device(config.device)
        return cls(
            features=torch.from_numpy(np.concatenate(standardized)).to(device),
            labels=torch.from_numpy(dataset.labels).to(device),
            rows=dataset.rows,
            splits=splits,
        )

    def index(self, seeds: Sequence[int], part: str) -> Tensor:
        """The rows of a part ("train", "validation" or "test") for each of the seeds, (len(seeds), size)."""
        rows = np.stack([getattr(self.splits[seed], part) for seed in seeds])
        return torch.from_numpy(rows).to(self.labels.device)

    def take(self, seeds: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Features (nets, batch, features) and labels (nets, batch) of rows (nets, batch), for each net by its seed."""
        flat = (seeds[:, None] * self.rows + rows).reshape(-1)
        return self.features.index_select(0, flat).view(*rows.shape, -1), self.labels[rows]
