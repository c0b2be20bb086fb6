import numpy as np
import polars as pl
import pytest
from PIL import Image

import dropnorm as dn
from dropnorm.errors import DataError
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.sources.reading import read_source


@pytest.fixture
def listed(tmp_path):
    """A file of paths and labels beside a folder of images."""
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(40):
        pixels = rng.integers(0, 256, size=(4, 4), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.PNG")
    path = tmp_path / "labels.csv"
    path.write_text("path,label\n" + "".join(f"photos/{number}.PNG,{'ab'[number % 2]}\n" for number in range(40)))
    return path


def test_paths_are_read_as_images(listed):
    table = read_source(listed, "label")
    assert table.frame.columns == ["image", "label"]
    assert table.frame["image"].dtype.shape == (1, 4, 4)
    assert table.files[:2] == ("photos/0.PNG", "photos/1.PNG")
    assert table.notices == (
        "path holds paths of images, read as 40 arrays of 1 x 4 x 4; --ignore path leaves them out",
    )
    first = np.asarray(Image.open(listed.parent / "photos" / "0.PNG"))
    np.testing.assert_array_equal(table.frame["image"][0].to_numpy()[0], first)


@pytest.mark.parametrize("target", ["last", "2", "label"])
def test_a_study_of_listed_images_predicts_them(listed, target):
    study = dn.run_study(listed, target=target, seeds=2, epochs=1, hidden=(4,), batch_size=8, arms="dropout")
    assert study.summary.data.features == 16
    predicted = study.model.predict(listed)
    assert predicted["file"][0] == "photos/0.PNG"
    assert study.model.evaluate(listed).rows == 40


def test_other_columns_are_features_too(listed):
    frame = pl.read_csv(listed).with_columns(weight=pl.int_range(pl.len()) % 7 + 0.5)
    frame.write_csv(listed)
    dataset = load_dataset(listed, target="label")
    assert [column.kind for column in dataset.understood] == ["array", "number"]


def test_an_ignored_column_stays_a_column(listed):
    frame = pl.read_csv(listed).with_columns(x=pl.int_range(pl.len()) % 7 + 0.5)
    frame.write_csv(listed)
    dataset = load_dataset(listed, target="label", ignore="path")
    assert [column.name for column in dataset.understood] == ["x"]


def test_a_path_without_a_file_is_named_with_its_line(listed, refuses):
    (listed.parent / "photos" / "7.PNG").unlink()
    message = (
        f"{listed}, row 8 (line 9): there is no image 'photos/7.PNG' of the column 'path' in {listed.parent}, as in 1 of 40 "
        f"rows. Expected a file for each row: add them, take the rows out, or say --ignore path."
    )
    with refuses(DataError, message):
        read_source(listed, "label")


def test_names_of_images_that_are_elsewhere_are_texts(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("path,label\na.png,x\nb.jpg,y\n")
    table = read_source(path, "label")
    assert table.frame.columns == ["path", "label"]
    assert table.notices == (f"path holds names of images, none of which is in {tmp_path}; it is read as texts",)


def test_broken_ones_are_left_out_where_that_is_asked_for(listed):
    (listed.parent / "photos" / "3.PNG").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"1 of its 40 images is broken: photos/3.PNG"):
        load_dataset(listed, target="label")
    dataset = load_dataset(listed, target="label", skip_broken=True)
    assert (dataset.rows, dataset.images_skipped) == (39, 1)


def test_absolute_paths_and_blanks_around(listed):
    names = [f" {listed.parent / 'photos' / f'{number}.PNG'} " for number in range(40)]
    pl.DataFrame({"file": names, "label": ["a", "b"] * 20}).write_csv(listed)
    assert read_source(listed, "label").frame["image"].dtype.shape == (1, 4, 4)
