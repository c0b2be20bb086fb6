"""Everything that a user may give to a study, beside its settings: the data, the arms, the net, and where it runs.

Nothing here imports torch.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

from dropnorm._constraints import Each, FilePath, Flag, Function, Text
from dropnorm._options import Option, Options, options_of
from dropnorm._validate import Constraint, OneOf, Whole, shown
from dropnorm.errors import ArgumentTypeError
from dropnorm.study.arms import DEFAULT, RATE, RATES, WORDS, ArmsGiven
from dropnorm.study.data.sources.given import HeaderGiven
from dropnorm.study.progress import Progress
from dropnorm.study.records import Arm, KindGiven, NetName, RareName, TaskName
from dropnorm.study.settings import NETWORK, REPETITIONS, TRAINING, Settings

if TYPE_CHECKING:
    import torch

DATA, ARMS, RUN = "Data", "Arms", "Run"
PANELS = (DATA, ARMS, NETWORK, TRAINING, REPETITIONS, RUN)


@dataclass(frozen=True)
class DataName(Text):
    """The path of a file or a folder, or the name of a bundled data set."""

    def check(self, value: Any, name: str) -> Any:
        """Return the value as it is."""
        return value if isinstance(value, PathLike) else super().check(value, name)


@dataclass(frozen=True)
class NetOrFactory(OneOf):
    """One of the study's own nets, or the name module:function of a factory."""

    def allowed(self, unit: str = "") -> str:
        """All names, and the form of a factory's."""
        del unit
        return f"{', '.join(self.names)} or module:function"

    def check(self, value: Any, name: str) -> str:
        """Return the value."""
        return value if isinstance(value, str) and ":" in value else super().check(value, name)


@dataclass(frozen=True)
class ColumnKinds(Constraint):
    """Kinds of columns by their names or places: `column=kind` on a command line, a mapping in Python and in files."""

    form: ClassVar[Any] = list[str]

    def allowed(self, unit: str = "") -> str:
        """All kinds."""
        del unit
        return f"column=kind, of {', '.join(get_args(KindGiven))}"

    def check(self, value: Any, name: str) -> tuple[str, ...]:
        """Return the words, each a column and its kind."""
        if isinstance(value, Mapping):
            pairs: list[tuple[Any, Any]] = list(value.items())
        elif isinstance(value, str | Sequence) and not isinstance(value, bytes):
            words = [value] if isinstance(value, str) else list(value)
            parts = [word.rpartition("=") if isinstance(word, str) else (word, "", None) for word in words]
            pairs = [(column, kind) for column, _, kind in parts]
        else:
            pairs = [(value, None)]
        kinds: dict[str, str] = {}
        for column, kind in pairs:
            if (
                not isinstance(column, str | int)
                or isinstance(column, bool)
                or column == ""
                or not isinstance(kind, str)
            ):
                raise ArgumentTypeError(
                    f"{name}={shown(value)} names no kinds of columns: expected such as {{'zip': 'category'}} in Python, or "
                    f"zip=category in words. Give a kind to each column that you name, or leave {name} out."
                )
            kinds[str(column)] = OneOf(get_args(KindGiven)).check(kind, f"{name}[{str(column)!r}]")
        return tuple(f"{column}={kind}" for column, kind in kinds.items())

    def spell(self, flag: str, value: Any) -> list[str]:
        """Write each column with its kind behind the option's name."""
        return [word for one in value for word in (flag, one)]


def kinds_in(words: Iterable[str]) -> dict[str, KindGiven]:
    """Kinds by their columns, as checked words give them."""
    return {column: kind for column, _, kind in (word.rpartition("=") for word in words)}  # type: ignore[misc]


_COLUMN = Text("the name of a column", "kind", numbered=True)
_PLACES = "by its name, its number from 1, first or last"


@dataclass(frozen=True)
class ColumnsOptions(Options):
    """A table, how it is read, and what its columns hold."""

    X: Annotated[
        Any,
        Option(
            DataName("the path of a file or a folder, or a bundled set's name", "train.csv"),
            "A bundled set, breast_cancer, diabetes, digits, iris or wine; a table of text such as CSV, compressed or not, a "
            "sheet of Excel, JSON lines, a Parquet, Arrow, NPZ or ARFF file; a folder of images with one sub-folder per class; "
            "or a study file that names all, such as a run's study.toml",
            panel=DATA,
            python="a pandas or polars frame, an array or tensor (rows, *), or a map-style torch Dataset of items (x, y)",
            in_memory=True,
            alias="data",
        ),
    ]
    _: KW_ONLY
    target: Annotated[str | None, Option(_COLUMN, f"The column to predict, {_PLACES}", panel=DATA)] = None
    ignore: Annotated[
        str | Sequence[str],
        Option(
            Each(_COLUMN, ("id",), repeated=True),
            f"Columns to leave out, each {_PLACES}, with commas between; may be given several times",
            panel=DATA,
        ),
    ] = ()
    kinds: Annotated[
        Mapping[str, KindGiven] | Sequence[str],
        Option(
            ColumnKinds(),
            "What a column holds, where its values say something else; may be given several times",
            panel=DATA,
            alias="as",
        ),
    ] = ()
    header: Annotated[
        HeaderGiven,
        Option(OneOf(get_args(HeaderGiven)), "Whether the first line of a file names its columns", panel=DATA),
    ] = "auto"
    encoding: Annotated[
        str | None,
        Option(
            Text("the name of an encoding", "latin-1"),
            "The encoding of a file of text",
            panel=DATA,
            default_words="UTF-8, or what it looks like",
        ),
    ] = None
    separator: Annotated[
        str | None,
        Option(
            Text("a character, or one of tab, comma, semicolon, bar and blanks", "tab"),
            "What stands between the fields of a file of text",
            panel=DATA,
            default_words="what it looks like",
        ),
    ] = None
    sheet: Annotated[
        str | None,
        Option(
            Text("the name or the number of a sheet", "2", numbered=True),
            "The sheet of a workbook",
            panel=DATA,
            default_words="the first",
        ),
    ] = None
    skip_broken: Annotated[
        bool,
        Option(Flag(), "Leave out images that are broken or of another size than most", panel=DATA),
    ] = False


READING = {
    name: option.constraint
    for name, option in options_of(ColumnsOptions).items()
    if name in ("header", "encoding", "separator", "sheet")
}
"""What is allowed where a function, beside a study, is told how to read a file."""


@dataclass(frozen=True)
class DataOptions(ColumnsOptions):
    """What to study."""

    y: Annotated[Any, Option(Constraint(), "Labels, if X does not hold them", panel=DATA)] = None
    _: KW_ONLY
    task: Annotated[
        TaskName | None,
        Option(
            OneOf(get_args(TaskName)),
            "What is predicted",
            panel=DATA,
            default_words="what the target looks like",
        ),
    ] = None
    rare: Annotated[
        RareName,
        Option(
            OneOf(get_args(RareName)),
            "What becomes of classes with too few rows for each part to get one, where merge makes one class of them, and drop "
            "leaves their rows out",
            panel=DATA,
        ),
    ] = "error"
    test: Annotated[
        Any,
        Option(
            DataName("the path of a file or a folder", "test.csv"),
            "A file or folder with the rows to test on, the same for all seeds",
            panel=DATA,
            python="whatever X may be, or a pair (X, y)",
            in_memory=True,
        ),
    ] = None
    group: Annotated[
        Any,
        Option(
            _COLUMN,
            "A column that names groups, none of which shall be in two parts, and that is no feature",
            panel=DATA,
            python="one value per row",
            in_memory=True,
        ),
    ] = None
    time: Annotated[
        Any,
        Option(
            _COLUMN,
            "A column of times, by which earlier rows train, later ones validate and the latest test, and that is no feature",
            panel=DATA,
            python="one value per row",
            in_memory=True,
        ),
    ] = None
    lags: Annotated[
        int | None,
        Option(
            Whole(1, 1000),
            "How many values of the target before a row's own are features of it, where time orders the rows",
            panel=DATA,
            default_words="none",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ArmOptions(Options):
    """Of what the nets of a study are made: what is regularized, and how."""

    arms: Annotated[
        str | Sequence[str | Arm] | Mapping[str, Mapping[str, Any]],
        Option(
            ArmsGiven(),
            f"What to try beside plain, with commas, and with a plus where it is done together, of {', '.join(WORDS)}",
            panel=ARMS,
            python="a list of such names and of Arms, or a mapping of names to the settings of Arm",
        ),
    ] = DEFAULT[1:]
    dropout: Annotated[
        float | Sequence[float],
        Option(
            Each(RATE, (0.1, 0.3), least=1, most=100, empty="names no rate"),
            "The rate, or the rates of which each seed takes the best on validation, of arms given by name",
            panel=ARMS,
        ),
    ] = RATES
    net: Annotated[
        NetName | str | Callable[..., Any],
        Option(
            NetOrFactory(get_args(NetName)),
            "Dense layers; convolutions and poolings before them, for images; or a factory that makes a network of your own",
            panel=NETWORK,
            python="the factory itself, a function that makes a torch.nn.Module or keras.Model at each call, and is given what "
            "it asks for by name of features, outputs, image and input_shape",
            in_memory=True,
        ),
    ] = "dense"


@dataclass(frozen=True, kw_only=True)
class DesignOptions(Settings, ArmOptions):
    """How to study the data."""

    device: Annotated[
        "str | torch.device",
        Option(
            Text("'cpu', 'cuda' or 'auto'", "cpu"),
            "Where nets train, cpu, cuda or auto",
            panel=RUN,
            in_memory=True,
        ),
    ] = "auto"


@dataclass(frozen=True, kw_only=True)
class PlanOptions(DesignOptions, DataOptions):
    """What to study, and how: all that a study file may hold."""


@dataclass(frozen=True, kw_only=True)
class CallOptions(PlanOptions):
    """What to study, how, and what a study file may make run: no file can give the leave itself."""

    trust: Annotated[
        bool,
        Option(Flag(), "Import and call the function that a study file names as its net", panel=RUN),
    ] = False


@dataclass(frozen=True, kw_only=True)
class StudyOptions(CallOptions):
    """What to study, how, and where to keep it."""

    out: Annotated[
        str | Path | None,
        Option(
            FilePath("a folder"),
            "A folder to keep the run in, where the same study, if it was interrupted, goes on",
            panel=RUN,
            default_words="one of its own in dropnorm-runs; in Python nothing is written",
        ),
    ] = None
    progress: Annotated[
        Callable[[Progress], None] | None,
        Option(Function("one that takes a Progress"), "Called after each epoch of each block of nets", panel=RUN),
    ] = None
