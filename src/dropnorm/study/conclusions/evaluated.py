"""A model's score on rows whose target is known, in a sentence, beside what its study said."""

from dropnorm.study.records import Evaluation
from dropnorm.study.task import judged_by


def describe_evaluation(evaluation: Evaluation) -> str:
    """The score in the study's metric with its interval, and whether it is what the study found."""
    metric = judged_by(evaluation.task, evaluation.expected_metric).metric
    found = evaluation.metric(metric.key)
    if found is None or found.value is None:
        return f"These rows do not define {metric.name}."
    scale, unit = metric.scale(found.value), metric.behind
    said = f"On these {evaluation.rows:,} rows the model's {metric.name} is {scale.write(found.value)}{unit}"
    if found.low is None or found.high is None:
        return f"{said}."
    said += f" (95 % interval {scale.write(found.low)} to {scale.write(found.high)})"
    expected = evaluation.expected_score
    if expected is None:
        return f"{said}."
    span = f"{scale.write(expected.low)} to {scale.write(expected.high)}{unit}"
    if found.low <= expected.high and expected.low <= found.high:
        return f"{said}, which agrees with the {span} that its study found."
    better = metric.gain(found.value, expected.mean) > 0.0
    return (
        f"{said}, {'better' if better else 'worse'} than the {span} that its study found: these rows are not like those that "
        f"it learned from."
    )
