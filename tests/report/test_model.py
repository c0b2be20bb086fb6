from dropnorm.report.model import advised_model, class_table, metric_table
from dropnorm.study.records import ClassResult, Interval, MetricResult, ModelResult

SCORE = Interval(mean=0.9, low=0.8, high=0.95)


def with_model(run, *, classes=3, metrics=()):
    made = tuple(
        ClassResult(name=f"c{number}", rows=1200, recall=0.5, precision=0.25, predicted=tuple(range(classes)))
        for number in range(classes)
    )
    model = ModelResult(
        arm=run.summary.advice.arm,
        rate=0.3,
        weight_decay=0.0,
        nets=(1, 2),
        rows=100,
        nets_per_row=1.5,
        score=SCORE,
        loss=SCORE,
        new_rows=20,
        score_of_new_rows=SCORE,
        single_score=0.9,
        single_loss=0.1,
        metrics=metrics,
        classes=made,
    )
    other = model.model_copy(update={"arm": "another"})
    return run.summary.model_copy(update={"models": (other, model)})


def test_the_model_is_told_in_every_metric_beside_a_constant(make_run):
    metrics = (
        MetricResult(metric="accuracy", value=0.9876, low=0.98, high=0.9912, constant=0.1),
        MetricResult(metric="roc_auc", value=None, constant=None),
        MetricResult(metric="log_loss", value=0.05678, constant=2.3026),
    )
    table = metric_table(with_model(make_run(), metrics=metrics))
    assert [column.header for column in table.columns] == [
        "metric",
        "the model",
        "95 % interval",
        "always saying each class by its share",
    ]
    assert table.rows == (
        ("Accuracy, %", "98.8", "98.0 to 99.1", "10.0"),
        ("Area under the ROC curve", "–", "–", "–"),
        ("Log loss, nats", "0.057", "–", "2.303"),
    )


def test_a_quantity_is_told_in_its_own_unit(regression):
    metrics = (
        MetricResult(metric="rmse", value=54.321, low=50.0, high=58.9999, constant=77.0),
        MetricResult(metric="r2", value=0.4256, constant=0.0),
    )
    summary = with_model(regression, classes=0, metrics=metrics)
    assert metric_table(summary).rows == (
        ("RMSE", "54.32", "50.00 to 59.00", "77.00"),
        ("R²", "0.426", "–", "0.000"),
    )
    assert class_table(summary).rows == ()


def test_each_class_has_its_recall_its_precision_and_what_it_is_taken_for(make_run):
    table = class_table(with_model(make_run()))
    assert [column.header for column in table.columns][4:] == ["as c0", "as c1", "as c2"]
    assert table.rows[1] == ("c1", "1,200", "50.0", "25.0", "", "1", "2")


def test_of_many_classes_the_confusion_matrix_is_left_out(make_run):
    table = class_table(with_model(make_run(), classes=21))
    assert len(table.rows) == 21
    assert [column.header for column in table.columns] == ["class", "rows", "recall, %", "precision, %"]


def test_an_older_run_has_no_model(make_run):
    summary = make_run().summary.model_copy(update={"models": ()})
    assert advised_model(summary) is None
    assert metric_table(summary).rows == class_table(summary).rows == ()
