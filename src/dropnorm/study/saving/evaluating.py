"""Predictions held against rows whose target is known."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.lags import with_lags
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.memory import as_column
from dropnorm.study.data.sources.naming import missing_column
from dropnorm.study.data.sources.table import Source, Table
from dropnorm.study.data.target import encode_target
from dropnorm.study.data.values import as_text, without_value
from dropnorm.study.records import Evaluation
from dropnorm.study.saving.description import ModelDescription
from dropnorm.study.saving.new_rows import open_rows
from dropnorm.study.statistics.metrics import class_results, metric_results


@dataclass(frozen=True)
class KnownRows:
    """Rows that have a target, their targets, and their groups where the study kept groups together."""

    table: Table
    source: Source
    targets: np.ndarray
    groups: np.ndarray | None
    without_target: int


def open_known_rows(description: ModelDescription, X: Any, y: Any, reading: Reading) -> KnownRows:
    """Read rows with their targets, which may stand beside them; see `SavedModel.evaluate`."""
    encoding, group = description.encoding, description.group
    texts = (encoding.target, *([group] if group else []))
    table, source = open_rows(description, X, replace(reading, texts=texts))
    column = _target(table, encoding.target, y, source)
    kept = (~without_value(column)).to_numpy()
    if not kept.any():
        raise DataError(
            f"{source}: no row has a value of {encoding.target!r}: expected rows to evaluate by. Add their targets."
        )
    frame = table.frame
    if encoding.lags is not None:
        (frame,) = with_lags([frame], encoding.lags, [source])
    rows, known = frame.filter(kept), source.where(kept)
    return KnownRows(
        table=replace(table, frame=rows),
        source=known,
        targets=encode_target(column.filter(kept), encoding.classes, known, encoding.merged),
        groups=np.unique(as_text(rows[group]), return_inverse=True)[1] if group in rows.columns else None,
        without_target=int((~kept).sum()),
    )


def evaluate(description: ModelDescription, known: KnownRows, predictions: np.ndarray) -> Evaluation:
    """Score the predictions of rows whose targets are known."""
    encoding, expected = description.encoding, description.expected
    return Evaluation(
        rows=len(known.targets),
        rows_without_target=known.without_target,
        images_skipped=known.table.skipped,
        task=encoding.task,
        target=encoding.target,
        group=description.group if known.groups is not None else None,
        metrics=metric_results(known.targets, predictions, known.groups),
        classes=class_results(encoding.classes, known.targets, predictions),
        expected_metric=expected.metric if expected else None,
        expected_score=expected.score if expected else None,
    )


def _target(table: Table, studied: str, y: Any, source: Source) -> pl.Series:
    """The targets of the rows, of the studied name, of that which the source knows itself, or given beside them."""
    frame = table.frame
    if y is not None:
        column = as_column(y)
        if len(column) != frame.height:
            raise DataError(
                f"y has {len(column)} values for {frame.height} rows of X: expected one per row. Bring them to one."
            )
        return column.alias(studied)
    for name in (studied, table.target):
        if name in frame.columns:
            return frame[name].alias(studied)
    raise missing_column(source, studied, frame.columns)
