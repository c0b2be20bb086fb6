import io
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import polars as pl
import pytest

from dropnorm.errors import DataError
from dropnorm.study import memory
from dropnorm.study.data.sources.columnar import read_arrow, read_parquet

TABLE = pl.DataFrame(
    {"day": pl.Series(["2024-05-01", None]).str.to_date(), "n": [None, 3], "kind": ["ant", "bee"]},
    schema_overrides={"n": pl.Int8},
)
WRITERS: dict[str, tuple[Callable, Callable]] = {
    "parquet": (pl.DataFrame.write_parquet, read_parquet),
    "arrow file": (pl.DataFrame.write_ipc, read_arrow),
    "arrow stream": (pl.DataFrame.write_ipc_stream, read_arrow),
}


@pytest.mark.parametrize("kind", ["parquet", "arrow file", "arrow stream"])
def test_a_file_is_read_with_its_types(kind, tmp_path):
    write, read = WRITERS[kind]
    write(TABLE, tmp_path / "data")
    assert read(tmp_path / "data").equals(TABLE)


def test_a_feather_file_of_pandas_is_read(tmp_path):
    TABLE.to_pandas().to_feather(tmp_path / "data")
    assert read_arrow(tmp_path / "data")["kind"].to_list() == ["ant", "bee"]


@pytest.mark.parametrize("kind", ["Parquet", "Arrow"])
def test_a_file_that_is_another_one(kind, write, refuses):
    path, read = write("a,b\n1,2\n"), read_parquet if kind == "Parquet" else read_arrow
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: is not a readable {kind} file (")
    assert str(caught.value).endswith("). Expected a whole one: write it anew.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["parquet", "arrow file", "arrow stream"])
def test_damage_of_any_kind_is_the_files_fault(kind, tmp_path):
    """Cut off or overwritten at 60 places: what cannot be read any more is a DataError and nothing else."""
    write, read = WRITERS[kind]
    path, rng = tmp_path / "data", np.random.default_rng(0)
    write(pl.DataFrame({"n": range(500), "kind": [str(row) for row in range(500)]}), path)
    content, refused = path.read_bytes(), 0
    for attempt in range(60):
        damaged = bytearray(content[: rng.integers(1, len(content))] if attempt % 3 == 0 else content)
        for _ in range(8):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read(path)
        except DataError:
            refused += 1
    assert refused >= 20


def test_a_reader_that_panics_says_that_the_file_is_damaged(write, refuses, monkeypatch):
    def panic(*_, **__):
        raise pl.exceptions.PanicException("called `Result::unwrap()` on an `Err` value")

    monkeypatch.setattr(pl, "scan_parquet", panic)
    path = write("PAR1", "data.parquet")
    message = f"{path}: is not a readable Parquet file (it is damaged). Expected a whole one: write it anew."
    with refuses(DataError, message):
        read_parquet(path)


def test_a_table_that_does_not_fit_in_memory_is_refused_before_it_is_read(write, monkeypatch):
    buffer = io.BytesIO()
    pl.DataFrame({"a": [1.0] * 1000, "b": [2.0] * 1000}).write_parquet(buffer)
    path = write(buffer.getvalue(), "data.parquet")
    monkeypatch.setattr(memory, "available_memory", lambda: 10_000)
    monkeypatch.setattr(pl, "read_parquet", None)
    with pytest.raises(
        DataError, match=r"a table of 1,000 rows and 2 columns takes 0\.0 MB of memory, where 0\.0 MB are free"
    ):
        read_parquet(path)


def test_a_panic_prints_nothing(write, capfd):
    buffer = io.BytesIO()
    pl.DataFrame({"a": ["x" * 40] * 50}).write_ipc(buffer)
    content = buffer.getvalue()
    for place in range(8, len(content) - 8, 97):
        path = write(content[:place] + b"\xff" * 8 + content[place + 8 :], "data.arrow")
        with suppress(DataError):
            read_arrow(path)
    assert capfd.readouterr().err == ""
