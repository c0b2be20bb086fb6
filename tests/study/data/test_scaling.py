import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_digits

from dropnorm.study.data import scaling
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.encoding import Encoding, learn_encoding
from dropnorm.study.data.scaling import feature_groups
from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.understanding import understand_columns
from dropnorm.study.records import SharedScale


def encoding_of(table: pl.DataFrame) -> Encoding:
    """The encoding of a table whose target is `y`."""
    names = [name for name in table.columns if name != "y"]
    columns = understand_columns(table, names, Source("X"), {})
    return learn_encoding([column.encoding for column in columns if column.encoding], table["y"], Source("X"))


def groups_of(X, how="auto"):
    dataset = load_dataset(X, np.arange(len(X)) % 2)
    return feature_groups(dataset.encoding, dataset.features, how)


def members(groups):
    return [group.features.tolist() for group in groups]


def sensors(columns=8, rows=60, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (rows, columns))


def test_the_pixels_of_each_channel_of_images_share_a_scale():
    rng = np.random.default_rng(0)
    assert members(groups_of(rng.random((20, 2, 3)))) == [list(range(6))]
    assert members(groups_of(rng.random((20, 2, 5, 3)))) == [list(range(start, 30, 3)) for start in range(3)]
    assert members(groups_of(rng.random((20, 3, 2, 5)))) == [list(range(s, s + 10)) for s in (0, 10, 20)]
    assert members(groups_of(rng.random((20, 2, 2, 2, 2)))) == [list(range(16))], "of no image we know: all alike"


def test_images_beside_other_columns_share_a_scale_too():
    table = pl.DataFrame(
        [pl.Series("age", [1.5, 2.5]), pl.Series("x", np.eye(4).reshape(2, 4, 2), dtype=pl.Array(pl.Float64, (4, 2)))]
    ).with_columns(y=pl.Series(["a", "b"]))
    encoding = encoding_of(table)
    assert members(feature_groups(encoding, encoding.encode(table), "auto")) == [list(range(1, 9))]


def test_digits_share_a_scale_as_images_and_as_a_table_of_their_pixels():
    (images,) = groups_of(load_digits().images)
    assert images.record == SharedScale(features=64, evidence="image")
    (table,) = groups_of(load_digits().data)
    assert table.record.evidence == "range"
    missing = sorted(set(range(64)) - set(table.features.tolist()))
    assert len(missing) < 8
    assert (load_digits().data[:, missing] == 0).mean() > 0.99, "only pixels that hardly ever vary"


def test_numbers_that_span_one_range_share_a_scale():
    (group,) = groups_of(sensors())
    assert group.record == SharedScale(features=8, evidence="range")


@pytest.mark.parametrize(
    ("column", "others"),
    [
        (np.linspace(0, 90, 60), "a column of another unit, such as an age"),
        (np.linspace(0, 0.9, 60), "one that varies little"),
        (1e4 + np.linspace(-1, 1, 60), "one that lies elsewhere"),
    ],
)
def test_where_one_column_is_of_another_range_none_shares_a_scale(column, others):
    assert groups_of(np.column_stack([sensors(20), column])) == (), others


def test_seven_columns_of_one_range_may_be_so_by_chance():
    assert groups_of(sensors(columns=7)) == ()


def test_a_column_that_mostly_has_one_value_may_have_any_range():
    rarely = np.where(np.arange(60) % 20 == 3, np.linspace(0.01, 0.1, 60), 0.0)
    assert members(groups_of(np.column_stack([sensors(), rarely]))) == [list(range(9))]
    often = np.where(np.arange(60) % 5 == 3, np.linspace(0.01, 0.1, 60), 0.0)
    assert groups_of(np.column_stack([sensors(), often])) == ()


def test_flags_have_no_unit_and_neither_join_nor_hinder():
    flags = np.arange(60)[:, None] % np.array([2, 3, 50]) == 0
    X = np.column_stack([sensors(), 100.0 * flags, np.full(60, 7.0)])
    assert members(groups_of(X)) == [list(range(8))]
    assert groups_of(np.eye(60)[:, :20]) == ()


def test_gaps_neither_join_nor_hinder():
    X = sensors()
    X[::7, 2] = np.nan
    (group,) = groups_of(X)
    # The feature behind a column with gaps says where they are.
    assert group.features.tolist() == [0, 1, 2, 4, 5, 6, 7, 8]


def test_a_column_of_arrays_is_judged_by_itself():
    spectra = pl.Series("spectrum", 40 + sensors(columns=12), dtype=pl.Array(pl.Float64, (12,)))
    table = pl.DataFrame([pl.Series("mass", np.linspace(0, 9, 60)), spectra]).with_columns(y=pl.Series(["a", "b"] * 30))
    encoding = encoding_of(table)
    assert members(feature_groups(encoding, encoding.encode(table), "auto")) == [list(range(1, 13))]


def test_categories_and_dates_are_never_of_one_unit():
    columns = {f"c{i}": [f"{(row * i) % 3}x" for row in range(30)] for i in range(1, 12)}
    table = pl.DataFrame(columns | {"y": ["a", "b"] * 15})
    encoding = encoding_of(table)
    for how in ("auto", "shared"):
        assert feature_groups(encoding, encoding.encode(table), how) == ()


def test_what_is_asked_for_goes_before_evidence():
    X = np.column_stack([sensors(3), np.linspace(0, 1000, 60)])
    (group,) = groups_of(X, "shared")
    assert (group.features.tolist(), group.evidence) == ([0, 1, 2, 3], "asked")
    assert groups_of(sensors(), "each") is None


def test_some_of_many_rows_are_enough_evidence(monkeypatch):
    monkeypatch.setattr(scaling, "SEEN", 50)
    assert members(groups_of(sensors(rows=1000))) == [list(range(8))]
