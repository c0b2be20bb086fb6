import warnings

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

import dropnorm as dn
from dropnorm.errors import DataError, NewDataWarning


@pytest.fixture(scope="module")
def study(table, quick):
    """A finished study of the table."""
    return dn.run_study(table, target="kind", **quick)


def test_scores_are_those_of_the_predictions(study, table):
    found = study.model.evaluate(table)
    predicted = study.model.predict(table)
    right = (predicted["prediction"] == table["kind"]).mean()
    assert found.rows == table.height
    assert found.metric("accuracy").value == pytest.approx(right)
    probabilities = predicted.select("probability_ant", "probability_bee", "probability_cat").to_numpy()
    probabilities = probabilities.astype(np.float64)
    loss = metrics.log_loss(table["kind"].to_list(), probabilities / probabilities.sum(axis=1, keepdims=True))
    assert found.metric("log_loss").value == pytest.approx(loss, rel=1e-5)
    assert [one.name for one in found.classes] == ["ant", "bee", "cat"]
    assert sum(sum(one.predicted) for one in found.classes) == table.height


def test_what_the_study_found_stands_beside(study, table):
    found = study.model.evaluate(table)
    advised = next(one for one in study.summary.models if one.arm == study.summary.advice.arm)
    assert (found.expected_metric, found.expected_score) == ("accuracy", advised.score)


def test_labels_may_stand_beside_the_rows(study, table):
    features, labels = table.drop("kind"), table["kind"]
    assert study.model.evaluate(features, labels) == study.model.evaluate(table)
    assert study.model.evaluate(features, labels.to_list()).rows == table.height


def test_rows_without_a_target_are_left_out_and_counted(study, table):
    gaps = table.with_columns(kind=pl.when(pl.int_range(pl.len()) < 20).then(None).otherwise("kind"))
    found = study.model.evaluate(gaps)
    assert (found.rows, found.rows_without_target) == (100, 20)
    assert found.metrics == study.model.evaluate(table[20:]).metrics


def test_a_quantity_has_its_own_metrics(quick):
    study = dn.run_study("diabetes", **quick)
    found = study.model.evaluate("diabetes")
    assert [one.metric for one in found.metrics] == ["rmse", "mae", "r2"]
    assert found.classes == ()


def test_whole_groups_count_as_one_where_the_study_kept_them_together(table, quick):
    grouped = table.with_columns(who=pl.Series([f"p{row // 6}" for row in range(table.height)]))
    model = dn.run_study(grouped, target="kind", group="who", **quick).model
    with_groups, alone = model.evaluate(grouped), model.evaluate(grouped.drop("who"))
    assert (with_groups.group, alone.group) == ("who", None)
    assert with_groups.metric("accuracy").value == alone.metric("accuracy").value
    assert with_groups.metric("accuracy").low != alone.metric("accuracy").low


def test_what_cannot_be_evaluated(study, table, refuses):
    with refuses(
        DataError, "X: there is no column 'kind': expected one of width, height, color, striped. Name one of them."
    ):
        study.model.evaluate(table.drop("kind"))
    with refuses(DataError, "X: no row has a value of 'kind': expected rows to evaluate by. Add their targets."):
        study.model.evaluate(table.with_columns(kind=pl.lit(None, dtype=pl.String)))
    with pytest.raises(DataError, match="holds 'wasp', which no row to learn from has"):
        study.model.evaluate(table.with_columns(kind=pl.lit("wasp")))
    with refuses(DataError, "y has 2 values for 120 rows of X: expected one per row. Bring them to one."):
        study.model.evaluate(table.drop("kind"), ["ant", "bee"])


def test_unlike_rows_are_warned_of(study, table):
    odd = table.with_columns(width=pl.lit(1e9), color=pl.lit("purple"))
    for call in (study.model.evaluate, study.model.predict):
        with pytest.warns(NewDataWarning) as caught:
            call(odd)
        assert len(caught) == 1
        lines = str(caught[0].message).splitlines()
        assert [line.partition(":")[0] for line in lines] == ["width", "color"]
        assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.model.predict(table)


def test_columns_are_kept_as_they_are_written(study, table, tmp_path):
    path = tmp_path / "new.csv"
    table.with_columns(
        id=pl.Series([f"00{row}.0" for row in range(table.height)]), prediction=pl.lit("mine")
    ).write_csv(path)
    predicted = study.model.predict(path, keep=["id", "width,prediction"])
    assert predicted.columns[:4] == ["id", "width", "prediction_", "prediction"]
    assert predicted["id"][:2].to_list() == ["000.0", "001.0"]
    assert predicted["width"].to_list() == [str(value) for value in table["width"]]
    assert predicted["prediction_"].to_list() == ["mine"] * table.height
    assert predicted.drop("id", "width", "prediction_").equals(study.model.predict(table))
    with pytest.raises(DataError, match="there is no column 'ID'"):
        study.model.predict(path, keep="ID")


def test_a_model_of_an_older_version_knows_no_ranges(study, table):
    description = study.model.description.model_copy(update={"ranges": {}, "expected": None})
    model = dn.SavedModel(description, study.model.saved)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.evaluate(table.with_columns(width=pl.lit(1e9))).expected_score is None
