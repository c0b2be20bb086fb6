"""How good the model is, on rows that its nets did not see: every metric, and what it makes of each class."""

from collections.abc import Sequence

from dropnorm.report.tables import NONE, Column, Table
from dropnorm.study.records import ClassResult, MetricResult, ModelResult, Summary, TaskName
from dropnorm.study.task import METRICS, Metric

SHOWN_CLASSES = 20


def advised_model(summary: Summary) -> ModelResult | None:
    """Find the result of the advised arm's model; older runs kept none."""
    return next((model for model in summary.models if model.arm == summary.advice.arm), None)


def metric_table(summary: Summary) -> Table:
    """List the model's score in every metric of its task, beside that of always saying the same."""
    model = advised_model(summary)
    return table_of_metrics(summary.data.task, model.metrics if model else ())


def table_of_metrics(task: TaskName, results: Sequence[MetricResult]) -> Table:
    """List a score in every metric of a task, beside that of always saying the same."""
    known = {metric.key: metric for metric in METRICS[task]}
    rows = tuple(
        (
            _capital(known[one.metric].label),
            _written(known[one.metric], one.value),
            _spanned(known[one.metric], one),
            _written(known[one.metric], one.constant),
        )
        for one in results
    )
    constant = "each class by its share" if task == "classification" else "the mean"
    headers = ("metric", "the model", "95 % interval", f"always saying {constant}")
    return Table(_columns(headers), rows, marked=None)


def class_table(summary: Summary) -> Table:
    """List what the model makes of each class: recall, precision, and a confusion matrix of up to 20 classes, zeros blank."""
    model = advised_model(summary)
    return table_of_classes(model.classes if model else ())


def table_of_classes(classes: Sequence[ClassResult]) -> Table:
    """List recall and precision of each class, and a confusion matrix of up to 20 classes, zeros blank."""
    shown = classes if len(classes) <= SHOWN_CLASSES else ()
    rows = tuple(
        (
            one.name,
            f"{one.rows:,}",
            f"{100 * one.recall:.1f}",
            f"{100 * one.precision:.1f}",
            *(f"{one.predicted[number]:,}" if one.predicted[number] else "" for number in range(len(shown))),
        )
        for one in classes
    )
    headers = ("class", "rows", "recall, %", "precision, %", *(f"as {one.name}" for one in shown))
    return Table(_columns(headers), rows, marked=None)


def _columns(headers: tuple[str, ...]) -> tuple[Column, ...]:
    """Head a table whose first column has names."""
    return tuple(Column(header, "right" if index else "left") for index, header in enumerate(headers))


def _capital(label: str) -> str:
    """Begin a label with a capital, whatever its case behind that."""
    return label[:1].upper() + label[1:]


def _spanned(metric: Metric, result: MetricResult) -> str:
    """Write the interval of a score, where it has one."""
    if result.value is None or result.low is None or result.high is None:
        return NONE
    scale = metric.scale(result.value)
    return f"{scale.write(result.low)} to {scale.write(result.high)}"


def _written(metric: Metric, value: float | None) -> str:
    """Write a score, where the rows define one."""
    return NONE if value is None else metric.scale(value).write(value)
