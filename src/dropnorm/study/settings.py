"""The settings of a study: each is one field, with all that is known of it. Nothing here imports torch.

`run_study`, the command, study files, the command that repeats a run, the docs, the report and the kept configuration are made
from these fields; to add a setting, add a field, and use it where nets are trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from dropnorm._constraints import Each, Flag
from dropnorm._options import Option, Options
from dropnorm._validate import OneOf, Real, Whole

ScalingName = Literal["auto", "each", "shared"]
ScheduleName = Literal["constant", "plateau"]
StopBy = Literal["loss", "score"]
ClassWeight = Literal["balanced"]
ActivationName = Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"]
CopiesName = Literal["together", "apart"]
MetricName = Literal[
    "accuracy", "balanced_accuracy", "f1", "roc_auc", "average_precision", "log_loss", "rmse", "mae", "r2"
]

NETWORK, TRAINING, REPETITIONS = "Network", "Training", "Splits and seeds"
MOST_REPETITIONS = 10_000
_OWN_NETS = ("dense", "conv")
_SHARE = Real(0.0, 0.5, closed="neither", noun="a fraction", remedy="Use {name}=0.2.")


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """What decides a study's numbers beside the data and the arms, and has one form wherever it is given or kept."""

    splits: Annotated[
        int | None,
        Option(
            Whole(1, MOST_REPETITIONS),
            "How many splits there are, each with as many seeds",
            panel=REPETITIONS,
            default_words="each seed has a split of its own",
        ),
    ] = None
    seeds: Annotated[
        int,
        Option(
            Whole(1, MOST_REPETITIONS, "one net has no interval"),
            "Repetitions, each with weights, order and masks of its own, shared by all arms",
            panel=REPETITIONS,
        ),
    ] = 10
    epochs: Annotated[
        int | None,
        Option(
            Whole(1, 100_000),
            "How many epochs a net trains at most",
            panel=TRAINING,
            label="Epochs, at most",
            default_words="20,000 steps, but 100 to 1,000 epochs",
            before=100,
        ),
    ] = None
    hidden: Annotated[
        Sequence[int],
        Option(
            Each(Whole(1, 65_536), (128, 128), least=1, most=64, empty="leaves no hidden layer to regularize"),
            "Widths of the dense hidden layers",
            unit="units",
            panel=NETWORK,
            label="Hidden layers",
            nets=_OWN_NETS,
        ),
    ] = (128, 128)
    channels: Annotated[
        Sequence[int],
        Option(
            Each(Whole(1, 4_096), (16, 32), least=1, most=16, empty="leaves no convolution"),
            "Channels of the convolutions of a conv net",
            panel=NETWORK,
            nets=("conv",),
        ),
    ] = (16, 32)
    activation: Annotated[
        ActivationName,
        Option(OneOf(get_args(ActivationName)), "What follows every hidden layer", panel=NETWORK, nets=_OWN_NETS),
    ] = "relu"
    batch_size: Annotated[
        int,
        Option(
            Whole(2, 1_048_576, "batch norm has no variance in a batch of one"),
            "Rows in a batch",
            unit="rows",
            panel=TRAINING,
            default_words="32, fewer where few rows train",
        ),
    ] = 32
    learning_rate: Annotated[
        float,
        Option(Real(0.0, 10.0, closed="right", remedy="Use {name}=0.001."), "Adam's learning rate", panel=TRAINING),
    ] = 1e-3
    patience: Annotated[
        int | None,
        Option(
            Whole(1, 100_000),
            "After how many epochs without progress on validation a net is on a plateau",
            unit="epochs",
            panel=TRAINING,
            default_words="200 steps, but 10 to 40 epochs",
            before=10,
        ),
    ] = None
    patience_growth: Annotated[
        float,
        Option(
            Real(0.0, 100.0, remedy="Use {name}=0 for a patience that is always the same."),
            "Or after so many times as many epochs as a net needed for its last progress, if that is more",
            panel=TRAINING,
            before=0.0,
        ),
    ] = 0.5
    schedule: Annotated[
        ScheduleName,
        Option(
            OneOf(get_args(ScheduleName)),
            "What a net does on a plateau, where with plateau it twice goes back to its best weights and on at a fifth of its "
            "learning rate, before it stops",
            panel=TRAINING,
            before="constant",
        ),
    ] = "plateau"
    stop_by: Annotated[
        StopBy,
        Option(
            OneOf(get_args(StopBy)),
            "By which measure on validation an epoch is a net's best",
            panel=TRAINING,
        ),
    ] = "loss"
    scaling: Annotated[
        ScalingName,
        Option(
            OneOf(get_args(ScalingName)),
            "Which features share a scale, where with auto those of one unit do, such as pixels, with each none, and with "
            "shared all numbers",
            panel=TRAINING,
            before="each",
        ),
    ] = "auto"
    validation_size: Annotated[
        float,
        Option(_SHARE, "Share of the rows, or of the groups, to validate on", panel=REPETITIONS),
    ] = 0.2
    test_size: Annotated[
        float,
        Option(_SHARE, "Share of the rows, or of the groups, to test on", panel=REPETITIONS),
    ] = 0.2
    copies: Annotated[
        CopiesName,
        Option(
            OneOf(get_args(CopiesName)),
            "Where copies of a row are, features and target alike, where with together they are in one part, unless rows are "
            "alike by nature",
            panel=REPETITIONS,
            before="apart",
        ),
    ] = "together"
    learning_curve: Annotated[
        bool,
        Option(
            Flag(),
            "Train every arm on 1/16, 1/8, 1/4 and 1/2 of the training rows too, to see from how many rows on it pays",
            panel=REPETITIONS,
        ),
    ] = False
    metric: Annotated[
        MetricName | None,
        Option(
            OneOf(get_args(MetricName)),
            "What arms are judged by, and their rates chosen by on average over the seeds",
            panel=REPETITIONS,
            default_words="accuracy of classes, balanced accuracy of weighted ones, RMSE of a quantity",
        ),
    ] = None
    class_weight: Annotated[
        ClassWeight | None,
        Option(
            OneOf(get_args(ClassWeight)),
            "What rows of a class count in the loss, where with balanced all classes come to the same, however rare they are",
            panel=TRAINING,
            default_words="every row counts alike",
        ),
    ] = None
