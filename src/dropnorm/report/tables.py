"""The numbers of a run as rows of text, for the page and for the command line alike."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from dropnorm._options import by_panel, options_of
from dropnorm.study.conclusions.significance import together
from dropnorm.study.conclusions.wording import counted, noun
from dropnorm.study.options import PANELS, PlanOptions
from dropnorm.study.records import (
    MAIN_STATISTIC,
    Arm,
    ArmResult,
    DataDescription,
    EpochsToReach,
    Interaction,
    Interval,
    Quantity,
    Run,
    SharedScale,
    StudyConfig,
    Summary,
    TrainingLimits,
)
from dropnorm.study.settings import ScalingName
from dropnorm.study.statistics.catalogue import Statistic, statistics_of
from dropnorm.study.task import RMSE, Scale, task_of

NONE = "–"
SHOWN_CLASSES = 12


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
    """How a statistic of a study and its differences are written, with as many digits in every place."""

    statistic: Statistic
    scale: Scale

    @classmethod
    def of(cls, summary: Summary, name: str = MAIN_STATISTIC) -> "Numbers":
        """The notation of a finished study's statistic; plain's score says how many digits of scores matter."""
        statistic = statistics_of(task_of(summary))[name]
        return cls(statistic, statistic.notation.scale(summary.arms[0].test_score.mean))

    @property
    def header(self) -> str:
        """What heads a column of values."""
        return self.statistic.notation.headed(self.statistic.label)

    def difference_header(self, label: str) -> str:
        """What heads a column of differences that are called so."""
        return self.statistic.notation.labelled(label)

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
    known = {name for result in summary.arms for name in result.statistics}
    shown = [
        Numbers.of(summary, name)
        for name, statistic in statistics_of(task_of(summary)).items()
        if statistic.in_arm_table and name in known
    ]
    rows = [_arm_row(result, shown) for result in summary.arms]
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
        _fact(data.rows, "rows"),
        _fact(data.features, "features"),
        _fact(len(data.classes), "classes")
        if data.quantity is None
        else (_written(data.quantity.deviation), "standard deviation of the target"),
        _fact(len(run.nets), "nets", " trained"),
        *_repetitions(run.summary.config),
    ]
    if run.timing is not None:
        facts.append((duration(run.timing.seconds), "wall time"))
    return tuple(facts)


def how_it_was_made(run: Run) -> tuple[tuple[str, str], ...]:
    """List all that decided a run's numbers, as (label, value): data, configuration, versions and machine."""
    data, config, timing = run.summary.data, run.summary.config, run.timing
    return (
        ("Data", f"{data.name}, {counted(data.rows, 'rows')}, {counted(data.columns, 'columns')}"),
        ("Fingerprint of the data", data.fingerprint),
        ("Target", data.target),
        ("Task", f"{data.task}, trained on {task_of(run.summary).loss}{_reason(data)}"),
        ("Classes (rows)", _classes(data.classes, data.class_rows))
        if data.quantity is None
        else ("Values of the target", _values(data.quantity)),
        (
            "Split",
            f"{data.train_rows:,} train, {data.validation_rows:,} validation, {data.test_rows:,} test rows{_split(data)}",
        ),
        *(
            [("What was understood", ". ".join(f"{one[0].upper()}{one[1:]}" for one in data.notices))]
            if data.notices
            else []
        ),
        *([("Rows with a copy", f"{data.repeated_rows:,}, features and target alike")] if data.repeated_rows else []),
        ("Scale of the features", _scales(data.shared_scales, config.scaling)),
        ("Arms", ", ".join(arm.name for arm in config.arms)),
        *((f"Arm {arm.name}", arm_settings(arm)) for arm in config.arms if arm.regularizers),
        *_settings(run),
        ("Parameters of a plain net", f"{run.summary.parameters:,}"),
        ("Steps per epoch", f"{run.summary.steps_per_epoch:,}"),
        *([("Begun", moment(run.beginning.at))] if run.beginning else []),
        *([("Finished", moment(timing.finished))] if timing and timing.finished else []),
        ("Training of a net", _training(run.summary.limits)),
        ("Processor", timing.processor if timing else "not recorded"),
        ("Threads", str(timing.threads) if timing else "not recorded"),
        ("Wall time", duration(timing.seconds) if timing else "not recorded"),
        ("dropnorm", run.summary.dropnorm_version),
        ("PyTorch", timing.torch_version if timing else "not recorded"),
        *([("Keras", timing.keras)] if timing and timing.keras else []),
    )


def _settings(run: Run) -> Iterator[tuple[str, str]]:
    """List every setting that had an effect, as it is declared."""
    config = run.summary.config
    options = (option for name, option in options_of(PlanOptions).items() if name in config.used)
    for option in (one for panel in by_panel(options, PANELS).values() for one in panel):
        if option.name == "test_size" and run.summary.data.given_test:
            continue
        keras = option.name == "learning_rate" and run.timing is not None and run.timing.keras
        label = f"{option.told_as}, unless the net is compiled with its own" if keras else option.told_as
        value = config.settings[option.name]
        judged = option.name == "metric" and value is None
        yield label, task_of(run.summary).metric.name if judged else option.tell(value)


def repetitions(config: StudyConfig) -> str:
    """Say how often every arm was tried: 10 seeds, or 5 splits of 10 seeds each."""
    seeds = counted(config.seeds, "seeds")
    if config.splits is None:
        return f"{seeds}, each with its own split"
    return f"{counted(config.splits, 'splits')}, {seeds} on each"


def interaction_sentence(summary: Summary) -> tuple[str, str]:
    """Say whether dropout and batch norm work better together: the answer, and the numbers behind it."""
    if summary.interaction is None:
        return (
            "This run cannot tell.",
            "The question takes all four arms: plain, dropout, batch_norm and dropout+batch_norm.",
        )
    p_value, numbers = summary.interaction.p_value, Numbers.of(summary)
    metric = task_of(summary).metric
    plain = summary.arms[0].test_score.mean
    match together(summary.interaction, summary.advice, metric, plain):
        case "more":
            answer = "Yes: together they give more than their separate effects add up to."
        case "less":
            answer = "No: together they give less than their separate effects add up to."
        case _:
            answer = "No evidence either way."
    mean, low, high = _signed(numbers, summary.interaction)
    label, unit = numbers.statistic.label, f" {numbers.statistic.notation.difference_unit}".rstrip()
    told = (
        f"{label[:1].upper()}{label[1:]} with both differs by {mean}{unit} from what the effects "
        f"of dropout alone and of batch norm alone add up to (95 % interval {low} to {high}{unit}, "
        f"p {probability(p_value, relation=True)})."
    )
    known = statistics_of(task_of(summary))
    others = [one for one in summary.interactions if one.statistic in known and one != summary.interaction]
    return answer, " ".join([told, *(_other_interaction(summary, one) for one in others)])


def _other_interaction(summary: Summary, interaction: Interaction) -> str:
    """Say the same of another statistic, shortly."""
    numbers = Numbers.of(summary, interaction.statistic)
    mean, low, high = _signed(numbers, interaction)
    p_value = probability(interaction.p_value, relation=True)
    return f"In {numbers.statistic.label} it is {mean} ({low} to {high}, p {p_value})."


def _signed(numbers: Numbers, interaction: Interaction) -> tuple[str, str, str]:
    """Write an interaction's mean and the ends of its interval."""
    found = interaction.interval
    mean, low, high = (numbers.scale.write(value, signed=True) for value in (found.mean, found.low, found.high))
    return mean, low, high


def _repetitions(config: StudyConfig) -> tuple[tuple[str, str], ...]:
    """Count splits, where they are not the seeds', and seeds."""
    if config.splits is None:
        return (_fact(config.seeds, "seeds"),)
    return (_fact(config.splits, "splits"), _fact(config.seeds, "seeds", " on each"))


def _fact(number: int, things: str, rest: str = "") -> tuple[str, str]:
    """A number apart from what it counts."""
    return f"{number:,}", noun(number, things) + rest


def moment(at: datetime) -> str:
    """Write a time to the minute, as it is in Greenwich: a page may be read anywhere."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


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


def _arm_row(result: ArmResult, shown: Sequence[Numbers]) -> dict[str, str]:
    """Write one arm's cells under their headers."""
    row = {"arm": result.arm, "dropout rate": _rates(result.rates)}
    for numbers in shown:
        found = result.statistics.get(numbers.statistic.name)
        row[numbers.header] = NONE if found is None else numbers.interval(found)
        if numbers.statistic.name == MAIN_STATISTIC:
            compared = result.comparison
            header = numbers.difference_header("difference to plain")
            row[header] = numbers.interval(compared.interval, signed=True) if compared else NONE
            row["p (Holm)"] = probability(compared.p_holm) if compared else NONE
    return row | {"median epochs to plain's best": _epochs_to_reach(result.epochs_to_plain_best)}


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
    """Write the median of epochs, in whole steps too, and how many nets got there."""
    nets = f"{reach.reached:,} of {counted(reach.of, 'nets')}"
    if reach.median_epochs is None or reach.median_steps is None:
        return f"{NONE} ({nets})"
    return f"{reach.median_epochs:,g} ({counted(math.ceil(reach.median_steps), 'steps')}, {nets})"


def _split(data: DataDescription) -> str:
    """Say what decided on the rows of a part, if it was not chance alone."""
    test = "; the test part was given" if data.given_test else ""
    if data.group is not None:
        return f"{test}; on average, as no group of {data.group} is in two parts"
    return f"{test}; earlier by {data.time} to later" if data.time is not None else test


def _training(limits: TrainingLimits) -> str:
    """Say how long a net trains, what becomes of it on a plateau, and which epoch is its best."""
    growth = f", or {limits.growth:g} times as many as its last progress took" if limits.growth else ""
    least = f"; a loss that falls by less than {limits.progress:g} is none" if limits.progress else ""
    plateau = "where a net stops"
    if limits.drops:
        plateau = (
            f"where a net goes back to its best weights, and on at {limits.drop_to:g} times its learning rate, "
            f"{counted(limits.drops, 'times')} before it stops"
        )
    best = {"loss": "the lowest loss", "score": "the highest score, and of equal ones the lowest loss"}
    return (
        f"at most {counted(limits.epochs, 'epochs')}; a plateau is {counted(limits.patience, 'epochs')} without "
        f"progress on validation{growth}{least}; {plateau}; the best epoch is that of {best[limits.stop_by]}"
    )


def _scales(shared: tuple[SharedScale, ...], scaling: ScalingName) -> str:
    """Say which features share a scale, and why."""
    if scaling == "each":
        return "that of each by itself, as was asked for"
    reasons = {
        "image": "pixels of one channel",
        "range": "columns of numbers that span one range",
        "asked": "numbers, as was asked for",
    }
    counts = Counter(shared)
    told = [
        f"{f'{times} times ' if times > 1 else ''}{scale.features:,} features share one ({reasons[scale.evidence]})"
        for scale, times in counts.items()
    ]
    return ", ".join([*told, "each other by itself" if told else "that of each by itself"])


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


def _reason(data: DataDescription) -> str:
    """Say why the task is what it is, where that was a guess."""
    return f"; {data.target} holds {data.task_reason}" if data.task_reason else ""


def _classes(names: tuple[str, ...], rows: tuple[int, ...]) -> str:
    """Write the first classes with their rows, and how many more there are."""
    shown = [f"{name} ({count:,})" for name, count in zip(names, rows, strict=True)][:SHOWN_CLASSES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
