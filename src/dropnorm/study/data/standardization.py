"""Standardization by one seed's training part, and all seeds' from one copy of the features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from dropnorm.kernels.training import gather
from dropnorm.study.data.scaling import FeatureGroup
from dropnorm.study.data.splitting import Split

FARTHEST = 1e6  # standard deviations
RARE = 0.01
"""A feature that varies in a smaller share of the rows is scaled as if it varied in so many, or a few rows would be far out."""
_ROWS_AT_ONCE = 4096
_VALUES_AT_ONCE = 1 << 22
_SAMPLE = 1000


@dataclass(frozen=True)
class Standardization:
    """Mean and scale of each feature in one seed's training part; a missing value becomes the mean, which is 0.

    What does not vary in training has an infinite scale: nothing can be learned of it, and it is 0 in every row.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def learn(
        cls, features: np.ndarray, rows: np.ndarray, groups: Sequence[FeatureGroup] | None = None
    ) -> "Standardization":
        """From the rows of a training part, missing values left out, in float64.

        Equation:    scale = deviation; of the features of a group, the root of their mean variance; of a feature of which only
                     a share s < 1 % of the rows differs from the rest, deviation * sqrt(1 % / s), as if 1 % did
        Args:        groups: of features that share a scale; None: each has its own deviation, however rarely it varies
        """
        mean, scale = np.zeros(features.shape[1]), np.full(features.shape[1], np.inf)
        # Some columns at a time, since a copy of the training part may not fit beside the data.
        width = max(1, _VALUES_AT_ONCE // len(rows))
        for start in range(0, len(mean), width):
            columns = slice(start, start + width)
            chunk = features[rows, columns].astype(np.float64)
            # A feature without any value has no mean; zeros give it one, and no variance.
            known = np.where(np.isnan(chunk).all(axis=0), 0.0, chunk)
            scaler = StandardScaler().fit(known)
            varies = np.nanmax(known, axis=0) > np.nanmin(known, axis=0)
            mean[columns], scale[columns] = scaler.mean_, np.where(varies, scaler.scale_, np.inf)
            if groups is not None:
                scale[columns] *= _rareness(known, scaler.scale_)
        for group in groups or ():
            own = group.features[np.isfinite(scale[group.features])]
            scale[own] = np.sqrt(np.mean(scale[own] ** 2))
        return cls(mean, scale)

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Standardized features in float32."""
        # Cut, far out, so that a single absurd value cannot overflow float32 inside a net.
        standardized = np.clip((features - self.mean) / self.scale, -FARTHEST, FARTHEST)
        return np.where(np.isnan(standardized), 0.0, standardized).astype(np.float32)


@dataclass(frozen=True)
class StandardizedFeatures:
    """The features once, in float32, from which those that each seed sees are made when they are taken.

    Equation:    x = base[row] * factor[seed] + shift[seed]
    Numerics:    whole numbers up to 255, as of images, are kept as bytes; everything else is centered and scaled so that most
                 rows are near 0, and so lose nothing to float32, whatever few absurd values there are.
    """

    base: Tensor  # (rows, features), uint8 or float32
    center: np.ndarray  # (features,), of the base
    spread: np.ndarray  # (features,), of the base
    factor: Tensor  # (seeds, features)
    shift: Tensor  # (seeds, features)
    groups: Sequence[FeatureGroup] | None  # of features that share a scale, as `Standardization.learn` takes them

    @classmethod
    def prepare(
        cls,
        features: np.ndarray,
        splits: Sequence[Split],
        device: torch.device,
        groups: Sequence[FeatureGroup] | None = None,
    ) -> "StandardizedFeatures":
        """Learn every seed's standardization from its own training part."""
        base = _bytes(features)
        center, spread = np.zeros(features.shape[1]), np.ones(features.shape[1])
        if base is None:
            center, spread = _typical(features, splits[0].train)
            base = np.empty(features.shape, dtype=np.float32)
            for start in range(0, len(features), _ROWS_AT_ONCE):
                rows = slice(start, start + _ROWS_AT_ONCE)
                base[rows] = np.clip((features[rows] - center) / spread, -1e30, 1e30)
        learned = [Standardization.learn(features, split.train, groups) for split in splits]
        return cls._of(torch.from_numpy(base).to(device), center, spread, learned, groups)

    @classmethod
    def of_new_rows(cls, features: np.ndarray, learned: Sequence[Standardization]) -> "StandardizedFeatures":
        """Rows that no seed has seen, by what each seed has learned before.

        Numerics:    the base is on the finest of a feature's scales, so that no seed's features lose digits to another's.
        """
        scales = np.stack([one.scale for one in learned])
        finest = scales.argmin(axis=0)[None]
        center = np.take_along_axis(np.stack([one.mean for one in learned]), finest, axis=0)[0]
        smallest = np.take_along_axis(scales, finest, axis=0)[0]
        spread = np.where(np.isfinite(smallest), smallest, 1.0)
        base = np.clip((features - center) / spread, -1e30, 1e30).astype(np.float32)
        return cls._of(torch.from_numpy(base), center, spread, learned)

    def learned_anew(self, features: np.ndarray, splits: Sequence[Split]) -> "StandardizedFeatures":
        """The same features, standardized by other training parts."""
        learned = [Standardization.learn(features, split.train, self.groups) for split in splits]
        return self._of(self.base, self.center, self.spread, learned, self.groups)

    @classmethod
    def _of(
        cls,
        base: Tensor,
        center: np.ndarray,
        spread: np.ndarray,
        learned: Sequence[Standardization],
        groups: Sequence[FeatureGroup] | None = None,
    ) -> "StandardizedFeatures":
        factor = np.stack([spread / one.scale for one in learned])
        shift = np.stack([(center - one.mean) / one.scale for one in learned])
        return cls(
            base=base,
            center=center,
            spread=spread,
            factor=torch.from_numpy(factor.astype(np.float32)).to(base.device),
            shift=torch.from_numpy(shift.astype(np.float32)).to(base.device),
            groups=groups,
        )

    def take(self, seeds: Tensor, rows: Tensor) -> Tensor:
        """Features (nets, batch, features) of rows (nets, batch), for each net by its seed."""
        return gather(self.base, rows, seeds, self.factor, self.shift, FARTHEST)


def _rareness(values: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """By how much each feature (rows, features) varies in fewer rows than 1 %: the root of what is lacking, 1 if nothing is."""
    rareness = np.ones(values.shape[1])
    # What varies so rarely has a deviation of at most a tenth of its range; the others need no median, which takes long.
    candidates = np.flatnonzero(deviation <= RARE**0.5 * (np.nanmax(values, axis=0) - np.nanmin(values, axis=0)))
    differing = values[:, candidates] != np.nanmedian(values[:, candidates], axis=0)
    share = (differing & ~np.isnan(values[:, candidates])).mean(axis=0)
    rareness[candidates] = np.sqrt(np.maximum(1.0, RARE / np.maximum(share, 1 / len(values))))
    return rareness


def _bytes(features: np.ndarray) -> np.ndarray | None:
    """The features as bytes, if that is what all of them are."""
    base = np.empty(features.shape, dtype=np.uint8)
    for start in range(0, len(features), _ROWS_AT_ONCE):
        chunk = features[start : start + _ROWS_AT_ONCE]
        # A minimum that is NaN is not within the range either.
        if not (chunk.min(initial=0) >= 0 and chunk.max(initial=0) <= 255):
            return None
        base[start : start + _ROWS_AT_ONCE] = chunk
        if not np.array_equal(base[start : start + _ROWS_AT_ONCE], chunk):
            return None
    return base


def _typical(features: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The median of each feature and the spread of its middle half, of some rows; where that is 0, the deviation, or 1."""
    sample = features[rows[:: max(1, len(rows) // _SAMPLE)]].astype(np.float64)
    known = np.where(np.isnan(sample).all(axis=0), 0.0, sample)
    low, center, high = np.nanpercentile(known, (25, 50, 75), axis=0)
    spread, deviation = high - low, np.nanstd(known, axis=0)
    return center, np.where(spread > 0.0, spread, np.where(deviation > 0.0, deviation, 1.0))
