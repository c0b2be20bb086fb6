"""The study as users call it: check everything first, then carry it out."""

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from dropnorm.errors import ArgumentError, ArgumentTypeError, RunError
from dropnorm.study.data.dataset import Dataset, load_dataset
from dropnorm.study.data.splitting import check_splits, check_splittable, training_rows
from dropnorm.study.data.subsets import check_learning_curve, usable_fractions
from dropnorm.study.design import configure
from dropnorm.study.execution import execute
from dropnorm.study.files import write_atomically
from dropnorm.study.modules.factory import factory_name
from dropnorm.study.older_schemas import as_this_version, with_options_of
from dropnorm.study.progress import Progress
from dropnorm.study.records import (
    ActivationName,
    Arm,
    Beginning,
    NetName,
    Run,
    StudyConfig,
    StudyIdentity,
    Summary,
    TaskName,
)
from dropnorm.study.runs.command import command_of
from dropnorm.study.runs.listing import RUNS_FOLDER
from dropnorm.study.runs.store import STORE_NAME, Store
from dropnorm.study.runs.study_file import STUDY_FILE_NAME, is_study_file, read_study_file, study_file
from dropnorm.study.saving.saved_model import SavedModel
from dropnorm.study.training.kinds import AnyArchitecture, shape_of_nets


@dataclass(frozen=True)
class Study:
    """A finished study: its records, and the recommended net ready to predict."""

    run: Run
    model: SavedModel
    folder: Path | None

    @property
    def summary(self) -> Summary:
        """All results."""
        return self.run.summary

    @property
    def verdict(self) -> str:
        """The results in words."""
        return " ".join(self.summary.verdict)


@dataclass(frozen=True)
class PlannedStudy:
    """A study whose data and arguments are checked, and that has written nothing yet."""

    dataset: Dataset
    config: StudyConfig
    architecture: AnyArchitecture
    data: dict[str, Any]  # the arguments about the data, as they were given

    @property
    def command(self) -> str:
        """What repeats it, wherever it is kept."""
        return command_of(self.data, self.config, None)

    @property
    def nets(self) -> int:
        """How many nets it will train."""
        rows = training_rows(self.dataset, self.config) if self.config.learning_curve else 0
        return self.config.nets * (1 + len(usable_fractions(rows, self.config.batch_size)))

    @property
    def default_folder(self) -> Path:
        """A folder of its own, the same for the same data and arguments, so that a study started again goes on."""
        identity = hashlib.sha256(json.dumps(self._identity.model_dump(), sort_keys=True).encode()).hexdigest()[:8]
        return Path(RUNS_FOLDER) / f"{Path(self.dataset.name).stem}-{identity}"

    def resume_command(self, folder: Path) -> str:
        """The command line that goes on with it in its folder, for a study of files."""
        command = command_of(self.data, self.config, folder)
        return command if folder == self.default_folder else f"{command} --out {shlex.quote(str(folder))}"

    def carry_out(
        self,
        folder: Path | None,
        progress: Callable[[Progress], None] | None = None,
        on_interruption: Callable[[], None] | None = None,
    ) -> Study:
        """Run it, in a folder or in memory.

        A first Ctrl-C calls `on_interruption` and waits for the end of the epoch; a second one does not.
        """
        if folder is not None:
            _make_writable(folder)
        with closing(Store(None if folder is None else folder / STORE_NAME)) as store:
            begun = store.get_record("study", StudyIdentity)
            study = self if begun is None else self._going_on(begun, folder)
            study._begin(store)
            if folder is not None:
                write_atomically(folder / STUDY_FILE_NAME, study_file(study.data, study.config, folder))
            command = command_of(study.data, study.config, folder)
            run, model = execute(
                store, folder, study.dataset, study.config, study.architecture, command, progress, on_interruption
            )
        return Study(run=run, model=model, folder=folder)

    @property
    def _identity(self) -> StudyIdentity:
        """What a store must have been begun with to be gone on with: another version may come to other numbers."""
        config = self.config.model_dump(mode="json") | self.architecture.identity
        return StudyIdentity(config=config | {"version": version("dropnorm")}, data=self.dataset.fingerprint)

    def _begin(self, store: Store) -> None:
        """Keep what is begun, or gone on with, so that nothing else is."""
        known, identity = store.get("study"), self._identity.model_dump()
        if known is None:
            task = self.dataset.encoding.task
            begun = Beginning(at=datetime.now(UTC), data=self.dataset.name, task=task, nets=self.nets)
            store.put(study=identity, begun=begun.model_dump(mode="json"))
            return
        store.bring_up_to_date()
        if known != identity:
            store.put(study=identity)

    def _going_on(self, begun: StudyIdentity, folder: Path | None) -> "PlannedStudy":
        """The same study, with what was done when it was begun in the place of options that there were not.

        Raises:      RunError if what was begun is another study, or cannot be read.
        """
        config, study = with_options_of(begun, self.config), self
        if config != self.config:
            study = replace(self, config=config, architecture=shape_of_nets(self.dataset.encoding, config))
        identity = study._identity
        try:
            known = as_this_version(begun, version("dropnorm"))
        except ValidationError as error:
            wrong = error.errors()[0]
            raise RunError(
                f"{folder}: is damaged (meta.study.config.{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}). Name another "
                f"folder with --out, or remove this one."
            ) from error
        if identity != known:
            changed = [name for name, value in identity.config.items() if value != known.config.get(name)]
            raise RunError(
                f"{folder}: holds another study, of other {', '.join(changed) or 'data'}. "
                f"Name another folder with --out, or remove this one."
            )
        return study


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STORE_NAME).open("ab").close()
    except OSError as error:
        raise RunError(
            f"out={str(folder)!r} cannot be written to ({error.strerror}): expected a folder of yours. "
            f"Name another one with --out."
        ) from error


def run_study(
    X: Any,
    y: Any = None,
    *,
    target: str | None = None,
    task: TaskName | None = None,
    test: Any = None,
    group: Any = None,
    time: Any = None,
    ignore: str | Sequence[str] = (),
    skip_broken: bool = False,
    arms: str | Sequence[str | Arm] | Mapping[str, Mapping[str, Any]] | None = None,
    splits: int | None = None,
    seeds: int | None = None,
    epochs: int | None = None,
    dropout: float | Sequence[float] | None = None,
    net: NetName | str | Callable[..., Any] | None = None,
    hidden: Sequence[int] | None = None,
    channels: Sequence[int] | None = None,
    activation: ActivationName | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    validation_size: float | None = None,
    test_size: float | None = None,
    learning_curve: bool | None = None,
    device: str | torch.device = "auto",
    out: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Study:
    """Find out on your data whether a dense network overfits, and whether dropout, batch norm or both help.

    Args:        X: a bundled data set's name ("breast_cancer", "diabetes", "digits", "iris", "wine"); the path of a CSV, TSV,
                 Parquet, Arrow or NPZ file, or of a folder of images with one sub-folder per class; a pandas or polars frame;
                 an array or tensor (rows, *); or a map-style torch Dataset of items (x, y). y: labels, if X does not hold
                 them; target: the name of the column to predict; task: "classification" or "regression", default: what the
                 target looks like; ignore: columns to leave out; skip_broken: leave out images that are broken or of another
                 size than most.
                 test: a test part of its own for all seeds, of any kind that X may be, or a pair (X, y); group: a column,
                 or one value per row; no group is in two parts; time: a column, or one value per row: earlier rows train,
                 later ones validate, the latest test. The columns of group and time are no features.
                 arms: names of what to try, joined by plus where it is done together, of "dropout", "last_dropout",
                 "input_dropout", "batch_norm", "max_norm" and "weight_decay" (`dropnorm.study.arms.named_arm` says what each
                 does), `Arm`s, or a mapping of names to settings, which are those of `Arm`; default: "dropout", "batch_norm"
                 and "dropout+batch_norm"; plain is always there.
                 seeds: count, default 10; each has weights, order and masks of its own, shared by all arms, and, unless
                 splits are given, a split of its own. splits: count of splits, each with so many seeds.
                 epochs: at most that many, default 100; patience: epochs without a better validation loss after which a net
                 stops, default 10. dropout: one rate or a grid of rates in (0, 1) for arms that are given by name, default
                 (0.1, 0.3, 0.5); of a grid, each seed takes the best on validation. net: "dense" (default), or
                 "conv" for images: convolutions of 3 x 3, each followed by a pooling that halves the image, then the dense
                 layers; or your own: a function (features, outputs) -> torch.nn.Module or keras.Model, or its name
                 "module:function", whose arms are made by `regularize`, and whose nets train one at a time; it may also ask
                 for `image`, (channels, height, width), for `input_shape`, the shape of a row as Keras has it, or for
                 nothing. channels: those of the convolutions, default (16, 32); hidden: widths
                 of the dense hidden layers,
                 default (128, 128); activation: "relu" (default), "leaky_relu", "gelu", "silu", "tanh" or "sigmoid".
                 batch_size: rows, default 32; learning_rate: Adam's, default 1e-3.
                 validation_size, test_size: shares of the rows, or of the groups, default 0.2 each.
                 learning_curve: train every arm on 1/16, 1/8, 1/4 and 1/2 of the training rows too, default False.
                 device: "cpu", "cuda" or "auto"; out: a folder to keep the run in, default None: nothing is written. With
                 the same folder, data and arguments, a study that was interrupted goes on where it stopped. Ctrl-C waits
                 for the end of the epoch, and keeps it; a second one does not.
                 progress: called after each epoch of each block of nets.
    Numerics:    60 % of the rows train, 20 % validate, 20 % test, classes stratified. A regression learns the standardized
                 target by its mean squared error, and is judged by the RMSE in the target's own unit. Epochs and rates are
                 chosen on validation; a seed's test part has no say in its choices. Intervals and tests:
                 `dropnorm.study.statistics`.
    Randomness:  none: the same data and arguments give the same study; on one machine, to the byte.
    Raises:      DataError for data that cannot be studied, ArgumentError and ArgumentTypeError for arguments, RunError for
                 a folder that cannot be used or holds another study.
    Example:
        >>> import dropnorm as dn
        >>> study = dn.run_study("iris", seeds=2, epochs=3, hidden=(16,))
        >>> [arm.arm for arm in study.summary.arms]
        ['plain', 'dropout', 'batch_norm', 'dropout+batch_norm']
    """
    planned = plan_study(
        X,
        y,
        target=target,
        task=task,
        test=test,
        group=group,
        time=time,
        ignore=ignore,
        skip_broken=skip_broken,
        device=device,
        arms=arms,
        splits=splits,
        seeds=seeds,
        epochs=epochs,
        dropout=(dropout,) if isinstance(dropout, int | float) else dropout,
        net=net,
        hidden=hidden,
        channels=channels,
        activation=activation,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        validation_size=validation_size,
        test_size=test_size,
        learning_curve=learning_curve,
    )
    return planned.carry_out(None if out is None else Path(out), progress)


def plan_study(
    X: Any,
    y: Any = None,
    *,
    target: str | None = None,
    task: TaskName | None = None,
    test: Any = None,
    group: Any = None,
    time: Any = None,
    ignore: str | Sequence[str] = (),
    skip_broken: bool = False,
    device: str | torch.device = "auto",
    **given: Any,
) -> PlannedStudy:
    """Check data and arguments, which are those of `run_study`, without writing or training anything.

    X may also be the path of a study file, whose keys are the names of these arguments.
    """
    data = {"data": X, "target": target, "task": task, "test": test, "group": group, "time": time}
    data |= {"ignore": [ignore] if isinstance(ignore, str) else list(ignore), "skip_broken": skip_broken}
    if is_study_file(X):
        # What is given beside a study file goes before what is in it.
        written = read_study_file(X)
        _check_settings(X, {name: value for name, value in written.items() if name not in (*data, "device")})
        data = {name: written.get(name) if name == "data" or _is_left_out(data[name]) else data[name] for name in data}
        given = written | {name: value for name, value in given.items() if value is not None}
        given = {name: value for name, value in given.items() if name not in data}
        device = given.pop("device", device) if device == "auto" else device
    if given.get("net") is not None and not isinstance(given["net"], str):
        given["net"] = factory_name(given["net"])
    config = configure(device=_device(device), **given)
    arguments = {name: value for name, value in data.items() if name != "data" and not _is_left_out(value)}
    dataset = load_dataset(data["data"], y, **arguments)
    if dataset.given_test and given.get("test_size") is not None:
        raise ArgumentError(
            f"test_size={config.test_size} is given beside a test part: expected one of them. Leave test_size out."
        )
    config = check_splits(dataset, config)
    check_splittable(dataset, config)
    check_learning_curve(dataset, config)
    architecture = shape_of_nets(dataset.encoding, config)
    source = data["data"]
    return PlannedStudy(
        dataset, config, architecture, data | {"data": str(source) if isinstance(source, str | Path) else None}
    )


def _check_settings(path: str | Path, settings: dict[str, Any]) -> None:
    """See that a study file's settings are allowed, before others go before them, so that the error names the file."""
    try:
        configure(**settings)
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(f"{path}: {error}") from error


def _is_left_out(value: Any) -> bool:
    """Whether an argument about the data was not given; arrays, which have no truth value, were."""
    return value is None or value is False or (isinstance(value, str | list) and not value)


def _device(device: str | torch.device) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        known = torch.device(device).type in ("cpu", "cuda")
    except (RuntimeError, TypeError):
        known = False
    if not known:
        raise ArgumentError(f"device={str(device)!r} is unknown: expected 'cpu', 'cuda' or 'auto'.")
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise ArgumentError(f"device={str(device)!r} is not there: torch sees no CUDA device. Use device='cpu'.")
    return str(device)
