import pytest

from dropnorm.errors import ArgumentError, RunError
from dropnorm.study.data.sources.reading import read_source
from dropnorm.study.data.sources.writing import write_table

MAGIC = {
    "parquet": b"PAR1",
    "pq": b"PAR1",
    "arrow": b"ARROW1",
    "feather": b"ARROW1",
    "tsv": b"width\t",
    "csv": b"width,",
}


@pytest.mark.parametrize("ending", MAGIC)
def test_what_is_written_can_be_read_again(tmp_path, table, ending):
    path = tmp_path / f"out.{ending}"
    write_table(table, path)
    assert read_source(path).frame.equals(table)
    assert path.read_bytes().startswith(MAGIC[ending])


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path, table, refuses):
    path = tmp_path / "none" / "out.csv"
    message = f"{path}: cannot be written (No such file or directory). Name a file in a folder of yours."
    with refuses(RunError, message):
        write_table(table, path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "ending", "hint"),
    [
        ("out.xlsx", ".xlsx", ""),
        ("out", "no ending", ""),
        ("out.parqet", ".parqet", " Did you mean {folder}/out.parquet?"),
        ("out.csvv", ".csvv", " Did you mean {folder}/out.csv?"),
    ],
)
def test_an_ending_that_stands_for_no_format(name, ending, hint, tmp_path, table, refuses):
    message = (
        f"{tmp_path / name}: files that end with {ending} are not written. Expected one of .csv, .tsv, .parquet, .pq, .arrow, "
        f".feather, .ipc.{hint.format(folder=tmp_path)}"
    )
    with refuses(ArgumentError, message):
        write_table(table, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
