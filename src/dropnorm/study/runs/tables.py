"""From records to tables of SQLite: a table's columns are its record's fields, and every value goes by its column's name.

Nothing here talks to a database: a table gives the SQL, and turns records into values and rows into records.
"""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import PydanticUndefined, to_json

from dropnorm._record import Record

AnyRecord = TypeVar("AnyRecord", bound=Record)

# SQLite keeps NaN as NULL, which stands for None here. A column of the type ANY takes it as a text, and a float as it is.
_TYPES: dict[Any, str] = {bool: "INTEGER", int: "INTEGER", float: "ANY", str: "TEXT", bytes: "BLOB"}
_NAN = "NaN"


@dataclass(frozen=True)
class Column:
    """One column: its name, the Python type of its values, whether NULL is a value, and the field's default, if it has one.

    A type without a counterpart in SQLite is kept as JSON.
    """

    name: str
    type: Any
    nullable: bool
    default: Any = PydanticUndefined

    @property
    def required(self) -> bool:
        """Whether a row without this column has no value for it."""
        return self.default is PydanticUndefined

    @property
    def declaration(self) -> str:
        """The column in a CREATE TABLE."""
        return f'"{self.name}" {_TYPES.get(self.type, "TEXT")}{"" if self.nullable else " NOT NULL"}'

    def encode(self, value: Any) -> Any:
        """A field's value as SQLite keeps it."""
        if self.type is float:
            return _NAN if value is not None and math.isnan(value) else value
        if self.type in _TYPES or (value is None and self.nullable):
            return value
        return to_json(value, inf_nan_mode="constants").decode()

    def decode(self, value: Any) -> Any:
        """The value of a field from what SQLite has kept.

        Raises:      ValueError for a text that is no JSON, or that stands in the place of a number.
        """
        if value is None:
            return None
        if self.type not in _TYPES:
            return json.loads(value)
        if self.type is float and isinstance(value, str):
            if value != _NAN:
                raise ValueError("Input should be a valid number")
            return math.nan
        return value


@dataclass(frozen=True)
class RecordTable(Generic[AnyRecord]):
    """A table of records: one row each, under the columns of its key.

    Args:        name: in the database; record: its type, whose fields are the columns; key: the fields that tell rows apart,
                 by which they are sorted too; blobs: what a row holds beside its record, by name with `bytes` or
                 `bytes | None`.
    """

    name: str
    record: type[AnyRecord]
    key: tuple[str, ...]
    blobs: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def fields(self) -> tuple[Column, ...]:
        """The columns that are the record's fields."""
        known = self.record.model_fields.items()
        return tuple(
            Column(name, *_type_of(one.annotation), one.get_default(call_default_factory=True)) for name, one in known
        )

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All columns."""
        return (*self.fields, *(Column(name, *_type_of(annotation)) for name, annotation in self.blobs.items()))

    @cached_property
    def _places(self) -> str:
        """Where the values of all columns go in an INSERT."""
        names = [column.name for column in self.columns]
        return f'"{self.name}" ({_listed(names)}) VALUES ({", ".join("?" * len(names))})'

    @property
    def creation(self) -> str:
        """The CREATE TABLE."""
        columns = ", ".join(column.declaration for column in self.columns)
        # The rows of a key of several columns are found by it alone.
        without_rowid = ", WITHOUT ROWID" if len(self.key) > 1 else ""
        return f'CREATE TABLE "{self.name}" ({columns}, PRIMARY KEY ({_listed(self.key)})) STRICT{without_rowid}'

    def lacking(self, present: Collection[str]) -> tuple[Column, ...]:
        """The fields' columns that a table of an older version does not have.

        Raises:      ValueError for a column that no version has ever been without.
        """
        for column in self.columns:
            if column.name not in present and column.required:
                raise ValueError(f"no such column: {self.name}.{column.name}")
        return tuple(column for column in self.fields if column.name not in present)

    def addition(self, column: Column, literal: str) -> str:
        """The ALTER TABLE that adds a column, in which older rows have the default, given as a literal of SQL."""
        return f'ALTER TABLE "{self.name}" ADD COLUMN {column.declaration} DEFAULT {literal}'

    def insertion(self, record: AnyRecord, blobs: Mapping[str, Any], *, replace: bool = False) -> tuple[str, list[Any]]:
        """The INSERT of a record with its blobs, and the values for it."""
        values = [column.encode(getattr(record, column.name)) for column in self.fields]
        verb = "INSERT OR REPLACE" if replace else "INSERT"
        return f"{verb} INTO {self._places}", [*values, *(blobs[name] for name in self.blobs)]

    def selection(self, present: Collection[str], condition: str = "") -> str:
        """The SELECT of the records that a condition holds for, of the columns that are there.

        Raises:      ValueError for a column that no version has ever been without.
        """
        lacking = {column.name for column in self.lacking(present)}
        names = [column.name for column in self.fields if column.name not in lacking]
        return f'SELECT {_listed(names)} FROM "{self.name}" {condition} ORDER BY {_listed(self.key)}'

    def record_of(self, row: Mapping[str, Any]) -> AnyRecord:
        """The record of a row, read by names; a field without a column has its default.

        Raises:      ValueError that names table and column of a value that cannot be.
        """
        values = {}
        for column in self.fields:
            if column.name in row:
                try:
                    values[column.name] = column.decode(row[column.name])
                except (ValueError, TypeError, RecursionError) as error:
                    raise ValueError(f"{self.name}.{column.name}: {error}") from error
        try:
            return self.record.model_validate(values)
        except ValidationError as error:
            wrong = error.errors()[0]
            raise ValueError(f"{'.'.join([self.name, *map(str, wrong['loc'])])}: {wrong['msg']}") from error


def _type_of(annotation: Any) -> tuple[Any, bool]:
    """The type of a field without None, and whether it may be None."""
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    types = [option for option in options if option is not NoneType]
    return types[0] if len(types) == 1 else annotation, NoneType in options


def _listed(names: Collection[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
