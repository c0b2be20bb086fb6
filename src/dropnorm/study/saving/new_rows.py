"""Rows to be predicted, or to be evaluated, as features of a model."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from dropnorm.errors import NewDataWarning
from dropnorm.study.data.lags import with_lags
from dropnorm.study.data.novelty import novelties
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.images import IMAGE
from dropnorm.study.data.sources.new_rows import frame_of_new_rows
from dropnorm.study.data.sources.opening import open_features
from dropnorm.study.data.sources.table import Source, Table
from dropnorm.study.saving.description import ModelDescription

_CALLERS = 4  # between a warning and the line of the user that asks for predictions


def open_rows(description: ModelDescription, X: Any, reading: Reading) -> tuple[Table, Source]:
    """Whatever X is as a table with the studied columns, and where its rows come from."""
    columns = description.encoding.columns
    if not isinstance(X, str | Path):
        return Table(frame_of_new_rows(X, {column.name: column.shape for column in columns})), Source("X")
    studied = next((column.shape for column in columns if column.name == IMAGE), ())
    plain = {column.name: column.kind for column in columns if column.number is None}
    table = open_features(X, reading.for_columns(plain, studied))
    return table, Source(str(X), line=table.line)


def encode_rows(description: ModelDescription, table: Table, source: Source) -> np.ndarray:
    """The features of all rows; warns of what is unlike the studied rows."""
    encoding, frame = description.encoding, table.frame
    if encoding.lags is not None and not set(encoding.lags.names) <= set(frame.columns):
        (frame,) = with_lags([frame], encoding.lags, [source])
    features = encoding.encode(frame, source)
    told = novelties(encoding, description.ranges, frame, features, source)
    if told:
        warnings.warn("\n".join(told), NewDataWarning, stacklevel=_CALLERS)
    return features
