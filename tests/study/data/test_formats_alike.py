"""One table, whatever file it lies in: the same study, and the same kinds of columns."""

import datetime
import gzip
import string

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dropnorm as dn
from dropnorm.study.data.dataset import load_dataset

ROWS = 60
FORMATS = ("csv", "semicolons", "gz", "xlsx", "jsonl", "json", "parquet", "feather")


def write(frame: pl.DataFrame, kind: str, folder, name: str = "table"):
    """Write a table as a file of a kind."""
    ending = {"semicolons": "txt", "gz": "csv.gz"}.get(kind, kind)
    path = folder / f"{name}.{ending}"
    match kind:
        case "csv":
            frame.write_csv(path)
        case "semicolons":
            frame.write_csv(path, separator=";")
        case "gz":
            path.write_bytes(gzip.compress(frame.write_csv().encode()))
        case "xlsx":
            frame.write_excel(path)
        case "jsonl":
            frame.write_ndjson(path)
        case "json":
            frame.write_json(path)
        case "parquet":
            frame.write_parquet(path)
        case "feather":
            frame.write_ipc(path)
    return path


@pytest.fixture(scope="module")
def mixed() -> pl.DataFrame:
    """A table with a column of each kind, gaps among them."""
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "id": [f"u{row:03}" for row in range(ROWS)],
            "width": rng.normal(size=ROWS).round(3),
            "height": [None if row % 9 == 4 else row * 7 % 23 + 0.5 for row in range(ROWS)],
            "count": [row * 5 % 17 for row in range(ROWS)],
            "color": [None if row % 11 == 3 else ("red", "green", "blue")[row % 3] for row in range(ROWS)],
            "striped": [row % 4 < 2 for row in range(ROWS)],
            "day": [datetime.date(2024, 1, 1) + datetime.timedelta(days=row * 3) for row in range(ROWS)],
            "zip": [("00501", "90210", "12345")[row % 3] for row in range(ROWS)],
            "same": ["x"] * ROWS,
            "kind": [("ant", "bee")[row % 2] for row in range(ROWS)],
            "rank": [row % 3 for row in range(ROWS)],
            "price": (10 * rng.normal(size=ROWS)).round(2),
            "paid": [row % 5 < 3 for row in range(ROWS)],
        }
    )


@pytest.mark.parametrize("target", ["kind", "rank", "price", "paid"])
def test_the_same_table_gives_the_same_summary_to_the_byte(target, mixed, tmp_path):
    """Whether its classes are texts, numbers or truth values, or its target a quantity."""
    summaries = set()
    for kind in FORMATS:
        study = dn.run_study(
            write(mixed, kind, tmp_path), target=target, seeds=2, epochs=1, hidden=(4,), batch_size=8, arms="dropout"
        )
        summaries.add(study.summary.model_dump_json())
    assert len(summaries) == 1


def kinds_of(path, target="target"):
    """What each column is taken for; a column that is left out too."""
    return {column.name: column.kind for column in load_dataset(path, target=target).understood}


WORD = st.text(string.ascii_lowercase, min_size=2, max_size=6).filter(
    lambda word: word not in ("na", "nan", "null", "none", "nat", "missing")
)
COLUMNS = {
    "number": st.lists(
        st.floats(-1e6, 1e6).map(lambda number: round(number, 3)), min_size=ROWS, max_size=ROWS, unique=True
    ),
    "boolean": st.lists(st.booleans(), min_size=ROWS, max_size=ROWS).filter(lambda values: len(set(values)) == 2),
    "date": st.lists(
        st.dates(datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)), min_size=ROWS, max_size=ROWS, unique=True
    ),
    "category": st.lists(WORD, min_size=3, max_size=8, unique=True).map(
        lambda words: [f"{words[row % len(words)]}!" for row in range(ROWS)]
    ),
    "identifier": st.lists(st.integers(10**5, 10**6), min_size=ROWS, max_size=ROWS, unique=True).map(
        lambda numbers: [f"k{number}z" for number in numbers]
    ),
    "constant": WORD.map(lambda word: [word] * ROWS),
}


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large, HealthCheck.too_slow],
)
@given(data=st.data(), kind=st.sampled_from(FORMATS), gaps=st.booleans())
def test_random_tables_are_read_back_as_the_kinds_they_were_written_as(data, kind, gaps, tmp_path):
    names = [*data.draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4, unique=True)), "number"]
    columns = {f"{name}{place}": data.draw(COLUMNS[name]) for place, name in enumerate(names)}
    if gaps:
        columns = {
            name: values
            if name.startswith(("identifier", "constant"))
            else [None if row % 13 == 5 else value for row, value in enumerate(values)]
            for name, values in columns.items()
        }
    frame = pl.DataFrame(columns).with_columns(target=pl.Series([f"c{row % 2}" for row in range(ROWS)]))
    expected = {name: name.rstrip(string.digits) for name in columns}
    assert kinds_of(write(frame, kind, tmp_path)) == expected
