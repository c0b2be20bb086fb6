import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.dataset import load_dataset


def test_a_table_becomes_features_and_labels(table):
    dataset = load_dataset(table, target="kind")
    assert dataset.features.shape == (120, 1 + 2 + 4 + 1)
    assert (dataset.rows, dataset.columns, dataset.rows_without_target) == (120, 4, 0)
    assert dataset.encoding.classes == ("ant", "bee", "cat")
    np.testing.assert_array_equal(dataset.targets, np.arange(120) % 3)
    np.testing.assert_array_equal(dataset.features[:, 0], table["width"].to_numpy())


def test_the_same_data_has_one_fingerprint_wherever_it_is_read_from(table, tmp_path):
    table.write_csv(tmp_path / "a.csv")
    table.write_csv(tmp_path / "b.csv", separator=";", include_bom=True)
    table.write_parquet(tmp_path / "c.parquet")
    table.write_ipc(tmp_path / "d.arrow")
    table.write_csv(tmp_path / "e.tsv", separator="\t")
    pandas = pd.DataFrame(table.to_dict(as_series=False))
    sources = [table, pandas, *sorted(tmp_path.iterdir())]
    fingerprints = {load_dataset(source, target="kind").fingerprint for source in sources}
    assert len(fingerprints) == 1
    assert all(len(fingerprint) == 16 for fingerprint in fingerprints)


@pytest.mark.parametrize(
    "change",
    [
        pl.col("width") + 1e-9,
        pl.col("kind").reverse(),
        pl.col("kind").replace("ant", "Ant"),
        pl.col("width").alias("breadth"),
    ],
    ids=["a value", "a label", "a class's name", "a column's name"],
)
def test_other_data_has_another_fingerprint(table, change):
    changed = table.with_columns(change)
    assert load_dataset(changed, target="kind").fingerprint != load_dataset(table, target="kind").fingerprint


def test_an_ignored_column_is_no_part_of_the_data(table):
    noted = table.with_columns(note=pl.int_range(pl.len()).cast(pl.String) + pl.lit("?"))
    ignored = load_dataset(noted, target="kind", ignore=["note"])
    assert ignored.fingerprint == load_dataset(table, target="kind").fingerprint


def test_rows_have_the_same_fingerprint_where_features_alone_differ(table):
    rows = load_dataset(table, target="kind").rows_fingerprint
    assert load_dataset(table.with_columns(pl.col("width") * 2), target="kind", ignore="color").rows_fingerprint == rows
    group = table.with_columns(group=pl.int_range(pl.len()) // 4)
    grouped = load_dataset(group, target="kind", group="group").rows_fingerprint
    regrouped = load_dataset(group.with_columns(pl.col("group") // 2), target="kind", group="group").rows_fingerprint
    others = [
        grouped,
        regrouped,
        load_dataset(table[:100], target="kind", test=table[100:]).rows_fingerprint,
        load_dataset(table[::-1], target="kind").rows_fingerprint,
        load_dataset(table.with_columns(pl.col("kind").replace("ant", "Ant")), target="kind").rows_fingerprint,
    ]
    assert len({rows, *others}) == 6


def test_rows_without_a_target_are_left_out(table):
    some = table.with_columns(kind=pl.when(pl.int_range(pl.len()) % 4 == 1).then(None).otherwise("kind"))
    dataset = load_dataset(some, target="kind")
    assert (dataset.rows, dataset.rows_without_target) == (90, 30)
    np.testing.assert_array_equal(
        dataset.features[:, 0], table.filter(pl.int_range(pl.len()) % 4 != 1)["width"].to_numpy()
    )


def test_labels_that_are_nan_are_no_class():
    dataset = load_dataset(np.arange(12.0).reshape(6, 2), [0.0, 1.0, np.nan, 1.0, 0.0, np.nan])
    assert (dataset.encoding.classes, dataset.rows_without_target) == (("0", "1"), 2)
    np.testing.assert_array_equal(dataset.targets, [0, 1, 1, 0])


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, list, pd.Series, pl.Series])
def test_labels_beside_the_table(blobs, kind):
    X, y = blobs(rows=30)
    dataset = load_dataset(X, kind(y.tolist()))
    assert (dataset.name, dataset.encoding.target, dataset.columns) == ("data", "target", 4)
    np.testing.assert_array_equal(dataset.targets, y)
    np.testing.assert_array_equal(dataset.features, X)


def test_labels_do_not_push_a_column_of_the_same_name_out():
    dataset = load_dataset(pl.DataFrame({"target": [1.0, 2.0]}), ["a", "b"])
    assert dataset.encoding.target == "target_"
    assert dataset.features.tolist() == [[1.0], [2.0]]


def test_images_and_tensors():
    images = np.random.default_rng(0).random((20, 8, 8), dtype=np.float32)
    y = np.arange(20) % 2
    of_numpy, of_torch = load_dataset(images, y), load_dataset(torch.from_numpy(images), torch.from_numpy(y))
    assert of_numpy.features.shape == (20, 64)
    assert of_numpy.fingerprint == of_torch.fingerprint


@pytest.mark.parametrize("path", [".", "../pets", "../pets/cat/.."])
def test_a_folder_is_named_however_it_is_written(path, tmp_path, monkeypatch):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("L", (2, 1)).save(tmp_path / "pets" / name / "0.png")
    monkeypatch.chdir(tmp_path / "pets")
    assert load_dataset(path).name == "pets"


def test_a_group_is_matched_in_two_files_whatever_its_values_look_like(write, refuses):
    learned = write("who,x,y\n1,1,0\n2,2,1\na,3,0\n", "learned.csv")
    test = write("who,x,y\n2,4,0\n3,5,1\n", "test.csv")
    message = (
        f"{test}: the group '2' of 'who' is in the test part and among the rows to learn from: expected groups of its own. "
        f"Take its rows out of one of them."
    )
    with refuses(DataError, message):
        load_dataset(learned, target="y", test=test, group="who")
    numbers = load_dataset(write("who,x,y\n01,1,0\n1,2,1\n2,3,0\n"), target="y", group="who")
    assert numbers.order.groups.tolist() == [0, 1, 2]


def test_a_file_is_named_without_its_folders(write):
    assert load_dataset(write("a,b\n1,x\n2,y\n", "my.data.csv"), target="b").name == "my.data"


def test_a_bundled_set_describes_itself():
    dataset = load_dataset("iris")
    described = dataset.describe(90, 30, 30)
    (encoded,) = described.columns_encoded
    assert (encoded.kind, encoded.count, encoded.names[0]) == ("number", 4, "sepal length (cm)")
    assert described.model_dump(exclude={"columns_encoded"}) == {
        "name": "iris",
        "task": "classification",
        "target": "target",
        "fingerprint": dataset.fingerprint,
        "rows_fingerprint": dataset.rows_fingerprint,
        "rows": 150,
        "columns": 4,
        "features": 4,
        "classes": ("setosa", "versicolor", "virginica"),
        "class_rows": (50, 50, 50),
        "quantity": None,
        "rows_without_target": 0,
        "images_skipped": 0,
        "group": None,
        "time": None,
        "given_test": False,
        "shared_scales": (),
        "notices": (),
        "task_reason": "",
        "repeated_rows": 2,
        "rare_classes": (),
        "train_rows": 90,
        "validation_rows": 30,
        "test_rows": 30,
    }


def test_a_quantity_is_described_by_its_values():
    dataset = load_dataset(np.eye(4), [1.5, 2.5, 6.5, 5.5])
    description = dataset.describe(2, 1, 1)
    assert (description.task, description.classes, description.class_rows) == ("regression", (), ())
    assert description.quantity.model_dump() == {
        "lowest": 1.5,
        "highest": 6.5,
        "mean": 4.0,
        "deviation": pytest.approx(np.std([1.5, 2.5, 6.5, 5.5])),
    }


def test_the_task_can_be_overridden(table):
    assert load_dataset(table, target="width").encoding.task == "regression"
    ratings = table.with_columns(rating=pl.int_range(pl.len()) % 5)
    assert load_dataset(ratings, target="rating").encoding.classes == ("0", "1", "2", "3", "4")
    as_quantity = load_dataset(ratings, target="rating", task="regression")
    assert as_quantity.encoding.classes == ()
    np.testing.assert_array_equal(as_quantity.targets, np.arange(120.0) % 5)


def test_an_unknown_task(table, refuses):
    message = "task='regresion' is unknown: expected one of 'classification', 'regression'. Did you mean 'regression'?"
    with refuses(ArgumentError, message):
        load_dataset(table, target="kind", task="regresion")


def test_a_quantity_with_decimal_commas(write):
    path = write("a;price\n1;1,5\n2;2\n3;10,25\n")
    assert load_dataset(path, target="price").targets.tolist() == [1.5, 2.0, 10.25]


def test_labels_and_a_target_exclude_each_other(table, refuses):
    message = "expected either y, the labels, or target, the name of a column of X."
    with refuses(ArgumentError, message):
        load_dataset(table, table["kind"], target="kind")
    with refuses(ArgumentError, message):
        load_dataset(table)


def test_labels_beside_a_file(write, refuses):
    path = write("a,b\n1,x\n2,y\n")
    with refuses(ArgumentError, "y is given beside a file: expected target, the name of the file's column to predict."):
        load_dataset(path, ["x", "y"])


def test_labels_of_another_length(refuses):
    with refuses(DataError, "y has 3 labels for 2 rows of X: expected one label per row."):
        load_dataset([[1.0], [2.0]], [0, 1, 0])


def test_errors_name_the_file_or_the_argument(write, refuses):
    path = write("width,kind\n1,a\n2,b\n")
    wanted = "there is no column 'knd': expected one of width, kind. Did you mean 'kind'?"
    with refuses(DataError, f"{path}: {wanted}"):
        load_dataset(path, target="knd")
    with refuses(DataError, f"X: {wanted}"):
        load_dataset(pl.read_csv(path), target="knd")


def test_ignore_may_be_one_name_and_not_the_target(refuses):
    table = pl.DataFrame({"id": [1, 2, 3, 4], "i": [1, 2, 3, 4], "y": ["a", "b", "a", "b"]})
    assert [column.name for column in load_dataset(table, target="y", ignore="id").encoding.columns] == ["i"]
    message = "ignore=['y'] holds the target 'y': expected other columns. Take it out of one of them."
    with refuses(ArgumentError, message):
        load_dataset(table, target="y", ignore="y")


def test_a_frame_with_numbered_columns_takes_a_number_for_its_target():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame([[1.0, 2.0, "a"], [2.0, 1.0, "b"]])
    assert load_dataset(frame, target=2).encoding.classes == ("a", "b")


def test_numbers_written_as_texts_are_classes_in_the_order_of_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{row},{row % 12}\n" for row in range(60)))
    assert load_dataset(path, target="y").encoding.classes == tuple(str(name) for name in range(12))
    path.write_text("x,y\n1,02\n2,01\n")
    assert load_dataset(path, target="y").encoding.classes == ("01", "02")


def test_nothing_of_a_given_test_part_has_a_say_in_what_columns_become(table):
    """Its categories, gaps and dates are met as `predict` meets them, and leave all other rows as they are."""
    odd = table[100:].with_columns(color=pl.lit("purple"), width=pl.lit(None), striped=pl.lit(None))
    alone, with_test = load_dataset(table[:100], target="kind"), load_dataset(table[:100], target="kind", test=odd)
    assert with_test.encoding == alone.encoding
    assert (with_test.rows, with_test.given_test) == (120, 20)
    np.testing.assert_array_equal(with_test.features[:100], alone.features)
    np.testing.assert_array_equal(with_test.features[100:], alone.encoding.encode(odd))
    assert with_test.fingerprint != alone.fingerprint


def test_a_test_part_is_read_from_whatever_holds_one(table, tmp_path):
    learned, tested = table[:80], table[80:]
    learned.write_parquet(tmp_path / "train.parquet")
    tested.write_csv(tmp_path / "test.csv")
    dataset = load_dataset(tmp_path / "train.parquet", target="kind", test=tmp_path / "test.csv")
    assert dataset.fingerprint == load_dataset(learned, target="kind", test=tested).fingerprint
    X, y = np.random.default_rng(0).random((30, 2)), np.arange(30) % 2
    np.savez(tmp_path / "data.npz", X_train=X[:20], y_train=y[:20], X_test=X[20:], y_test=y[20:])
    of_arrays = load_dataset(X[:20], y[:20], test=(X[20:], y[20:]))
    of_npz = load_dataset(tmp_path / "data.npz")
    of_torch = load_dataset(
        TensorDataset(torch.tensor(X[:20]), torch.tensor(y[:20])),
        test=TensorDataset(torch.tensor(X[20:]), torch.tensor(y[20:])),
    )
    for other in (of_npz, of_torch):
        assert (other.rows, other.given_test) == (30, 10)
        np.testing.assert_array_equal(other.features, of_arrays.features)
        np.testing.assert_array_equal(other.targets, of_arrays.targets)


def test_texts_are_texts_in_the_test_part_too(tmp_path):
    (tmp_path / "a.csv").write_text("code,y\n01,a\nx,b\n")
    (tmp_path / "b.csv").write_text("code,y\n01,a\n01,b\n")
    dataset = load_dataset(tmp_path / "a.csv", target="y", test=tmp_path / "b.csv")
    assert dataset.features.tolist() == [[1, 0], [0, 1], [1, 0], [1, 0]]


def test_test_parts_that_cannot_be_used(table, tmp_path, refuses):
    with refuses(
        DataError, "test: there is no column 'kind': expected one of width, height, color, striped. Name one of them."
    ):
        load_dataset(table, target="kind", test=table.drop("kind"))
    message = (
        "test, row 1: the target 'kind' holds 'wasp', which no row to learn from has: expected one of ant, bee, cat. Leave "
        "such rows out, or add some to learn from."
    )
    with refuses(DataError, message):
        load_dataset(table, target="kind", test=table.with_columns(kind=pl.lit("wasp")))
    with refuses(ArgumentError, "test is a tuple of 1: expected a pair (X, y), or one table that holds both."):
        load_dataset(table, target="kind", test=(table,))
    np.savez(tmp_path / "a.npz", X_train=np.eye(2), y_train=[0, 1], X_test=np.eye(2), y_test=[0, 1])
    message = "test is given beside a file that holds X_test itself: expected one of them. Leave test out."
    with refuses(ArgumentError, message):
        load_dataset(tmp_path / "a.npz", test=tmp_path / "a.npz")


@pytest.mark.parametrize("kind", ["group", "time"])
def test_the_column_that_splits_is_no_feature_and_part_of_the_data(kind, table):
    ordered = table.with_columns(when=pl.int_range(pl.len()) // 4)
    dataset = load_dataset(ordered, target="kind", **{kind: "when"})
    assert dataset.encoding == load_dataset(table, target="kind").encoding
    description = dataset.describe(1, 1, 1)
    assert (description.group, description.time) == (("when", None) if kind == "group" else (None, "when"))
    fingerprints = {
        load_dataset(ordered, target="kind", ignore="when", **given).fingerprint for given in ({}, {kind: "when"})
    }
    assert len(fingerprints) == 2


def test_test_rows_that_are_among_the_others_are_counted(table):
    dataset = load_dataset(table[:100], target="kind", test=table[90:])
    assert (dataset.given_test, dataset.test_rows_known) == (30, 10)
    assert load_dataset(table[:90], target="kind", test=table[90:]).test_rows_known == 0
    # The same row with another target is no twin.
    other = table[90:].with_columns(kind=pl.col("kind").replace({"ant": "bee", "bee": "cat", "cat": "ant"}))
    assert load_dataset(table, target="kind", test=other).test_rows_known == 0


def test_a_test_part_that_is_known_throughout_or_empty(table, write, refuses):
    path = write(table.write_csv())
    message = (
        f"{path}: each of its 120 rows is among the rows to learn from too: expected rows of its own, since a net that knows "
        f"them by heart would seem to be perfect. Take them out of one of the two."
    )
    with refuses(DataError, message):
        load_dataset(path, target="kind", test=path)
    with refuses(DataError, "test: no row has a target: expected rows to test on. Add their targets."):
        load_dataset(table, target="kind", test=table.with_columns(kind=pl.lit(None, dtype=pl.String)))


def test_the_test_part_of_an_npz_file_is_named(tmp_path, refuses):
    path = tmp_path / "a.npz"
    np.savez(path, X_train=np.eye(4), y_train=[0, 1, 0, 1], X_test=np.eye(3), y_test=[0, 1, 0])
    with refuses(
        DataError, f"{path}, test part: there is no column 'x3': expected one of x0, x1, x2, y. Name one of them."
    ):
        load_dataset(path)


@pytest.mark.parametrize("text", ["NAN", "-nan", "Nan"])
def test_a_target_that_is_no_number_is_left_out_however_it_is_written(text):
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": ["0.5", text, "2.5", "1.5"]})
    data = load_dataset(frame, target="y", task="regression")
    assert data.targets.tolist() == [0.5, 2.5, 1.5]
    assert (len(data.features), data.rows_without_target) == (3, 1)


def test_rows_of_coarse_columns_may_all_be_known():
    table = pl.DataFrame({"sex": ["f", "m"] * 60, "class": ["1", "2", "3"] * 40, "kind": ["a", "a", "b"] * 40})
    assert load_dataset(table[:90], target="kind", test=table[90:]).test_rows_known == 30
