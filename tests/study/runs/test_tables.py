"""Tables made from records: whatever the order of fields and columns, a value comes back under its own name."""

import itertools
import math
import sqlite3
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import create_model

from dropnorm._record import Record
from dropnorm.study.runs.store import TABLES
from dropnorm.study.runs.tables import RecordTable

INFINITIES = (math.inf, -math.inf)


class Inner(Record):
    sizes: tuple[float, ...]


class Everything(Record):
    key: int
    whole: int
    number: float
    text: str
    truth: bool
    numbers: tuple[float, ...]
    choice: Literal["one", "other"]
    inner: Inner
    anything: Any
    perhaps_whole: int | None = None
    perhaps_number: float | None = 0.25
    perhaps_inner: Inner | None = None
    group: str = "it's"


VALUES = {
    "key": 7,
    "whole": 1,
    "number": 2.5,
    "text": "three",
    "truth": True,
    "numbers": (4.5, math.inf),
    "choice": "other",
    "inner": Inner(sizes=(5.5, -math.inf)),
    "anything": {"list": [6, None, "7"]},
    "perhaps_whole": 8,
    "perhaps_number": 9.5,
    "perhaps_inner": Inner(sizes=()),
    "group": "ten",
}
TABLE = RecordTable("everything", Everything, key=("key",), blobs={"weights": bytes, "state": bytes | None})


@pytest.fixture
def database():
    opened = sqlite3.connect(":memory:")
    opened.row_factory = sqlite3.Row
    yield opened
    opened.close()


def distinct(annotation: Any, numbers: itertools.count) -> Any:
    """A value of a field's type that no other field has, but for truth values."""
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    kind, number = kinds[0], next(numbers)
    if get_origin(annotation) is tuple:
        return tuple(distinct(kind, numbers) for _ in range(3))
    if isinstance(kind, type) and issubclass(kind, Record):
        return filled(kind, numbers)
    made = {bool: number % 2 == 1, int: number, float: number + 0.5, str: f"text {number}", Any: {"of": [number, None]}}
    return made[kind]


def filled(record: type[Record], numbers: itertools.count) -> Record:
    return record(**{name: distinct(field.annotation, numbers) for name, field in record.model_fields.items()})


def kept(database, table, records, **blobs):
    """What comes back of records that are kept in a new table."""
    database.execute(table.creation)
    for record in records:
        database.execute(*table.insertion(record, blobs))
    return read(database, table)


def read(database, table):
    present = {row["name"] for row in database.execute("SELECT name FROM pragma_table_info(?)", (table.name,))}
    return [table.record_of(dict(row)) for row in database.execute(table.selection(present))]


def blobs_of(table):
    return {name: name.encode() for name in table.blobs}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_field_of_every_table_comes_back_under_its_name(table, database):
    numbers = itertools.count(1)
    records = [filled(table.record, numbers) for _ in range(3)]
    assert kept(database, table, records, **blobs_of(table)) == records
    for name in table.record.model_fields:
        (value,) = database.execute(f'SELECT "{name}" FROM "{table.name}"').fetchone()
        if isinstance(getattr(records[0], name), int | float | str):
            assert value == getattr(records[0], name)
    for name in table.blobs:
        assert database.execute(f'SELECT "{name}" FROM "{table.name}"').fetchone()[0] == name.encode()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("order", ["reversed", "sorted", "rotated"])
def test_a_record_whose_fields_change_places_is_read_from_an_older_table(table, order, database):
    """Fields that are swapped, of the same type or not, neither shift values on reading nor on writing."""
    names = list(table.record.model_fields)
    moved = {"reversed": names[::-1], "sorted": sorted(names), "rotated": names[1:] + names[:1]}[order]
    fields = {name: (table.record.model_fields[name].annotation, table.record.model_fields[name]) for name in moved}
    other = RecordTable(
        table.name, create_model("Moved", __base__=Record, **fields), table.key, dict(reversed(table.blobs.items()))
    )
    numbers = itertools.count(1)
    record = filled(table.record, numbers)
    kept(database, table, [record], **blobs_of(table))
    (back,) = read(database, other)
    assert back.model_dump() == record.model_dump()
    later = filled(table.record, numbers)
    database.execute(*other.insertion(other.record(**later.model_dump()), blobs_of(table)))
    assert read(database, table) == [record, later]


def test_types_and_nullability_come_from_the_fields(database):
    database.execute(TABLE.creation)
    found = {
        row["name"]: (row["type"], bool(row["notnull"]), bool(row["pk"]))
        for row in database.execute("SELECT * FROM pragma_table_info('everything')")
    }
    assert found == {
        "key": ("INTEGER", True, True),
        "whole": ("INTEGER", True, False),
        "number": ("ANY", True, False),
        "text": ("TEXT", True, False),
        "truth": ("INTEGER", True, False),
        "numbers": ("TEXT", True, False),
        "choice": ("TEXT", True, False),
        "inner": ("TEXT", True, False),
        "anything": ("TEXT", True, False),
        "perhaps_whole": ("INTEGER", False, False),
        "perhaps_number": ("ANY", False, False),
        "perhaps_inner": ("TEXT", False, False),
        "group": ("TEXT", True, False),
        "weights": ("BLOB", True, False),
        "state": ("BLOB", False, False),
    }
    assert database.execute("SELECT strict FROM pragma_table_list('everything')").fetchone()[0] == 1


@pytest.mark.parametrize("anything", [None, True, 3, 0.1, "text", [], {"a": {"b": [1.5, None]}}])
def test_values_of_every_type_come_back(anything, database):
    full = Everything(**VALUES | {"anything": anything})
    empty = Everything(**VALUES | {name: None for name in VALUES if name.startswith("perhaps")} | {"key": 8})
    assert kept(database, TABLE, [empty, full], weights=b"w", state=None) == [full, empty]


@pytest.mark.parametrize("number", [math.inf, -math.inf, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, 2.0**53 + 2])
def test_numbers_come_back_to_the_bit(number, database):
    record = Everything(**VALUES | {"number": number, "perhaps_number": number, "numbers": (number,)})
    (back,) = kept(database, TABLE, [record], weights=b"", state=b"")
    for value in (back.number, back.perhaps_number, *back.numbers):
        assert value.hex() == number.hex()


def test_nan_comes_back_and_is_not_taken_for_none(database):
    nan = {"number": math.nan, "perhaps_number": math.nan, "numbers": (math.nan, 1.0), "inner": {"sizes": [math.nan]}}
    (back,) = kept(database, TABLE, [Everything(**VALUES | nan)], weights=b"", state=b"")
    values = (back.number, back.perhaps_number, back.numbers[0], back.inner.sizes[0])
    assert all(math.isnan(value) for value in values)


def test_rows_are_sorted_by_their_key_whatever_came_first(database):
    class Place(Record):
        row: int
        column: int

    table = RecordTable("places", Place, key=("column", "row"))
    places = [Place(row=row, column=column) for column, row in itertools.product(range(3), range(3))]
    assert kept(database, table, places[::-1]) == places


def test_a_row_of_the_same_key_is_refused_or_replaced(database):
    record, other = Everything(**VALUES), Everything(**VALUES | {"whole": 11})
    kept(database, TABLE, [record], weights=b"", state=None)
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(*TABLE.insertion(other, {"weights": b"", "state": None}))
    database.execute(*TABLE.insertion(other, {"weights": b"", "state": None}, replace=True))
    assert read(database, TABLE) == [other]


def older(database, without, *, beyond=""):
    """A table that lacks columns, with one row."""
    columns = [column for column in TABLE.columns if column.name not in without]
    database.execute(f"CREATE TABLE everything ({', '.join(column.declaration for column in columns)}{beyond})")
    values = {column.name: column.encode(VALUES.get(column.name, b"")) for column in columns}
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join("?" * len(values))
    database.execute(f"INSERT INTO everything ({names}) VALUES ({places})", list(values.values()))


DEFAULTS = {"perhaps_whole": None, "perhaps_number": 0.25, "group": "it's"}


def test_what_an_older_table_lacks_has_its_default_and_what_it_has_beyond_is_ignored(database):
    older(database, DEFAULTS, beyond=", more TEXT, rate REAL DEFAULT 3.0")
    assert read(database, TABLE) == [Everything(**VALUES | DEFAULTS)]


def test_a_column_that_is_added_holds_the_default_in_older_rows(database):
    older(database, DEFAULTS)
    present = VALUES.keys() - DEFAULTS.keys() | TABLE.blobs.keys()
    lacking = TABLE.lacking(present)
    assert {column.name for column in lacking} == set(DEFAULTS)
    for column in lacking:
        (literal,) = database.execute("SELECT quote(?)", (column.encode(column.default),)).fetchone()
        database.execute(TABLE.addition(column, literal))
    assert TABLE.lacking(VALUES.keys() | TABLE.blobs.keys()) == ()
    later = Everything(**VALUES | {"key": 8, "group": "later"})
    database.execute(*TABLE.insertion(later, {"weights": b"", "state": None}))
    assert read(database, TABLE) == [Everything(**VALUES | DEFAULTS), later]


@pytest.mark.parametrize("name", ["number", "inner", "weights"])
def test_a_column_that_must_be_there_is_named(name, database):
    older(database, {name})
    with pytest.raises(ValueError, match=rf"\Ano such column: everything\.{name}\Z"):
        read(database, TABLE)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("number", "much", "everything.number: Input should be a valid number"),
        ("number", None, "everything.number: Input should be a valid number"),
        ("number", b"\x00", "everything.number: Input should be a valid number"),
        ("whole", "x", "everything.whole: Input should be a valid integer, unable to parse string as an integer"),
        ("truth", 2, "everything.truth: Input should be a valid boolean, unable to interpret input"),
        ("inner", "{", "everything.inner: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (
            "inner",
            '{"sizes": ["x"]}',
            "everything.inner.sizes.0: Input should be a valid number, unable to parse string",
        ),
        ("inner", 3, "everything.inner: the JSON object must be str, bytes or bytearray, not int"),
        ("numbers", "[" * 100_000, "everything.numbers: maximum recursion depth exceeded"),
        ("choice", '"none"', "everything.choice: Input should be 'one' or 'other'"),
    ],
)
def test_a_value_that_cannot_be_is_named(column, value, message, database):
    row = {one.name: one.encode(VALUES[one.name]) for one in TABLE.fields} | {column: value}
    with pytest.raises(ValueError) as error:
        TABLE.record_of(row)
    assert str(error.value).startswith(message)
