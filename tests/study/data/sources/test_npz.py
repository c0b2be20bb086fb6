import io
import pickle
import zipfile

import numpy as np
import polars as pl
import pytest

from dropnorm.errors import DataError
from dropnorm.study.data.sources.npz import read_npz

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])
WANTED = "expected X and y, or X_train and y_train with or without X_test and y_test"


@pytest.fixture
def npz(write):
    def save(**arrays):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return write(buffer.getvalue(), "data.npz")

    return save


def test_a_table_and_its_labels(npz):
    table = read_npz(npz(X=X, y=Y, note=np.array(["ignored"])))
    assert (table.frame.columns, table.target, table.test) == (["x0", "x1", "y"], "y", None)
    np.testing.assert_array_equal(table.frame.drop("y").to_numpy(), X)
    assert table.frame["y"].to_list() == Y.tolist()


def test_images_and_texts(npz):
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    frame = read_npz(npz(X=images, y=np.array(["cat", "dog"]))).frame
    assert frame["x"].dtype == pl.Array(pl.UInt8, (3, 2, 2))
    np.testing.assert_array_equal(frame["x"].to_numpy(), images)
    assert frame["y"].to_list() == ["cat", "dog"]


def test_a_test_part_of_its_own(npz):
    table = read_npz(npz(X_train=X[:4], y_train=Y[:4], X_test=X[4:], y_test=Y[4:]))
    assert (table.frame.height, table.target) == (4, "y")
    np.testing.assert_array_equal(table.test.drop("y").to_numpy(), X[4:])
    assert table.test["y"].to_list() == [0, 1]
    assert read_npz(npz(X_train=X, y_train=Y)).test is None


def test_to_predict_the_table_alone_will_do(npz):
    table = read_npz(npz(X=X))
    assert (table.frame.columns, table.target) == (["x0", "x1"], None)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize("name", ["X", "y", "note"])
def test_objects_are_never_unpickled(name, npz, refuses):
    path = npz(**({"X": X, "y": Y} | {name: np.array([Trap()] * 6, dtype=object)}))
    message = (
        f"{path}: the array {name!r} holds Python objects: expected numbers, truth values or texts. Objects are never "
        f"unpickled, since that would run code from the file: convert the array, such as with .astype(str)."
    )
    with refuses(DataError, message):
        read_npz(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            pickle.dumps(Trap()),
            "(ValueError). It looks like a pickle. Save the table in it as Parquet or CSV: pickles are never opened, as they "
            "can run code.",
        ),
        (b"PK\x03\x04 and no more", "(BadZipFile). Expected a whole one: write it anew with numpy.savez."),
        (b"<html>", "(ValueError). It looks like a web page (HTML). Download the file itself."),
    ],
    ids=["pickle", "cut off", "a web page"],
)
def test_what_is_no_archive(content, message, write, refuses):
    path = write(content, "data.npz")
    with refuses(DataError, f"{path}: is not a readable NPZ file {message}"):
        read_npz(path)


def test_damage_of_any_kind_is_the_files_fault(npz):
    """Cut off or overwritten at 60 places: what cannot be read any more is a DataError and nothing else."""
    path, rng, refused = npz(X=X, y=Y), np.random.default_rng(0), 0
    content = path.read_bytes()
    for attempt in range(60):
        damaged = bytearray(content[: rng.integers(1, len(content))] if attempt % 3 == 0 else content)
        for _ in range(8):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_npz(path)
        except DataError:
            refused += 1
    assert refused >= 20


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"data": X, "labels": Y}, f"holds the arrays data, labels: {WANTED}. Save it with those names."),
        ({}, f"holds the arrays none: {WANTED}. Save it with those names."),
        (
            {"X": X, "y": Y, "X_test": X},
            f"holds X_test without y_test: {WANTED}. Add the array, or leave out both.",
        ),
        (
            {"X_train": X, "y_train": Y, "y_test": Y},
            f"holds y_test without X_test: {WANTED}. Add the array, or leave out both.",
        ),
        (
            {"X": X[0], "y": Y},
            "the array 'X' has shape (2,) and dtype float64: expected numbers of shape (rows, columns), or (rows, *) for "
            "images. Convert or reshape it.",
        ),
        (
            {"X": X.astype(str), "y": Y},
            "the array 'X' has shape (6, 2) and dtype <U32: expected numbers of shape (rows, columns), or (rows, *) for "
            "images. Convert or reshape it.",
        ),
        (
            {"X_train": X, "y_train": Y[:5]},
            "the array 'y_train' has 5 labels for 6 rows of 'X_train': expected one label per row.",
        ),
    ],
    ids=["other names", "nothing", "X_test alone", "y_test alone", "one dimension", "texts", "another length"],
)
def test_arrays_that_are_not_what_is_needed(arrays, message, npz, refuses):
    path = npz(**arrays)
    with refuses(DataError, f"{path}: {message}"):
        read_npz(path)


def test_a_header_of_absurd_size_is_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "data.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**15, 3)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", header.getvalue() + b"\0" * 64)
    with pytest.raises(DataError, match=r"the array 'X' takes 24,000,000\.0 GB of memory, where .* are free"):
        read_npz(path)


def test_a_member_that_is_no_array_is_passed_over(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, X=np.ones((3, 2)), y=np.arange(3))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "how it was made")
    assert read_npz(path).frame.height == 3
