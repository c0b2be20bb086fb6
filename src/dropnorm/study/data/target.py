"""The column to predict: whether it holds classes or a quantity, and its values for the nets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.class_names import class_codes, class_texts, learn_class_names
from dropnorm.study.data.missing_marks import without_marks
from dropnorm.study.data.number_formats import learn_number_format, parse_numbers
from dropnorm.study.data.sources.table import Source, listed
from dropnorm.study.data.values import as_numbers, is_number, is_text
from dropnorm.study.records import TaskName

MAX_CLASSES = 100
MAX_NUMBERED = 20
_ROWS_OF_CLASS = 5


@dataclass(frozen=True)
class TaskGuess:
    """What a target most likely is, and why; `other` says how to have it taken for the other kind, where it could be."""

    task: TaskName
    reason: str
    other: str = ""

    @property
    def words(self) -> str:
        """The guess as a phrase with its reason."""
        return f"{self.reason}{f'; {self.other}' if self.other else ''}"


def guess_task(column: pl.Series) -> TaskGuess:
    """What a target most likely is.

    Texts and truth values are classes. Numbers are a quantity, unless there are two of them, or all are whole and either at
    most 20, or numbered as classes are, without a gap: from 0 to at most 99, or from 1 to at most 100; and each has five rows
    on average.
    """
    numbers = _numbers_of(column)
    if numbers is None or column.dtype in (pl.Boolean, pl.Categorical, pl.Enum):
        what = "true and false" if set(class_texts(column).drop_nulls()) <= {"True", "False"} else "texts"
        return TaskGuess("classification", f"classes, as its values are {what}")
    different = np.unique(numbers[~np.isnan(numbers)])
    count = len(different)
    if count <= 2:
        told = "two different numbers" if count == 2 else "no two different numbers"
        return TaskGuess("classification", f"classes, as it has {told}", _AS_QUANTITY)
    rows = int((~np.isnan(numbers)).sum())
    # Classes of fewer rows could not be spread over the parts.
    whole = bool((different == np.floor(different)).all()) and count * _ROWS_OF_CLASS <= rows
    if whole and count <= MAX_NUMBERED:
        return TaskGuess("classification", f"classes, as it has {count} different whole numbers", _AS_COUNT)
    if whole and different[0] in (0, 1) and different[-1] - different[0] == count - 1 < MAX_CLASSES:
        span = f"{different[0]:g} to {different[-1]:g}"
        return TaskGuess("classification", f"classes, as they are numbered from {span} without a gap", _AS_COUNT)
    other = "--task classification takes each number for a class" if count <= MAX_CLASSES else ""
    return TaskGuess("regression", f"a quantity, as it has {count:,} different numbers", other)


_AS_QUANTITY = "--task regression takes them for a quantity"
_AS_COUNT = f"{_AS_QUANTITY}, which counts and ratings often are"


def learn_classes(column: pl.Series, source: Source) -> tuple[str, ...]:
    """The names of the classes in their order: of numbers, or of the alphabet.

    Raises:      DataError for a column that is none of classes.
    """
    if not (is_number(column) or is_text(column) or column.dtype.is_temporal()):
        raise DataError(
            f"{source}: the target {column.name!r} holds {column.dtype}: expected texts, numbers, true or false."
        )
    # Numbers among the names keep their order.
    classes = _in_order(learn_class_names(class_texts(column)))
    if len(classes) > MAX_CLASSES:
        instead = "use --task regression" if _numbers_of(column) is not None else "name another --target"
        raise DataError(
            f"{source}: the target {column.name!r} has {len(classes)} different values, so it looks like a quantity or an "
            f"identifier: expected at most {MAX_CLASSES} classes. Bin it into classes, or {instead}."
        )
    if len(classes) < 2:
        found = f"only the class {classes[0]!r}" if classes else "no value in any row"
        raise DataError(f"{source}: the target {column.name!r} has {found}: expected at least two classes.")
    return tuple(classes)


def learn_quantity(column: pl.Series, source: Source) -> None:
    """Check that a target can be that of a regression.

    Raises:      DataError for one that holds anything but numbers, or the same one throughout.
    """
    numbers = quantities_of(column, source)
    different = np.unique(numbers[~np.isnan(numbers)])
    if len(different) < 2:
        found = f"only the value {different[0]:g}" if len(different) else "no value in any row"
        raise DataError(f"{source}: the target {column.name!r} has {found}: expected at least two.")


def encode_target(
    column: pl.Series, classes: Sequence[str], source: Source, merged: Mapping[str, str] | None = None
) -> np.ndarray:
    """Each row's class as int64, or where there are no classes its number as float64.

    Args:        merged: classes that became another one, as they were too rare, with that one.
    Raises:      DataError for a class that was not there when the classes were learned, and for what is no number.
    """
    if not classes:
        return quantities_of(column, source)
    texts = class_texts(column)
    texts = texts.replace(dict(merged)) if merged else texts
    codes = class_codes(texts, classes)
    if codes.null_count():
        row = int(codes.is_null().to_numpy().argmax())
        raise DataError(
            f"{source}, {source.place(row)}: the target {column.name!r} holds {texts[row]!r}, which no row to learn from has: "
            f"expected one of {listed(classes)}. Leave such rows out, or add some to learn from."
        )
    return codes.to_numpy()


def quantities_of(column: pl.Series, source: Source) -> np.ndarray:
    """The numbers of a target in float64, NaN where one is missing."""
    numbers = _numbers_of(column)
    if numbers is None:
        stray = _stray(column, source) if is_text(column) else ""
        raise DataError(
            f"{source}: the target {column.name!r} holds {column.dtype}: expected numbers for a regression.{stray} "
            f"Name another --target, or use --task classification."
        )
    return as_numbers(pl.Series(column.name, numbers), source)


def _numbers_of(column: pl.Series) -> np.ndarray | None:
    """The column's numbers in float64 with NaN for missing, be they written as texts; None if they are no numbers."""
    if is_text(column):
        texts = without_marks(column)
        learned = learn_number_format(texts)
        numbers = texts.cast(pl.Float64, strict=False) if learned is None else parse_numbers(texts, learned.format)
        if (numbers.is_null() & texts.is_not_null()).any():
            return None
    elif column.dtype.is_numeric() or column.dtype == pl.Boolean:
        numbers = column.cast(pl.Float64)
    else:
        return None
    return numbers.fill_null(float("nan")).to_numpy()


def _stray(column: pl.Series, source: Source) -> str:
    """Of a column most of which is numbers, where the first other value is."""
    texts = without_marks(column)
    learned = learn_number_format(texts)
    if learned is None:
        return ""
    row = int((parse_numbers(texts, learned.format).is_null() & texts.is_not_null()).to_numpy().argmax())
    return f" Most are numbers, but {source.place(row)} holds {texts[row]!r}."


def _in_order(texts: list[str]) -> list[str]:
    try:
        return sorted(texts, key=float)
    except ValueError:
        return texts
