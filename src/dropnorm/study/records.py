"""The frozen records of a study: what goes in (its configuration) and what comes out (its numbers).

Nothing here imports torch, so that a saved run can be read and drawn without it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError, model_validator

from dropnorm._options import EMPTY, options_of
from dropnorm._record import Record
from dropnorm._validate import shown
from dropnorm.errors import ArgumentTypeError
from dropnorm.study.pictures.records import Pictures, UnitInput
from dropnorm.study.settings import MetricName, Settings, StopBy

SCHEMA_VERSION: Literal[4] = 4
MAIN_STATISTIC = "test_score"
"""What arms are told and compared by before all else."""

TaskName = Literal["classification", "regression"]
StateName = Literal["overfitting", "underfitting", "fine", "too_little_data", "shifted"]
CaseName = Literal["shown", "likely", "not_shown", "harmful"]
ArmName = str
NetName = Literal["dense", "conv"]
UnitEvidence = Literal["image", "range", "asked"]
ColumnKind = Literal[
    "number", "boolean", "category", "date", "array", "text", "identifier", "constant", "empty", "left out"
]
RareName = Literal["error", "merge", "drop"]
KindGiven = Literal[
    "number", "decimal-point", "decimal-comma", "boolean", "category", "date", "day-first", "month-first", "year-first"
]


class _Told(type(Record)):  # type: ignore[misc] # of pydantic
    """What makes a record that users write: a field that is not allowed is an error of dropnorm's."""

    def __call__(cls, *args: Any, **fields: Any) -> Any:
        try:
            return super().__call__(*args, **fields)
        except (ValidationError, TypeError) as error:
            raise ArgumentTypeError(_refusal(cls.__name__, error)) from error


def _refusal(record: str, error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"{record} is given arguments without a name: expected each by its name, such as name=. Write the names."
    wrong = error.errors()[0]
    place, allowed = ".".join(map(str, wrong["loc"])), wrong["msg"].removeprefix("Input should be ")
    return f"{place}={shown(wrong['input'])} is not allowed in {record}: expected {allowed}. Change {place}, or leave it out."


class Arm(Record, metaclass=_Told):
    """A way to regularize a net; nets of all arms are alike but for it.

    Args:        name: what it is called; dropout: rates in (0, 1) to choose from on validation, none for no dropout; where:
                 after every hidden layer, or after the last one alone; input_dropout: the rate of the features; batch_norm:
                 before every activation; max_norm: the largest norm of the weights into a hidden unit; weight_decay:
                 decoupled from the gradient, per step times the learning rate, values to choose from on validation.
    Example:
        >>> import dropnorm as dn
        >>> arm = dn.Arm(name="as in 2014", input_dropout=0.2, dropout=(0.5,), max_norm=3.0)
        >>> arm.regularizers
        ('dropout', 'input_dropout', 'max_norm')
    """

    name: str
    dropout: tuple[float, ...] = ()
    where: Literal["hidden", "last"] = "hidden"
    input_dropout: float = 0.0
    batch_norm: bool = False
    max_norm: float | None = None
    weight_decay: tuple[float, ...] = ()

    @property
    def choices(self) -> tuple[tuple[float, float], ...]:
        """The rates and decays of the nets that each seed has of it, the least first."""
        rates, decays = sorted(set(self.dropout)) or [0.0], sorted(set(self.weight_decay)) or [0.0]
        return tuple((rate, decay) for rate in rates for decay in decays)

    @property
    def regularizers(self) -> tuple[str, ...]:
        """The parts that it is made of, by the names of `dropnorm.study.arms.WORDS`."""
        parts = {
            "dropout": bool(self.dropout) and self.where == "hidden",
            "last_dropout": bool(self.dropout) and self.where == "last",
            "input_dropout": self.input_dropout > 0.0,
            "batch_norm": self.batch_norm,
            "max_norm": self.max_norm is not None,
            "weight_decay": bool(self.weight_decay),
        }
        return tuple(name for name, used in parts.items() if used)


@dataclass(frozen=True, kw_only=True)
class StudyConfig(Settings):
    """Everything that decides a study's numbers, besides the data, checked.

    Args:        arms: all of them, plain among them; net: a NetName, or module:function; device: where the nets train.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", defer_build=True)

    arms: tuple[Arm, ...]
    net: str = "dense"
    device: str = "cpu"

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "StudyConfig":
        """The configuration that a run kept; a setting that was not there yet has the value of what was done then.

        Raises:      pydantic's ValidationError for what no study can have had.
        """
        return _CONFIGS.validate_python(kept)

    def kept(self) -> dict[str, Any]:
        """The configuration as a run keeps it, in values that JSON has."""
        kept: dict[str, Any] = _CONFIGS.dump_python(self, mode="json")
        return kept

    @model_validator(mode="before")
    @classmethod
    def _older(cls, kept: Any) -> Any:
        if not isinstance(kept, Mapping):
            return kept
        before = {name: option.before for name, option in options_of(Settings).items() if option.before is not EMPTY}
        return before | dict(kept)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the arms, by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "arms"}

    @property
    def used(self) -> tuple[str, ...]:
        """The names of the settings that have an effect on the study's kind of nets."""
        nets = {name: option.nets for name, option in options_of(Settings).items()}
        return tuple(name for name in self.settings if not nets.get(name) or self.net in nets[name])

    @property
    def split_count(self) -> int:
        """How many splits there are: as many as seeds, if nothing else is asked for."""
        return self.seeds if self.splits is None else self.splits

    @property
    def repetitions(self) -> int:
        """How many nets an arm has of each kind: one per seed of each split. They are numbered split by split."""
        return self.seeds if self.splits is None else self.splits * self.seeds

    @property
    def nets(self) -> int:
        """How many nets all arms have together."""
        return self.repetitions * sum(len(arm.choices) for arm in self.arms)

    def least_for_parts(self, *, given_test: bool) -> int:
        """How many rows of a kind it takes for each part to get one, where the parts are drawn at random."""
        others = (self.validation_size,) if given_test else (self.test_size, self.validation_size)
        return math.ceil(1 / min(*others, 1.0 - sum(others)))

    def split_of(self, seed: int) -> int:
        """The split on which a repetition trains."""
        return seed * self.split_count // self.repetitions


_CONFIGS = TypeAdapter(StudyConfig)


class TrainingLimits(Record):
    """How long nets train, and which epoch is a net's best, as it was decided for the data.

    `epochs` at most. A net stalls after `patience` epochs without progress, or `growth` times as many as its last progress
    took, if that is more; a loss that falls by less than `progress` is none. The first `drops` times that it stalls, it goes
    back to its best weights and its learning rate drops to the share `drop_to`; then it stops.
    """

    epochs: int
    patience: int
    growth: float
    progress: float
    drops: int
    drop_to: float
    stop_by: StopBy


class SharedScale(Record):
    """How many features have one unit, and so one scale, and by what that is known.

    They are the pixels of one channel of an image; or columns that span one range; or all numbers, as was asked for.
    """

    features: int
    evidence: UnitEvidence


class DataDescription(Record):
    """What was studied, in counts.

    `fingerprint` is a hash of all that a study sees, `rows_fingerprint` one of what decides which rows are in which part: the
    targets, and groups, times or a given test part. Where only features differ, it is the same. `notices` say how the data was
    read, where that was a guess, and what was left out; `task_reason` why the target is what it is, where that was a guess;
    `repeated_rows` how many rows have a copy, features and target alike; `rare_classes` which were merged or left out.
    """

    name: str
    task: TaskName
    target: str
    fingerprint: str
    rows_fingerprint: str = ""
    rows: int
    columns: int
    features: int
    classes: tuple[str, ...]
    class_rows: tuple[int, ...]
    quantity: "Quantity | None"
    rows_without_target: int = 0
    images_skipped: int = 0
    group: str | None = None
    time: str | None = None
    given_test: bool = False
    shared_scales: tuple[SharedScale, ...] = ()
    train_rows: int
    validation_rows: int
    test_rows: int
    columns_encoded: "tuple[ColumnSummary, ...]" = ()
    notices: tuple[str, ...] = ()
    task_reason: str = ""
    repeated_rows: int = 0
    rare_classes: tuple[str, ...] = ()


class ColumnSummary(Record):
    """Columns of the data that are encoded alike, and what they became.

    Args:        names: those of the first ones; count: how many there are; kind: what they hold; features: of all of them;
                 categories: different texts with a feature of their own in each; cycles: of dates, in which their place counts;
                 shape: of each array; has_missing: whether a feature says where a value is missing; reason: why their kind is
                 what it is, or why they are left out; notice: what else is to be known of them.
    """

    names: tuple[str, ...]
    count: int
    kind: ColumnKind
    features: int
    categories: int = 0
    cycles: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    has_missing: bool = False
    reason: str = ""
    notice: str = ""


class ColumnDescription(Record):
    """One column of a table that was looked at, and not studied.

    Args:        kind: what it holds, or "unclear" where it has to be told, as `notice` says; reason: why that is thought;
                 distinct: different values; missing: rows without a value; examples: some values as they are written;
                 encoding: what it would become, in words; features: how many.
    """

    name: str
    kind: ColumnKind | Literal["unclear", "target"]
    reason: str = ""
    distinct: int
    missing: int
    examples: tuple[str, ...] = ()
    encoding: str = ""
    features: int = 0
    notice: str = ""


class TableDescription(Record):
    """A table that was looked at: its columns, and how it was read, where that was a guess."""

    name: str
    rows: int
    columns: tuple[ColumnDescription, ...]
    notices: tuple[str, ...] = ()


class Quantity(Record):
    """The values of a regression's target, over all rows."""

    lowest: float
    highest: float
    mean: float
    deviation: float


class Interval(Record):
    """A mean over the seeds and its 95 % interval."""

    mean: float
    low: float
    high: float


class EpochRecord(Record):
    """One net after one epoch, measured in inference mode; a score is the task's main metric: accuracy, or RMSE."""

    net: int
    epoch: int
    train_loss: float
    train_score: float
    validation_loss: float
    validation_score: float


class Reliability(Record):
    """Test rows by the confidence of a net in its prediction, in bins of equal width, and how many it was right on.

    Means of bins without rows are 0.
    """

    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]


class NetRecord(Record):
    """One finished net, with the weights of its best epoch restored.

    Its seed, which no other split has, decides on weights, order and masks. Reliability and calibration error are those of
    classes on the test part.
    """

    net: int
    arm: ArmName
    split: int
    seed: int
    rate: float
    weight_decay: float = 0.0
    epochs: int
    best_epoch: int
    train_loss: float
    train_score: float
    validation_loss: float
    validation_score: float
    test_loss: float
    test_score: float
    test_r2: float | None = None
    calibration_error: float | None = None
    reliability: Reliability | None = None


class CurveNet(NetRecord):
    """A finished net of the learning curve, which learned from a fraction of its seed's training rows."""

    fraction: float
    train_rows: int


class CurvePoint(Record):
    """One arm at one size of the training part: its test score, and its paired difference to plain, which has none.

    Holm's adjustment is over the arms of one size.
    """

    arm: ArmName
    fraction: float
    rows: int
    test_score: Interval
    difference: Interval | None
    p_holm: float | None = None


class Power(Record):
    """How many seeds, or splits where each has several, would show a difference as large as the one found.

    `needed` is None where no number of them suffices: `at_best` is then the power that their overlap allows, and
    `rows_factor`, where it can be told, how many times as many rows would do.
    """

    needed: int | None
    at_best: float
    rows_factor: float | None


class Comparison(Record):
    """The paired differences of an arm to plain in one statistic, seed by seed, and their test.

    Holm's adjustment is over the arms. The bootstrap interval stands beside: it takes splits as independent.
    """

    statistic: str
    differences: tuple[float, ...]
    interval: Interval
    bootstrap: Interval
    p_value: float
    p_holm: float
    power: Power


class SelectionOptimism(Record):
    """How much the choice of a rate or decay flatters the chosen nets' validation scores.

    `chosen` and `fixed` are by how much the score is better on validation than on test rows, of the chosen net and on
    average over the nets of the grid; `optimism` is the first less the second.
    """

    chosen: Interval
    fixed: Interval
    optimism: Interval


class EpochsToReach(Record):
    """How long an arm's nets took to reach the best validation loss of plain's net of the same seed."""

    reached: int
    of: int
    median_epochs: float | None
    median_steps: float | None


class ArmResult(Record):
    """One arm over all seeds; for each seed, the net whose rate was best on validation.

    Args:        statistics: by their names in `dropnorm.study.statistics.catalogue`, which says what each is; one that the task
                 does not have, or that the version did not know that wrote the run, is not there.
    """

    arm: ArmName
    nets: tuple[int, ...]
    rates: tuple[float, ...]
    weight_decays: tuple[float, ...]
    statistics: dict[str, Interval]
    median_best_epoch: float
    epochs_to_plain_best: EpochsToReach
    selection: SelectionOptimism | None
    comparisons: tuple[Comparison, ...]

    @model_validator(mode="after")
    def _has_scores(self) -> Self:
        for name in ("train_score", "validation_score", "test_score", "generalization_gap"):
            if name not in self.statistics:
                raise ValueError(f"{name} is not among the statistics")
        return self

    @property
    def train_score(self) -> Interval:
        """The score on training rows."""
        return self.statistics["train_score"]

    @property
    def validation_score(self) -> Interval:
        """The score on validation rows."""
        return self.statistics["validation_score"]

    @property
    def test_score(self) -> Interval:
        """The score on test rows."""
        return self.statistics[MAIN_STATISTIC]

    @property
    def generalization_gap(self) -> Interval:
        """By how much the score is better on training than on test rows."""
        return self.statistics["generalization_gap"]

    @property
    def comparison(self) -> Comparison | None:
        """The comparison of the test score; plain has none."""
        return self.comparison_in(MAIN_STATISTIC)

    def comparison_in(self, statistic: str) -> Comparison | None:
        """The comparison in a statistic, if the arm was compared in it."""
        return next((one for one in self.comparisons if one.statistic == statistic), None)


class Interaction(Record):
    """Of the 2 x 2 factorial: (both - dropout) - (batch_norm - plain), in a statistic."""

    statistic: str
    interval: Interval
    p_value: float


class State(Record):
    """How the plain net is doing, and what that is read from.

    `gap` is its generalization gap; `constant` the score of always saying the most frequent class or the mean; `train_skill`
    how much of what that leaves is learned of the training rows; `opening` by which share of the validation loss the training
    loss lies below it at the end of training; `still_learning` the share of seeds whose best epoch is among the last tenth
    that were allowed; `drop` by how much the score is worse on test than on validation rows, where the test rows are later
    ones or were given. The criteria are those of `dropnorm.study.conclusions.state`.
    """

    name: StateName
    gap: Interval
    train_skill: Interval
    constant: float
    opening: float
    still_learning: float
    drop: float | None = None


class ArmEvidence(Record):
    """What a study shows of an arm beside plain.

    `case` is the row of `dropnorm.study.conclusions.evidence` that the arm falls under; `lead` by how much its score is better
    than plain's on validation rows, on average over the seeds, `standard_error` that of the paired difference, and `ahead`
    whether the first is larger than the second, and not written as zero.
    """

    arm: ArmName
    case: CaseName
    lead: float
    standard_error: float
    ahead: bool


class Advice(Record):
    """The arm to use, at the rate and decay that are best on average over the seeds, and the evidence on every other arm.

    `units` is how many values the evidence rests on: splits, or seeds where each has a split of its own or all share one.
    """

    arm: ArmName
    rate: float
    weight_decay: float = 0.0
    units: int
    evidence: tuple[ArmEvidence, ...]

    def case_of(self, arm: ArmName) -> CaseName | None:
        """What is shown of an arm; nothing is of plain, with which all others are compared."""
        return next((one.case for one in self.evidence if one.arm == arm), None)


class MetricResult(Record):
    """The score of a model's predictions in a metric, by its key in `dropnorm.study.task.METRICS`.

    `low` and `high` are the ends of its 95 % interval, the model given. `constant` is what always saying the same comes to on
    the same rows: each class with its share of them, or their mean. Where the rows do not define a metric, as of one class
    alone, all are None.
    """

    metric: MetricName
    value: float | None
    low: float | None = None
    high: float | None = None
    constant: float | None


class ClassResult(Record):
    """What a model makes of the rows of one class.

    `recall` is the share of them that it is right on, `precision` the share of the rows that it says are of the class which
    are, 0 where it says so of none; `predicted` counts, class by class, what it says of the class's rows: a row of the
    confusion matrix.
    """

    name: str
    rows: int
    recall: float
    precision: float
    predicted: tuple[int, ...]


class Evaluation(Record):
    """What a model's predictions come to on rows whose target is known.

    Args:        rows: how many have one; group: the column whose groups count as one, if the rows have it; metrics: in each
                 metric of the task; classes: class by class, none of a quantity; expected_metric, expected_score: what the
                 study found the model to come to on rows that its nets did not see, if that is known of these nets.
    """

    rows: int
    rows_without_target: int = 0
    images_skipped: int = 0
    task: TaskName
    target: str
    group: str | None = None
    metrics: tuple[MetricResult, ...]
    classes: tuple[ClassResult, ...] = ()
    expected_metric: MetricName | None = None
    expected_score: Interval | None = None

    def metric(self, key: str) -> MetricResult | None:
        """The result in a metric, if it was measured."""
        return next((one for one in self.metrics if one.metric == key), None)


class ModelResult(Record):
    """What the mean of an arm's nets, one per seed and all of one rate and decay, comes to on rows that they did not see.

    Each of the rows is predicted by those nets that neither learned from it nor were chosen by it, `nets_per_row` of them on
    average: out of bag, or, on a test part of its own and by time, by all. So where they are few the score is that of a mean
    of few nets, and the model's own is rather better than it.
    `score` and `loss`, which is the log loss, or the mean squared error in the target's own unit, are means over the rows with
    intervals for what they would be over all rows of their kind, this model given. `score_of_new_rows` is where the score on
    `new_rows` new rows lies in 95 of 100 cases: it adds these rows' own chance. `single_score` and `single_loss` are what
    one net comes to on average on the same rows: each row counts once, as the nets that did not see it predict it one by one.
    """

    arm: ArmName
    rate: float
    weight_decay: float
    nets: tuple[int, ...]
    rows: int
    nets_per_row: float
    score: Interval
    loss: Interval
    new_rows: int
    score_of_new_rows: Interval
    single_score: float
    single_loss: float
    metrics: tuple[MetricResult, ...] = ()
    classes: tuple[ClassResult, ...] = ()

    def metric(self, key: str) -> MetricResult | None:
        """The result in a metric, if it was measured."""
        return next((one for one in self.metrics if one.metric == key), None)


class Summary(Record):
    """A finished study. The same study gives the same summary to the byte; timings are kept elsewhere."""

    schema_version: Literal[4] = SCHEMA_VERSION
    dropnorm_version: str
    data: DataDescription
    config: StudyConfig
    steps_per_epoch: int
    limits: TrainingLimits
    parameters: int
    arms: tuple[ArmResult, ...]
    interactions: tuple[Interaction, ...]
    state: State
    advice: Advice
    models: tuple[ModelResult, ...] = ()
    learning_curve: tuple[CurvePoint, ...] = ()
    verdict: tuple[str, ...]

    @model_validator(mode="after")
    def _arms_are_those_of_the_configuration(self) -> Self:
        names = [arm.arm for arm in self.arms]
        if names[:1] != ["plain"] or names != [arm.name for arm in self.config.arms]:
            raise ValueError("arms are not those of the configuration, with plain as the first")
        if self.advice.arm not in names:
            raise ValueError("advice.arm is none of the arms")
        return self

    @property
    def model(self) -> ModelResult | None:
        """The result of the advised arm's model; None of a run of a dropnorm whose models were single nets."""
        return next((one for one in self.models if one.arm == self.advice.arm), None)

    @property
    def interaction(self) -> Interaction | None:
        """The interaction in the test score, where all four arms were trained."""
        return next((one for one in self.interactions if one.statistic == MAIN_STATISTIC), None)


class StudyIdentity(Record):
    """What a study was begun with: one of other settings or data is another study.

    Args:        config: a `StudyConfig`'s fields, with what else decides the numbers, such as the version; data: a fingerprint.
    """

    config: dict[str, Any]
    data: str


class Beginning(Record):
    """When a study was begun, and of what: not part of its results.

    `nets` are those of a learning curve too; `epochs` is how many each of them may train.
    """

    at: datetime
    data: str
    task: TaskName
    nets: int
    epochs: int | None = None


class Timing(Record):
    """How long a finished study took, on what, and when its last net was finished: not part of its results."""

    seconds: float
    finished: datetime | None = None
    processor: str
    threads: int
    torch_version: str
    keras: str | None = None  # its version and backend, of a study of Keras models


class Run(Record):
    """A finished run as it lies in its folder."""

    summary: Summary
    nets: tuple[NetRecord, ...]
    epochs: tuple[EpochRecord, ...]
    curve_nets: tuple[CurveNet, ...] = ()
    unit_inputs: tuple[UnitInput, ...] = ()
    pictures: Pictures | None = None
    beginning: Beginning | None = None
    timing: Timing | None
    command: str
