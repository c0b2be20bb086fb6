"""Which features share one unit of measurement, such as pixels, and are to be scaled alike."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dropnorm.study.data.columns import ColumnEncoding
from dropnorm.study.data.encoding import Encoding, image_layout
from dropnorm.study.records import SharedScale, UnitEvidence
from dropnorm.study.settings import ScalingName

ALIKE = 8
"""At least so many features of a block must span its common range, for the block to share a scale."""
SPAN = 0.5
"""A feature spans the common range of its block if its own range is at least so much of it."""
SEEN = 10_000
"""About so many rows, spread over all, are looked at."""
MOSTLY_CONSTANT = 0.9
"""A feature of which at least this share of the rows has one value may have any range, as a pixel at an image's edge has."""


@dataclass(frozen=True)
class FeatureGroup:
    """Features (count,) of one unit, by their numbers, and what tells that they are."""

    features: np.ndarray
    evidence: UnitEvidence

    @property
    def record(self) -> SharedScale:
        """The group in counts."""
        return SharedScale(features=len(self.features), evidence=self.evidence)


def feature_groups(encoding: Encoding, features: np.ndarray, scaling: ScalingName) -> tuple[FeatureGroup, ...] | None:
    """The groups of features that share a scale; a feature that is in none is scaled by itself.

    With "auto" the pixels of each channel of an image share one. So do the numbers of a table, and those of a column of arrays,
    if at least 8 of them span half of the range of all together and no other one varies much: such are spectra, sensors and
    answers on one scale, but not age beside income. Numbers of two values are flags, which
    have no unit, and join no group that is found. With "shared" all numbers of the table and of arrays share one. With "each"
    there are no groups, not even an empty tuple of them, and `Standardization.learn` takes every deviation as it is.

    Args:        features: of the rows to learn from (rows, features), NaN where missing
    """
    if scaling == "each":
        return None
    blocks = _blocks(encoding)
    if scaling == "shared":
        numbers = np.concatenate([block for _, block in blocks]) if blocks else np.empty(0, dtype=np.int64)
        return (FeatureGroup(np.sort(numbers), "asked"),) if len(numbers) > 1 else ()
    seen = features[:: max(1, len(features) // SEEN)]
    groups: list[FeatureGroup] = []
    for column, block in blocks:
        if column is not None and len(column.shape) > 1:
            groups += [FeatureGroup(channel, "image") for channel in _channels(column, block)]
        elif len(alike := _spanning(seen[:, block])):
            groups.append(FeatureGroup(block[alike], "range"))
    return tuple(groups)


def _blocks(encoding: Encoding) -> list[tuple[ColumnEncoding | None, np.ndarray]]:
    """The features of each column of arrays, and those of all columns of numbers together."""
    placed = list(_placed(encoding))
    arrays = [(column, features) for column, features in placed if column.kind == "array"]
    numbers = [features for column, features in placed if column.kind == "number"]
    return [*arrays, *([(None, np.concatenate(numbers))] if numbers else [])]


def _placed(encoding: Encoding) -> Iterator[tuple[ColumnEncoding, np.ndarray]]:
    """Each column with the numbers of its features, without the one that says whether it is missing."""
    start = 0
    for column in encoding.columns:
        yield column, np.arange(start, start + column.features - column.has_missing)
        start += column.features


def _channels(column: ColumnEncoding, block: np.ndarray) -> list[np.ndarray]:
    """The pixels of each channel of a column of images; of arrays of another shape all numbers."""
    image, channels_last = image_layout(column.shape)
    if image is None:
        return [block]
    return list(block.reshape(-1, image[0]).T if channels_last else block.reshape(image[0], -1))


def _spanning(values: np.ndarray) -> np.ndarray:
    """Which features of a block (rows, features) are of one unit by what is seen of them; none where that is in doubt."""
    # A feature without any value has no range; zeros give it one, of 0.
    values = np.where(np.isnan(values).all(axis=0), 0.0, values)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    flags = ((values == low) | (values == high) | np.isnan(values)).all(axis=0)
    if flags.all():
        return np.empty(0, dtype=np.int64)
    spans = ~flags & (high - low >= SPAN * (high[~flags].max() - low[~flags].min()))
    others = ~flags & ~spans
    # Where most rows have one value, that is the median.
    constant = (values[:, others] == np.nanmedian(values[:, others], axis=0)).mean(axis=0) >= MOSTLY_CONSTANT
    return np.flatnonzero(~flags) if spans.sum() >= ALIKE and constant.all() else np.empty(0, dtype=np.int64)
