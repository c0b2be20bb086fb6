"""The numbers of a run as rows of text, for the page and for the command line alike."""

from dataclasses import dataclass
from typing import Literal

from dropnorm.study.conclusions.significance import together
from dropnorm.study.records import (
    Arm,
    ArmResult,
    DataDescription,
    EpochsToReach,
    Interval,
    Quantity,
    Run,
    StudyConfig,
    Summary,
)
from dropnorm.study.task import RMSE, TASKS, Metric, Scale

NONE = "–"
SHOWN_CLASSES = 12
LOSS_SCALE = Scale(factor=1.0, decimals=3)
R2_SCALE = Scale(factor=1.0, decimals=3)


@dataclass(frozen=True)
class Column:
    """One column of a table: its header, with the unit, and the side its cells are aligned to."""

    header: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class Table:
    """Rows of text under columns; `marked` is the index of the row that is advised, if they are arms."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: int | None


@dataclass(frozen=True)
class Numbers:
    """How a study's scores and their differences are written, with as many digits in every place."""

    metric: Metric
    scale: Scale

    @classmethod
    def of(cls, summary: Summary) -> "Numbers":
        """Those of a finished study; plain's score says how many digits matter."""
        metric = TASKS[summary.data.task].metric
        return cls(metric, metric.scale(summary.arms[0].test_score.mean))

    def interval(self, interval: Interval, *, signed: bool = False) -> str:
        """A mean and its interval: 97.3 (96.0 to 98.5)."""
        mean, low, high = (self.scale.write(v, signed=signed) for v in (interval.mean, interval.low, interval.high))
        return f"{mean} ({low} to {high})"


def arm_table(summary: Summary) -> Table:
    """List the arms of a study with their 95 % intervals, one row each, the advised one marked.

    Args:
        summary: a finished study. Scores come out in the metric's unit, accuracies in percent, and their
            differences in percentage points (pp), each as `mean (low to high)`.
    """
    numbers = Numbers.of(summary)
    rows = [_arm_row(result, numbers) for result in summary.arms]
    advised = [result.arm for result in summary.arms].index(summary.advice.arm)
    return Table(
        tuple(Column(header, "left" if header == "arm" else "right") for header in rows[0]),
        tuple(tuple(row.values()) for row in rows),
        advised,
    )


def key_facts(run: Run) -> tuple[tuple[str, str], ...]:
    """Tell the size of a run as (value, what it counts): from its rows to its wall time."""
    data = run.summary.data
    facts = [
        (f"{data.rows:,}", "rows"),
        (f"{data.features:,}", "features"),
        (f"{len(data.classes):,}", "classes")
        if data.quantity is None
        else (_written(data.quantity.deviation), "standard deviation of the target"),
        (f"{len(run.nets):,}", "nets trained"),
        *_repetitions(run.summary.config),
    ]
    if run.timing is not None:
        facts.append((duration(run.timing.seconds), "wall time"))
    return tuple(facts)


def how_it_was_made(run: Run) -> tuple[tuple[str, str], ...]:
    """List all that decided a run's numbers, as (label, value): data, configuration, versions and machine."""
    data, config, timing = run.summary.data, run.summary.config, run.timing
    return (
        ("Data", f"{data.name}, {data.rows:,} rows, {data.columns:,} columns"),
        ("Fingerprint of the data", data.fingerprint),
        ("Target", data.target),
        ("Task", f"{data.task}, trained on {TASKS[data.task].loss}"),
        ("Classes (rows)", _classes(data.classes, data.class_rows))
        if data.quantity is None
        else ("Values of the target", _values(data.quantity)),
        (
            "Split",
            f"{data.train_rows:,} train, {data.validation_rows:,} validation, {data.test_rows:,} test rows{_split(data)}",
        ),
        ("Arms", ", ".join(arm.name for arm in config.arms)),
        ("Splits and seeds", repetitions(config)),
        *((f"Arm {arm.name}", arm_settings(arm)) for arm in config.arms if arm.regularizers),
        ("Net", config.net)
        if ":" in config.net
        else ("Hidden layers", f"{' × '.join(str(width) for width in config.hidden)}, {config.activation}"),
        ("Parameters of a plain net", f"{run.summary.parameters:,}"),
        ("Batch size", f"{config.batch_size:,} ({run.summary.steps_per_epoch:,} steps per epoch)"),
        (
            "Learning rate, unless the net is compiled with its own" if timing and timing.keras else "Learning rate",
            f"{config.learning_rate:g}",
        ),
        ("Epochs", f"at most {config.epochs:,}, stopped after {config.patience:,} without improvement"),
        ("Device", config.device),
        ("Processor", timing.processor if timing else "not recorded"),
        ("Threads", str(timing.threads) if timing else "not recorded"),
        ("Wall time", duration(timing.seconds) if timing else "not recorded"),
        ("dropnorm", run.summary.dropnorm_version),
        ("PyTorch", timing.torch_version if timing else "not recorded"),
        *([("Keras", timing.keras)] if timing and timing.keras else []),
    )


def repetitions(config: StudyConfig) -> str:
    """Say how often every arm was tried: 10 seeds, or 5 splits of 10 seeds each."""
    seeds = f"{config.seeds} seed{'s' if config.seeds > 1 else ''}"
    if config.splits is None:
        return f"{seeds}, each with its own split"
    return f"{config.splits} split{'s' if config.splits > 1 else ''}, {seeds} on each"


def interaction_sentence(summary: Summary) -> tuple[str, str]:
    """Say whether dropout and batch norm work better together: the answer, and the numbers behind it."""
    if summary.interaction is None:
        return (
            "This run cannot tell.",
            "The question takes all four arms: plain, dropout, batch_norm and dropout+batch_norm.",
        )
    interval, p_value = summary.interaction.interval, summary.interaction.p_value
    numbers = Numbers.of(summary)
    plain = summary.arms[0].test_score.mean
    match together(summary.interaction, summary.advice, numbers.metric, plain):
        case "more":
            answer = "Yes: together they give more than their separate effects add up to."
        case "less":
            answer = "No: together they give less than their separate effects add up to."
        case _:
            answer = "No evidence either way."
    mean, low, high = (
        numbers.scale.write(value, signed=True) for value in (interval.mean, interval.low, interval.high)
    )
    unit = f" {numbers.metric.difference_unit}".rstrip()
    told = (
        f"Test {numbers.metric.name} with both differs by {mean}{unit} from what the effects "
        f"of dropout alone and of batch norm alone add up to (95 % interval {low} to {high}{unit}, "
        f"p {probability(p_value, relation=True)})."
    )
    return answer, told + _interaction_in_loss(summary)


def _interaction_in_loss(summary: Summary) -> str:
    """Say the same of the loss, shortly."""
    found = next((one for one in summary.interactions if one.measure == "loss"), None)
    if found is None:
        return ""
    mean, low, high = (
        LOSS_SCALE.write(v, signed=True) for v in (found.interval.mean, found.interval.low, found.interval.high)
    )
    loss = TASKS[summary.data.task].loss_in_words
    return f" In {loss} it is {mean} ({low} to {high}, p {probability(found.p_value, relation=True)})."


def _repetitions(config: StudyConfig) -> tuple[tuple[str, str], ...]:
    """Count splits, where they are not the seeds', and seeds."""
    if config.splits is None:
        return ((f"{config.seeds:,}", "seeds"),)
    return ((f"{config.splits:,}", "splits" if config.splits > 1 else "split"), (f"{config.seeds:,}", "seeds on each"))


def probability(p_value: float, *, relation: bool = False) -> str:
    """Write a p-value to three decimals below 0.1 and two above; `relation` puts `=` before it."""
    if p_value < 0.001:
        return "< 0.001"
    text = f"{p_value:.3f}" if p_value < 0.1 else f"{p_value:.2f}"
    return f"= {text}" if relation else text


def duration(seconds: float) -> str:
    """Write a time in the two units that matter: 8.4 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def _arm_row(result: ArmResult, numbers: Numbers) -> dict[str, str]:
    """Write one arm's cells under their headers."""
    metric, comparison, r2 = numbers.metric, result.comparison, result.test_r2
    return {
        "arm": result.arm,
        "dropout rate": _rates(result.rates),
        f"test {metric.label}": numbers.interval(result.test_score),
        metric.labelled("difference to plain"): numbers.interval(comparison.interval, signed=True)
        if comparison
        else NONE,
        "p (Holm)": probability(comparison.p_holm) if comparison else NONE,
        metric.labelled("generalization gap"): numbers.interval(result.generalization_gap),
        **({} if r2 is None else {"test R²": Numbers(metric, R2_SCALE).interval(r2)}),
        "epochs to plain's best": _epochs_to_reach(result.epochs_to_plain_best),
    }


def _rates(rates: tuple[float, ...]) -> str:
    """Write the dropout rates chosen over the seeds: one, or the lowest and the highest."""
    low, high = min(rates), max(rates)
    if high == 0:
        return NONE
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


def arm_settings(arm: Arm) -> str:
    """Write what an arm does, with its numbers."""
    where = " before the last layer" if arm.where == "last" else ""
    settings = (
        (arm.dropout, f"dropout{where} at rate {_choices(arm.dropout)}"),
        (arm.input_dropout, f"dropout of the inputs at rate {arm.input_dropout:g}"),
        (arm.batch_norm, "batch norm"),
        (arm.max_norm, f"max-norm {arm.max_norm or 0:g}"),
        (arm.weight_decay, f"weight decay {_choices(arm.weight_decay)}"),
    )
    return ", ".join(text for used, text in settings if used)


def _choices(values: tuple[float, ...]) -> str:
    """Write the values that an arm may choose from."""
    return " or ".join(f"{value:g}" for value in sorted(set(values)))


def _epochs_to_reach(reach: EpochsToReach) -> str:
    """Write the median of epochs and how many nets got there."""
    if reach.median_epochs is None:
        return f"{NONE} ({reach.reached} of {reach.of} nets)"
    return f"{reach.median_epochs:g} ({reach.median_steps:,g} steps, {reach.reached} of {reach.of} nets)"


def _split(data: DataDescription) -> str:
    """Say what decided on the rows of a part, if it was not chance alone."""
    test = "; the test part was given" if data.given_test else ""
    if data.group is not None:
        return f"{test}; on average, as no group of {data.group} is in two parts"
    return f"{test}; earlier by {data.time} to later" if data.time is not None else test


def _values(quantity: Quantity) -> str:
    """Write where a target's values lie."""
    lowest, highest, mean, deviation = map(
        _written, (quantity.lowest, quantity.highest, quantity.mean, quantity.deviation)
    )
    return f"{lowest} to {highest}, mean {mean}, standard deviation {deviation}"


def _written(value: float) -> str:
    """Write a quantity of any size in four digits, but without zeros behind the point."""
    text = RMSE.scale(value).write(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _classes(names: tuple[str, ...], rows: tuple[int, ...]) -> str:
    """Write the first classes with their rows, and how many more there are."""
    shown = [f"{name} ({count:,})" for name, count in zip(names, rows, strict=True)][:SHOWN_CLASSES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
