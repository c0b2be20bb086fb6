import pytest

from dropnorm.study.conclusions.evaluated import describe_evaluation
from dropnorm.study.records import Evaluation, Interval, MetricResult


def evaluation(value=0.9, low=0.85, high=0.94, expected=(0.88, 0.86, 0.9), metric="accuracy", task="classification"):
    score = None if expected is None else Interval(mean=expected[0], low=expected[1], high=expected[2])
    result = MetricResult(metric=metric, value=value, low=low, high=high, constant=0.5)
    return Evaluation(
        rows=1200,
        task=task,
        target="y",
        metrics=(result,),
        expected_metric=metric if score else None,
        expected_score=score,
    )


def test_a_score_that_agrees_with_the_study():
    assert describe_evaluation(evaluation()) == (
        "On these 1,200 rows the model's accuracy is 90.0 % (95 % interval 85.0 to 94.0), which agrees with the 86.0 to 90.0 % "
        "that its study found."
    )


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"value": 0.5, "low": 0.45, "high": 0.55}, "worse"),
        ({"value": 0.99, "low": 0.98, "high": 0.995}, "better"),
        (
            {
                "value": 9.0,
                "low": 8.0,
                "high": 10.0,
                "expected": (5.0, 4.0, 6.0),
                "metric": "rmse",
                "task": "regression",
            },
            "worse",
        ),
    ],
)
def test_a_score_that_does_not(given, word):
    told = describe_evaluation(evaluation(**given))
    assert f", {word} than the " in told
    assert told.endswith("that its study found: these rows are not like those that it learned from.")


def test_without_an_interval_or_a_study():
    assert describe_evaluation(evaluation(expected=None)) == (
        "On these 1,200 rows the model's accuracy is 90.0 % (95 % interval 85.0 to 94.0)."
    )
    assert describe_evaluation(evaluation(low=None, high=None)) == "On these 1,200 rows the model's accuracy is 90.0 %."
    assert describe_evaluation(evaluation(value=None)) == "These rows do not define accuracy."
