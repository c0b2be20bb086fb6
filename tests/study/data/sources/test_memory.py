from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from dropnorm.errors import ArgumentTypeError, DataError
from dropnorm.study.data.sources.memory import array_column, as_column, from_dataset, from_memory


def test_a_polars_frame_is_taken_as_it_is(table):
    assert from_memory(table) is table


def test_a_pandas_frame_keeps_its_values_and_tells_what_is_missing():
    frame = pd.DataFrame(
        {
            "whole": [1, 2, 3],
            "gaps": [1.5, np.nan, 2.5],
            "nullable": pd.array([1, pd.NA, 3], dtype="Int64"),
            "truth": pd.array([True, None, False], dtype="boolean"),
            "text": ["a", None, "c"],
            "objects": np.array(["a", np.nan, 3], dtype=object),
            "category": pd.Categorical(["low", None, "high"]),
            "coded": pd.Categorical([10, 20, None]),
            "date": pd.to_datetime(["2024-05-01", None, "2024-05-03"]),
            "zoned": pd.to_datetime(["2024-05-01", "2024-05-02", "2024-05-03"], utc=True),
            7: [0, 0, 1],
        },
        index=[5, 6, 7],
    )
    table = from_memory(frame)
    days = pd.to_datetime(["2024-05-01", "2024-05-02", "2024-05-03"])
    assert table.drop("date", "zoned").to_dict(as_series=False) == {
        "whole": [1, 2, 3],
        "gaps": [1.5, None, 2.5],
        "nullable": [1, None, 3],
        "truth": [True, None, False],
        "text": ["a", None, "c"],
        "objects": ["a", None, "3"],
        "category": ["low", None, "high"],
        "coded": ["10", "20", None],
        "7": [0, 0, 1],
    }
    assert table["date"].to_list() == [days[0], None, days[2]]
    assert table["zoned"].dtype.is_temporal()
    assert table["zoned"].dt.epoch("s").to_list() == [int(day.timestamp()) for day in days]


@pytest.mark.parametrize("names", [["a", "b", "a"], ["a", 1, "1"]])
def test_a_name_that_is_there_twice_in_a_pandas_frame(names, refuses):
    frame = pd.DataFrame([[1, 2, 3]], columns=names)
    with refuses(DataError, f"X: the column name {names[2]!r} is there twice. Expected each name once: rename one."):
        from_memory(frame)


@pytest.mark.parametrize(
    "X",
    [np.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3), [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]],
    ids=["numpy", "torch", "lists"],
)
def test_an_array_becomes_numbered_columns(X):
    assert from_memory(X).to_dict(as_series=False) == {"x0": [0, 3], "x1": [1, 4], "x2": [2, 5]}


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 2, 4, 4), (0, 8, 8)])
def test_images_become_a_column_of_arrays(kind, shape):
    images = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    table = from_memory(kind(images))
    assert (table.columns, table.height) == (["x"], shape[0])
    assert table["x"].dtype == pl.Array(pl.UInt8, shape[1:])
    np.testing.assert_array_equal(table["x"].to_numpy(), images)


def test_a_column_of_arrays_keeps_its_type():
    assert array_column("a", np.zeros((2, 1, 3), dtype=np.float32)).dtype == pl.Array(pl.Float32, (1, 3))


def test_an_array_without_rows_is_a_table_without_rows():
    assert from_memory(np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    ("X", "shape", "dtype"),
    [
        ([1, 2], "(2,)", "int64"),
        ([[1, "a", None]], "(1, 3)", "object"),
        ([["1", "a"]], "(1, 2)", "<U1"),
        (7, "()", "int64"),
    ],
)
def test_what_is_no_table(X, shape, dtype, refuses):
    message = (
        f"X of shape {shape} and dtype {dtype} is not a table: expected a frame, or a numeric array of "
        f"shape (rows, columns). Convert it."
    )
    with refuses(ArgumentTypeError, message):
        from_memory(X)


@pytest.mark.parametrize(
    "y",
    [
        ["a", "b", None],
        np.array(["a", "b", None], dtype=object),
        pl.Series(["a", "b", None]),
        pd.Series(["a", "b", None]),
        pd.Series(["a", "b", None], dtype="category"),
        [["a"], ["b"], [None]],
    ],
    ids=["list", "numpy", "polars", "pandas", "pandas categories", "a column"],
)
def test_labels_become_a_column(y):
    column = as_column(y)
    assert (column.name, column.to_list()) == ("target", ["a", "b", None])


def test_labels_of_a_tensor_become_a_column():
    assert as_column(torch.tensor([2, 0, 1])).to_list() == [2, 0, 1]


def test_labels_may_be_missing_and_tensors_of_any_precision():
    assert as_column([None, "a", "b"]).to_list() == [None, "a", "b"]
    x = torch.tensor([[1.5, 2.0]], requires_grad=True)
    assert from_memory(x).rows() == [(1.5, 2.0)]
    assert from_memory(x.detach().bfloat16()).rows() == [(1.5, 2.0)]


class Listed(Dataset[Any]):
    """A map-style Dataset of given items."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


class Endless(IterableDataset[Any]):
    def __iter__(self):
        yield torch.zeros(2), 0


def test_a_dataset_becomes_an_array_and_labels():
    x, y = torch.arange(24.0).reshape(4, 2, 3), torch.tensor([1, 0, 1, 1])
    features, labels = from_dataset(TensorDataset(x, y), "X")
    np.testing.assert_array_equal(features, x.numpy())
    assert labels == [1, 0, 1, 1]


def test_items_of_a_dataset_may_be_arrays_lists_and_texts():
    features, labels = from_dataset(Listed((np.array([1, 2]), "a"), ([3, 4], np.str_("b")), [(5.5, 6), 0.5]), "X")
    assert features.tolist() == [[1, 2], [3, 4], [5.5, 6]]
    assert labels == ["a", "b", 0.5]


def test_single_numbers_are_rows_of_one_column():
    assert from_dataset(Listed((1.0, 0), (2.0, 1)), "X")[0].tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ((), "X: the Dataset has no item. Expected pairs (x, y)."),
        (
            (torch.zeros(2),),
            "X: item 0 of the Dataset is a Tensor: expected a pair (x, y). Wrap the Dataset in one whose items are such "
            "pairs.",
        ),
        (
            ((torch.zeros(2), 0), (torch.zeros(2), 1, 2)),
            "X: item 1 of the Dataset is a tuple: expected a pair (x, y). Wrap the Dataset in one whose items are such pairs.",
        ),
        (
            ((torch.zeros(2), 0), (torch.zeros(3), 1)),
            "X: x of item 1 of the Dataset has shape (3,) and dtype float64: expected numbers of shape (2,), as item 0 has. "
            "Bring all items to one shape first.",
        ),
        (
            (("text", 0),),
            "X: x of item 0 of the Dataset has shape () and dtype <U4: expected numbers. Bring all items to one shape first.",
        ),
        (
            ((torch.zeros(2), torch.zeros(2)),),
            "X: y of item 0 of the Dataset has shape (2,): expected one label or number.",
        ),
    ],
    ids=["none", "no pair", "three", "another shape", "a text", "several labels"],
)
def test_items_that_do_not_fit(items, message, refuses):
    with refuses(DataError, message):
        from_dataset(Listed(*items), "X")


def test_a_dataset_without_a_length(refuses):
    message = (
        "test is a Dataset without a length: expected a map-style one, with __len__ and __getitem__. Collect its items into "
        "arrays first."
    )
    with refuses(ArgumentTypeError, message):
        from_dataset(Endless(), "test")
