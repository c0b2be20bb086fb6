import numpy as np
import pytest
from PIL import Image

import dropnorm as dn
from dropnorm.errors import DataError
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.sources.image_parts import parts_of
from dropnorm.study.data.sources.images import read_images


@pytest.fixture
def folder(tmp_path):
    """A function that writes images into folders: {"train/a": 3, ...}."""

    def write(images, size=(4, 3)):
        rng = np.random.default_rng(0)
        for place, count in images.items():
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = rng.integers(0, 256, size=size[::-1], dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / place / f"{number}.png")
        return tmp_path

    return write


def test_train_and_test_are_parts(folder):
    table = read_images(folder({"train/a": 3, "train/b": 2, "test/a": 1, "test/b": 2}))
    assert table.frame["class"].to_list() == ["a", "a", "a", "b", "b"]
    assert table.test["class"].to_list() == ["a", "b", "b"]
    assert (table.notices, table.target) == ((), "class")
    assert table.test.schema == table.frame.schema


@pytest.mark.parametrize(
    "names", [("Train", "VALID", "Test"), ("training", "val", "testing"), ("train", "validation", "test")]
)
def test_a_validation_folder_joins_what_is_learned_from_and_that_is_told(folder, names):
    train, validation, _ = names
    places = {f"{part}/{one}": 2 for part in names for one in ("a", "b")}
    table = read_images(folder(places))
    assert (table.frame.height, table.test.height) == (8, 4)
    assert table.notices == (
        f"the images of {validation} are among those to learn from, as each seed draws a validation part of its own",
    )
    assert train in str(table.files[0])


def test_train_and_val_alone_have_no_test_part(folder):
    table = read_images(folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 1}))
    assert (table.frame.height, table.test) == (6, None)


def test_the_given_test_part_is_that_of_a_study(folder):
    images = {f"{part}/{one}": count for part, count in (("train", 12), ("test", 4)) for one in ("a", "b")}
    dataset = load_dataset(folder(images))
    assert (dataset.rows, dataset.given_test) == (32, 8)
    study = dn.run_study(folder(images), seeds=2, epochs=1, hidden=(4,), batch_size=4, arms="dropout")
    assert study.summary.data.given_test


@pytest.mark.parametrize(
    "images",
    [
        {"a": 2, "b": 2},
        {"train": 2, "test": 2},
        {"train/a": 2, "train/b": 2},
        {"train/a": 2, "test/a": 2, "cats/a": 1},
        {"test/a": 2, "val/a": 2},
        {"train/a": 2, "training/a": 2},
    ],
    ids=["classes", "classes of those names", "one", "another folder", "none to train on", "two to train on"],
)
def test_other_folders_are_no_parts(images, folder):
    assert parts_of(folder(images)) is None


def test_classes_that_are_not_in_each_part(folder, refuses):
    path = folder({"train/a": 2, "train/b": 2, "test/a": 2, "test/c": 2})
    message = (
        f"{path}: the classes of test and train differ in b, c. Expected the same sub-folders in each part: add or remove "
        f"these."
    )
    with refuses(DataError, message):
        read_images(path)


def test_broken_images_of_every_part_are_counted(folder):
    path = folder({"train/a": 3, "train/b": 3, "test/a": 2, "test/b": 2})
    for place in ("train/a/9.png", "test/b/9.png"):
        (path / place).write_bytes(b"broken")
    with pytest.raises(DataError, match=r"2 of its 12 images are broken: .*test/b/9.png"):
        read_images(path)
    assert read_images(path, skip_broken=True).skipped == 2


def test_all_images_of_a_divided_folder_can_be_predicted(folder):
    table = read_images(folder({"train/a": 2, "train/b": 2, "test/a": 1, "test/b": 1}), labelled=False)
    assert (table.frame.height, table.target) == (6, None)
