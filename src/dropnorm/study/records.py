"""The frozen records of a study: what goes in (its configuration) and what comes out (its numbers).

Nothing here imports torch, so that a saved run can be read and drawn without it.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION: Literal[3] = 3

TaskName = Literal["classification", "regression"]
ArmName = str
NetName = Literal["dense", "conv"]
ActivationName = Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"]


class Record(BaseModel):
    """Base of all records: immutable, and an unknown field is an error. JSON keeps infinity as a text."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Arm(Record):
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


class StudyConfig(Record):
    """Everything that decides a study's numbers, besides the data."""

    arms: tuple[Arm, ...]
    seeds: int = 10
    epochs: int = 100
    net: NetName = "dense"
    hidden: tuple[int, ...] = (128, 128)
    channels: tuple[int, ...] = (16, 32)
    activation: ActivationName = "relu"
    batch_size: int = 32
    learning_rate: float = 1e-3
    patience: int = 10
    validation_size: float = 0.2
    test_size: float = 0.2
    device: str = "cpu"


class DataDescription(Record):
    """What was studied, in counts."""

    name: str
    task: TaskName
    target: str
    fingerprint: str
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
    train_rows: int
    validation_rows: int
    test_rows: int


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


class NetRecord(Record):
    """One finished net, with the weights of its best epoch restored."""

    net: int
    arm: ArmName
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


class Comparison(Record):
    """The paired differences of an arm's test score to plain's, seed by seed, and their test."""

    differences: tuple[float, ...]
    interval: Interval
    p_value: float
    p_holm: float


class EpochsToReach(Record):
    """How long an arm's nets took to reach the best validation loss of plain's net of the same seed."""

    reached: int
    of: int
    median_epochs: float | None
    median_steps: float | None


class ArmResult(Record):
    """One arm over all seeds; for each seed, the net whose rate was best on validation.

    The generalization gap is by how much the score is better on training than on test rows.
    """

    arm: ArmName
    nets: tuple[int, ...]
    rates: tuple[float, ...]
    weight_decays: tuple[float, ...]
    test_score: Interval
    test_r2: Interval | None
    test_loss: Interval
    validation_score: Interval
    generalization_gap: Interval
    loss_gap: Interval
    median_best_epoch: float
    epochs_to_plain_best: EpochsToReach
    comparison: Comparison | None


class Interaction(Record):
    """Of the 2 x 2 factorial: (both - dropout) - (batch_norm - plain), in test score."""

    interval: Interval
    p_value: float


class Recommendation(Record):
    """The simplest arm within one standard error of the best on validation, and the net of it that was saved."""

    arm: ArmName
    best_arm: ArmName
    within_one_standard_error: tuple[ArmName, ...]
    net: int
    seed: int
    rate: float
    weight_decay: float = 0.0
    test_score: float


class Summary(Record):
    """A finished study. The same study gives the same summary to the byte; timings are kept elsewhere."""

    schema_version: Literal[3] = SCHEMA_VERSION
    dropnorm_version: str
    data: DataDescription
    config: StudyConfig
    steps_per_epoch: int
    parameters: int
    arms: tuple[ArmResult, ...]
    interaction: Interaction | None
    overfitting: bool
    recommendation: Recommendation
    verdict: tuple[str, ...]


class Timing(Record):
    """How long a finished study took and on what: not part of its results."""

    seconds: float
    processor: str
    threads: int
    torch_version: str


class Run(Record):
    """A finished run as it lies in its folder."""

    summary: Summary
    nets: tuple[NetRecord, ...]
    epochs: tuple[EpochRecord, ...]
    timing: Timing | None
    command: str
