import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from torch.utils.data import TensorDataset

from dropnorm.errors import ArgumentTypeError, DataError
from dropnorm.study.data.sources.new_rows import frame_of_new_rows

NAMES = {"a": (), "b": (), "c": ()}
ROW, ROWS = [1.0, 2.0, 3.0], np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

ONE_ROW = {
    "list": ROW,
    "tuple": tuple(ROW),
    "array": np.array(ROW),
    "tensor": torch.tensor(ROW),
    "polars Series": pl.Series(ROW),
    "pandas Series": pd.Series(ROW),
    "pandas Series by name": pd.Series({"c": 3.0, "a": 1.0, "b": 2.0, "id": 7.0}),
    "dictionary": {"c": 3.0, "a": 1.0, "b": 2.0},
    "list of a dictionary": [{"c": 3.0, "a": 1.0, "b": 2.0}],
}
SEVERAL = {
    "array": ROWS,
    "lists": ROWS.tolist(),
    "tensor": torch.from_numpy(ROWS),
    "objects": ROWS.astype(object),
    "pandas": pd.DataFrame(ROWS, columns=list(NAMES), index=[7, 9]),
    "polars": pl.DataFrame(ROWS, schema=list(NAMES)),
    "columns": {"a": [1.0, 4.0], "b": np.array([2.0, 5.0]), "c": pd.Series([3.0, 6.0], index=[4, 2])},
    "dictionaries": [{"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 4.0, "b": 5.0, "c": 6.0}],
    "Dataset": TensorDataset(torch.from_numpy(ROWS), torch.zeros(2)),
}


@pytest.mark.parametrize("X", ONE_ROW.values(), ids=ONE_ROW)
def test_one_row_by_name_or_position(X):
    assert frame_of_new_rows(X, NAMES).select(*NAMES).rows() == [(1, 2, 3)]


@pytest.mark.parametrize("X", SEVERAL.values(), ids=SEVERAL)
def test_several_rows_by_name_or_position(X):
    frame = frame_of_new_rows(X, NAMES)
    assert (frame.columns, frame.rows()) == (list(NAMES), [(1, 2, 3), (4, 5, 6)])


def test_texts_gaps_and_truth_values_lie_beside_numbers():
    rows = [{"a": 1, "b": "x", "c": None}, {"a": 2.5, "b": None, "c": True}]
    assert frame_of_new_rows(rows, NAMES).rows() == [(1.0, "x", None), (2.5, None, True)]
    mixed = np.array([["u", 1, float("nan")], ["v", 2, 3.5]], dtype=object)
    assert frame_of_new_rows(mixed, NAMES).rows() == [("u", 1, None), ("v", 2, 3.5)]
    assert frame_of_new_rows([{"a": 1}, {"b": 2}], NAMES).rows() == [(1, None), (None, 2)]


def test_a_single_column_takes_its_values_in_a_line():
    assert frame_of_new_rows([1.0, 2.0, 3.0], {"a": ()}).rows() == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    "X", [np.arange(12.0).reshape(2, 2, 3), np.arange(12.0).reshape(2, 6), np.arange(12).reshape(2, 1, 6)]
)
def test_images_are_arrays_or_their_numbers_in_a_row(X):
    frame = frame_of_new_rows(X, {"x": (2, 3)})
    np.testing.assert_array_equal(frame["x"].to_numpy(), np.arange(12).reshape(2, 2, 3))
    assert frame_of_new_rows(np.zeros((2, 3)), {"x": (2, 3)}).height == 1


@pytest.mark.parametrize("X", [np.zeros((2, 4)), np.zeros((2, 2)), np.zeros(4), np.zeros((2, 3, 3)), [[1.0], [2.0]]])
def test_another_number_of_columns(X, refuses):
    shape = np.shape(X) if np.ndim(X) > 1 else (1, len(X))
    message = (
        f"X of shape {shape} has no names, and not as many columns as were studied: expected (rows, 3), in the order a, b, c. "
        f"Bring the columns into that order, or give a frame with their names."
    )
    with refuses(DataError, message):
        frame_of_new_rows(X, NAMES)


@pytest.mark.parametrize("X", [5, None, object(), np.array(1.0), np.array([1 + 2j]), [[1.0], [2.0, 3.0]]])
def test_what_is_no_table(X):
    with pytest.raises(ArgumentTypeError, match="is not a table: expected a frame, a dictionary"):
        frame_of_new_rows(X, NAMES)


@pytest.mark.parametrize("X", [{"a": [1, 2], "b": [1]}, {"a": [1, 2], "b": 1}])
def test_columns_of_several_lengths(X):
    with pytest.raises(DataError, match=r"X is a dictionary of columns of .* expected one length for all"):
        frame_of_new_rows(X, NAMES)
