import pytest

from dropnorm.errors import RunError
from dropnorm.study.sources.reading import read_source
from dropnorm.study.sources.writing import write_table

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
