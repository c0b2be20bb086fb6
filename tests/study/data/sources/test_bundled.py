import numpy as np
import polars as pl
import pytest
from sklearn import datasets

from dropnorm.study.data.sources.bundled import BUNDLED, load_bundled


def test_a_bundled_set_has_a_target():
    table = load_bundled("wine")
    assert (table.target, table.frame.height, table.frame.width) == ("target", 178, 14)
    assert table.frame["target"].unique().sort().to_list() == ["class_0", "class_1", "class_2"]
    np.testing.assert_array_equal(table.frame["alcohol"].to_numpy(), datasets.load_wine().data[:, 0])


def test_the_target_of_diabetes_is_a_quantity():
    target = load_bundled("diabetes").frame["target"]
    assert target.dtype == pl.Float64
    np.testing.assert_array_equal(target.to_numpy(), datasets.load_diabetes().target)


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_set_is_a_table_of_numbers_without_gaps(name):
    frame = load_bundled(name).frame
    assert all(dtype.is_numeric() or isinstance(dtype, pl.Array) for dtype in frame.drop("target").dtypes)
    assert frame.null_count().sum_horizontal().item() == 0


def test_the_digits_keep_the_shape_of_their_images():
    """In a column of the name that an array of images gets, so that a model of the set predicts such an array."""
    column = load_bundled("digits").frame["x"]
    assert column.dtype == pl.Array(pl.Float64, (8, 8))
    np.testing.assert_array_equal(column.to_numpy(), datasets.load_digits().images)
