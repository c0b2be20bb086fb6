"""A table ready to be studied: its features, its targets, and what a saved model must know of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from dropnorm._options import with_options
from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.column_summaries import notices_of, summarize_columns
from dropnorm.study.data.copies import Copies, find_copies
from dropnorm.study.data.encoding import Encoding, learn_encoding
from dropnorm.study.data.lags import Lags, complete_rows, with_lags
from dropnorm.study.data.order import Order, name_order, time_column
from dropnorm.study.data.sources.bundled import BUNDLED
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.naming import column_named, columns_named, missing_column
from dropnorm.study.data.sources.opening import open_source, open_test
from dropnorm.study.data.sources.reading import name_without_ending
from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.target import TaskGuess, encode_target, guess_task
from dropnorm.study.data.understanding import UnderstoodColumn, understand_columns
from dropnorm.study.data.values import without_value
from dropnorm.study.options import ColumnsOptions, DataOptions, kinds_in
from dropnorm.study.records import DataDescription, KindGiven, Quantity, SharedScale, StudyConfig


@dataclass(frozen=True)
class Dataset:
    """Features (rows, features) in float64, NaN where missing; targets (rows,), int64 of classes, float64 of a quantity."""

    name: str
    columns: int
    features: np.ndarray
    targets: np.ndarray
    encoding: Encoding
    rows_without_target: int
    images_skipped: int
    given_test: int  # the last so many rows are a test part that the user gave
    test_rows_known: int  # so many of them are among the other rows too
    order: Order
    ignored: tuple[str, ...] = ()  # columns of the table that are left out as a user asks
    understood: tuple[UnderstoodColumn, ...] = ()  # all others but the target and what orders rows, encoded or not
    notices: tuple[str, ...] = ()  # what is to be told of how the data was read and understood
    task_guess: TaskGuess | None = None  # why the target is what it is, unless a user says so
    copies: Copies | None = None  # rows that are there several times, if any are
    rare_classes: tuple[str, ...] = ()  # that were merged or left out

    @property
    def rows(self) -> int:
        """How many rows have a target."""
        return len(self.targets)

    @property
    def class_rows(self) -> tuple[int, ...]:
        """How many rows each class has; empty where the target is a quantity."""
        if not self.encoding.classes:
            return ()
        return tuple(np.bincount(self.targets, minlength=len(self.encoding.classes)).tolist())

    @property
    def quantity(self) -> Quantity | None:
        """The target's values in short, unless they are classes."""
        if self.encoding.classes:
            return None
        values = self.targets
        return Quantity(
            lowest=float(values.min()),
            highest=float(values.max()),
            mean=float(values.mean()),
            deviation=float(values.std()),
        )

    @property
    def fingerprint(self) -> str:
        """A hash of everything that a study sees of the data: the same for the same data, wherever it was read from."""
        identity = self.encoding.identity
        return _hash(self.features.tobytes(), self.targets.tobytes(), identity, self.order.identity(self.given_test))

    @property
    def rows_fingerprint(self) -> str:
        """A hash of what decides the splits: the same where features alone differ."""
        named = f"{self.encoding.target} {self.encoding.classes}".encode()
        return _hash(self.targets.tobytes(), named, self.order.identity(self.given_test))

    def kept_together(self, config: StudyConfig) -> np.ndarray | None:
        """The number of each row to learn from that its copies share, where they are to be in one part."""
        copies, free = self.copies, self.order.groups is None and self.order.times is None
        if copies is None or not copies.by_mistake or not free or config.copies == "apart":
            return None
        enough = copies.fewest >= config.least_for_parts(given_test=self.given_test > 0)
        return copies.groups if enough else None

    def describe(
        self, train: int, validation: int, test: int, shared_scales: tuple[SharedScale, ...] = ()
    ) -> DataDescription:
        """The data in counts, with those of the rows of its parts, and of the features that share a scale."""
        return DataDescription(
            name=self.name,
            task=self.encoding.task,
            target=self.encoding.target,
            fingerprint=self.fingerprint,
            rows_fingerprint=self.rows_fingerprint,
            rows=self.rows,
            columns=self.columns,
            features=self.encoding.features,
            classes=self.encoding.classes,
            class_rows=self.class_rows,
            quantity=self.quantity,
            rows_without_target=self.rows_without_target,
            images_skipped=self.images_skipped,
            group=self.order.group,
            time=self.order.time,
            given_test=self.given_test > 0,
            shared_scales=shared_scales,
            train_rows=train,
            validation_rows=validation,
            test_rows=test,
            columns_encoded=summarize_columns(self.understood, self.order, self.ignored),
            notices=self.notices,
            task_reason=self.task_guess.words if self.task_guess else "",
            repeated_rows=self.copies.repeated if self.copies else 0,
            rare_classes=self.rare_classes,
        )


@with_options(DataOptions)
def load_dataset(options: DataOptions) -> Dataset:
    """Read, check and encode what a user gave.

    Args:        {options}
    Raises:      DataError that names the file or column and the remedy; ArgumentError for arguments that exclude each other,
                 or an unknown task.
    """
    X, test, group = options.X, options.test, options.group
    # What names a group is text, so that 007 and 7 are two, and the same group is the same in each file.
    reading = replace(reading_of(options), texts=(group,) if isinstance(group, str) else ())
    table, target = open_source(X, options.y, options.target, reading)
    given = open_test(test, table, target, reading)
    frame, order = name_order(table.frame, target, group=group, time=options.time, has_test=given is not None)
    source = Source(_name_of(X, "X"), line=table.line)
    test_source = Source(
        f"{source}, test part" if test is None else _name_of(test, "test"), line=given.line if given else None
    )
    ignored = columns_named(options.ignore, frame.columns, f"ignore={list(options.ignore)!r}")
    if target in ignored:
        raise ArgumentError(
            f"ignore={list(options.ignore)!r} holds the target {target!r}: expected other columns. Take it out of one of them."
        )
    # Nothing of a given test part has a say in what the columns become.
    kinds = kinds_in(options.kinds).items()
    known = {column_named(name, frame.columns, f"--as {name}={kind}"): kind for name, kind in kinds}
    tested_frame = None if given is None else given.frame
    lags = None
    if options.lags is not None:
        lags, frame, tested_frame, source = _lagged(
            options.lags, frame, tested_frame, target, order.time, (source, test_source), known
        )
    left = [name for name in frame.columns if name not in {target, *ignored, *order.columns}]
    first = left[:1] == frame.columns[:1] and len(left) > 1
    understood = understand_columns(frame, left, source, known, plain=table.plain, first=first)
    encoded = [column.encoding for column in understood if column.encoding is not None]
    if not encoded:
        raise _nothing_left(source, target, order.time, understood)
    guess = None if options.task else guess_task(frame[target])
    encoding = learn_encoding(encoded, frame[target], source, guess.task if guess else options.task, lags)
    parts = [_encode_part(frame, encoding, source)]
    if tested_frame is not None:
        parts.append(_encode_part(tested_frame, encoding, test_source))
    learned, *tested = parts
    twins = 0 if given is None else _rows_in_both(parts[0], parts[1], test_source)
    ordered = order.of_rows(
        learned.frame,
        tested[0].frame if tested else None,
        learned.source,
        tested[0].source if tested else test_source,
        known,
    )
    return Dataset(
        name=_short_name(X),
        columns=len(encoding.columns),
        features=np.concatenate([part.features for part in parts]) if tested else learned.features,
        targets=np.concatenate([part.targets for part in parts]),
        encoding=encoding,
        rows_without_target=sum(part.without_target for part in parts),
        images_skipped=table.skipped + (0 if given is None else given.skipped),
        given_test=sum(part.frame.height for part in tested),
        test_rows_known=twins,
        order=ordered,
        ignored=ignored,
        understood=understood,
        notices=(*table.notices, *notices_of(understood), *([_left_out(lags)] if lags else [])),
        task_guess=None if str(X) in BUNDLED else guess,
        copies=find_copies(learned.features, learned.targets),
    )


def reading_of(options: ColumnsOptions) -> Reading:
    """How a user says that files are to be read."""
    return Reading(
        header=options.header,
        encoding=options.encoding,
        separator=options.separator,
        sheet=options.sheet,
        skip_broken=options.skip_broken,
        ignored=tuple(options.ignore),
    )


def _lagged(
    count: int,
    frame: pl.DataFrame,
    tested: pl.DataFrame | None,
    target: str,
    time: str | None,
    sources: tuple[Source, Source],
    kinds: Mapping[str, KindGiven],
) -> tuple[Lags, pl.DataFrame, pl.DataFrame | None, Source]:
    """The rows with earlier values of the target, but for the first ones, which have too few."""
    if time is None:
        raise ArgumentError(
            f"lags={count} is given without time: expected the column that orders the rows. Give --time too."
        )
    lags = Lags(count=count, target=target, time=time_column(frame[time], sources[0], kinds))
    frames = [frame] if tested is None else [frame, tested]
    lagged = with_lags(frames, lags, sources[: len(frames)])
    complete = complete_rows(frame, lags, sources[0])
    if not complete.any():
        raise DataError(
            f"{sources[0]}: lags={count} leaves none of its {frame.height} rows: expected fewer. Use --lags 1."
        )
    return lags, lagged[0].filter(complete), lagged[1] if tested is not None else None, sources[0].where(complete)


def _left_out(lags: Lags) -> str:
    return f"the first {lags.count} rows by {lags.time.name} are left out, as they have too few values before them"


_TIME_IS_NO_FEATURE = (
    " The column {time} of --time is no feature, as that of a new row would be beyond all known. Of a series, --lags 7 makes "
    "features of the seven values before each row."
)


def _nothing_left(source: Source, target: str, time: str | None, understood: Sequence[UnderstoodColumn]) -> DataError:
    out = "; ".join(f"{column.name} ({column.kind}: {column.reason})" for column in understood)
    what = f" Left out: {out}. Say --as {understood[0].name}=category to use one all the same." if understood else ""
    told = _TIME_IS_NO_FEATURE.format(time=repr(time)) if time else ""
    return DataError(f"{source}: no column is left to learn from, besides the target {target!r}.{told}{what}")


@dataclass(frozen=True)
class _Part:
    frame: pl.DataFrame
    source: Source
    features: np.ndarray
    targets: np.ndarray
    without_target: int


def _encode_part(frame: pl.DataFrame, encoding: Encoding, source: Source) -> _Part:
    """The rows that have a target, encoded."""
    if encoding.target not in frame.columns:
        raise missing_column(source, encoding.target, frame.columns)
    kept = (~without_value(frame[encoding.target])).to_numpy()
    labelled, labelled_source = (frame, source) if kept.all() else (frame.filter(kept), source.where(kept))
    targets = encode_target(labelled[encoding.target], encoding.classes, labelled_source)
    if (
        not encoding.classes and np.isnan(targets).any()
    ):  # a text such as "-nan" is not missing as texts go, and yet no number
        kept = ~np.isnan(targets)
        labelled, labelled_source, targets = labelled.filter(kept), labelled_source.where(kept), targets[kept]
    return _Part(
        frame=labelled,
        source=labelled_source,
        features=encoding.encode(labelled, labelled_source),
        targets=targets,
        without_target=frame.height - labelled.height,
    )


def _rows_in_both(learned: _Part, tested: _Part, source: Source) -> int:
    """How many test rows have a twin, features and target alike, to learn from.

    Raises:      DataError if there is no test row, or if all have a twin though most differ from each other, as where a file is
                 given twice. Rows of a few coarse columns are alike by nature.
    """
    if len(tested.targets) == 0:
        raise DataError(f"{source}: no row has a target: expected rows to test on. Add their targets.")
    known = {hash(row.tobytes()) for row in np.column_stack([learned.features, learned.targets])}
    rows = [hash(row.tobytes()) for row in np.column_stack([tested.features, tested.targets])]
    twins = sum(row in known for row in rows)
    if twins == len(rows) and len(set(rows)) > len(rows) / 2:
        raise DataError(
            f"{source}: each of its {twins} rows is among the rows to learn from too: expected rows of its own, since a net "
            f"that knows them by heart would seem to be perfect. Take them out of one of the two."
        )
    return twins


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def _short_name(data: Any) -> str:
    """The name of a file or folder without where it lies and its ending; of "." and "..", that of the folder they stand for."""
    if not isinstance(data, str | Path):
        return "data"
    path = Path(data)
    name = (path.resolve() if path.name in ("", "..") else path).name
    return name_without_ending(name) or "data"


def _name_of(data: Any, otherwise: str) -> str:
    return str(data) if isinstance(data, str | Path) else otherwise
