from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.opening import open_features, open_source, open_test
from dropnorm.study.data.sources.table import Table

X, Y = np.arange(6.0).reshape(3, 2), [1, 0, 1]


def test_a_bundled_set_knows_its_target_and_takes_another():
    assert open_source("wine")[1] == "target"
    assert open_source("wine", target="alcohol")[1] == "alcohol"


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (X, Y),
        (torch.from_numpy(X), torch.tensor(Y)),
        (pd.DataFrame(X, columns=["x0", "x1"]), pd.Series(Y)),
        (pl.DataFrame(X, schema=["x0", "x1"]), pl.Series(Y)),
        (TensorDataset(torch.from_numpy(X), torch.tensor(Y)), None),
    ],
    ids=["numpy", "torch", "pandas", "polars", "Dataset"],
)
def test_data_in_memory_is_one_table_with_its_labels(X: Any, y: Any):
    table, target = open_source(X, y)
    assert (target, table.target) == ("target", "target")
    assert table.frame.to_dict(as_series=False) == {"x0": [0, 2, 4], "x1": [1, 3, 5], "target": [1, 0, 1]}


def test_without_a_target_the_columns_are_named(write, refuses):
    names = [f"c{index}" for index in range(14)]
    path = write(",".join(names) + "\n" + ",".join("1" * 14) + "\n")
    message = (
        f"{path}: the column to predict is not given. Expected one of: {', '.join(names[:12])}, ..., c13. Name it with "
        f"--target: by its name, its number, first or last."
    )
    with refuses(DataError, message):
        open_source(path)


@pytest.mark.parametrize(("given", "arguments"), [("y", {"y": [0]}), ("target", {"target": "x0"})])
def test_a_dataset_holds_its_labels_itself(given, arguments, refuses):
    dataset = TensorDataset(torch.zeros(1, 2), torch.zeros(1))
    with refuses(ArgumentError, f"{given} is given beside a Dataset, whose items (x, y) hold y already. Leave it out."):
        open_source(dataset, **arguments)


def test_what_is_to_be_predicted_needs_no_target(tmp_path):
    assert open_features(X).frame.columns == ["x0", "x1"]
    assert open_features(TensorDataset(torch.from_numpy(X), torch.zeros(3))).frame.columns == ["x0", "x1"]
    Image.new("L", (2, 2)).save(tmp_path / "0.png")
    images = open_features(tmp_path, Reading(labelled=False))
    assert (images.files, images.target) == (("0.png",), None)


def test_texts_stay_as_they_are_written(write):
    reading = Reading(texts=("code",))
    assert open_features(write("code,x\n01.50,1\n2.0,2\n"), reading).frame["code"].to_list() == ["01.50", "2.0"]


@pytest.mark.parametrize(
    ("X", "plain"), [(X, True), (torch.from_numpy(X), True), (pl.DataFrame(X), False), (pd.DataFrame(X), False)]
)
def test_columns_of_an_array_are_plain(X, plain):
    assert open_features(X).plain == plain
    assert open_source(X, Y)[0].plain == plain


@pytest.mark.parametrize("kind", ["pair", "npz", "frame"])
def test_a_test_part_of_another_kind_brings_its_own_name_for_the_target(kind, tmp_path):
    y = np.array(["a", "b", "a"])
    np.savez(tmp_path / "t.npz", X=X, y=y)
    table, target = open_source(X, y)
    named = open_source(X, y)[0].frame.rename({target: "kind"})
    test = {"pair": (X, y), "npz": tmp_path / "t.npz", "frame": named}[kind]
    learned = Table(named, target="kind")
    tested = open_test(test, learned, "kind")
    assert tested is not None
    assert tested.frame["kind"].to_list() == ["a", "b", "a"]
    if kind != "frame":
        assert open_test(test, table, target).frame[target].to_list() == ["a", "b", "a"]


def test_a_test_file_with_two_parts(tmp_path, refuses):
    y = np.array([0, 1, 0])
    path = tmp_path / "t.npz"
    np.savez(path, X_train=X, y_train=y, X_test=X, y_test=y)
    table, target = open_source(X, y)
    with refuses(
        DataError,
        f"{path}: it holds both X_train and X_test: expected one table to test on. Save its X_test and y_test as X and y, or "
        f"study the file itself.",
    ):
        open_test(path, table, target)


def test_a_test_part_has_as_many_channels_as_what_is_learned_from(tmp_path, refuses):
    grey, color = np.zeros((4, 5), dtype=np.uint8), np.zeros((4, 5, 3), dtype=np.uint8)
    for part, pixels in (("grey", grey), ("color", color)):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.fromarray(pixels).save(tmp_path / part / name / "0.png")
    learned, target = open_source(tmp_path / "color")
    assert open_test(tmp_path / "grey", learned, target).frame["image"].dtype.shape == (3, 4, 5)
    assert open_features(tmp_path / "grey", Reading(studied=(3, 4, 5))).frame["image"].dtype.shape == (3, 4, 5)
    learned, target = open_source(tmp_path / "grey")
    with pytest.raises(DataError, match="are in color, where the studied ones are grey"):
        open_test(tmp_path / "color", learned, target)


def test_columns_to_be_kept_as_texts_are_so_in_both_files(write):
    learned = write("who,y\n007,0\n7,1\n", "learned.csv")
    tested = write("who,y\n8.0,0\n", "tested.csv")
    reading = Reading(texts=("who",))
    table, target = open_source(learned, target="y", reading=reading)
    assert table.frame["who"].to_list() == ["007", "7"]
    assert open_test(tested, table, target, reading).frame["who"].to_list() == ["8.0"]


def test_a_test_part_without_a_header_is_read_as_what_is_learned_from(write):
    table, target = open_source(write("5,a\n6,b\n7,a\n", "learned.csv"), target="last")
    assert open_test(write("x,a\n", "tested.csv"), table, target).frame.rows() == [("x", "a")]
