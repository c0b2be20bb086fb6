import numpy as np
import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.encoding import learn_encoding

NAN = float("nan")


def equal(got, expected):
    np.testing.assert_array_equal(np.array(got), np.array(expected))


def test_columns_lie_side_by_side_in_the_tables_order():
    table = pl.DataFrame({"n": [1, None], "y": ["u", "v"], "id": [7, 8], "t": ["b", "a"]})
    encoding = learn_encoding(table, "y", ["id"], "X")
    assert [column.name for column in encoding.columns] == ["n", "t"]
    assert encoding.features == 4
    equal(encoding.encode(table.select("t", "n", "id")), [[1, 0, 0, 1], [NAN, 1, 1, 0]])


def test_a_misspelt_target_or_ignored_column(refuses):
    table = pl.DataFrame({"width": [1, 2], "kind": ["a", "b"]})
    message = "f.csv: there is no column 'knid'. Did you mean 'kind'? The columns are: width, kind."
    with refuses(DataError, message):
        learn_encoding(table, "knid", (), "f.csv")
    with refuses(DataError, "f.csv: there is no column 'zzz'. The columns are: width, kind."):
        learn_encoding(table, "kind", ["zzz"], "f.csv")


def test_of_many_columns_the_first_twelve_are_listed(refuses):
    table = pl.DataFrame({f"c{index}": [0] for index in range(13)})
    listed = ", ".join(f"c{index}" for index in range(12))
    with refuses(DataError, f"f.csv: there is no column 'y'. The columns are: {listed}, ...."):
        learn_encoding(table, "y", (), "f.csv")


def test_nothing_left_to_learn_from(refuses):
    table = pl.DataFrame({"id": [1, 2], "y": ["a", "b"]})
    with refuses(DataError, "f.csv: no column is left to learn from, besides the target 'y'."):
        learn_encoding(table, "y", ["id"], "f.csv")


def test_a_column_that_is_missing_from_the_table_to_encode(refuses):
    encoding = learn_encoding(pl.DataFrame({"width": [1, 2], "y": ["a", "b"]}), "y", (), "X")
    with refuses(DataError, "new.csv: there is no column 'width'. Did you mean 'widht'? The columns are: widht."):
        encoding.encode(pl.DataFrame({"widht": [1]}), "new.csv")
