"""The study as users call it: check everything first, then carry it out."""

import hashlib
import json
import shlex
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from dropnorm._options import checked_call, options_of, with_options
from dropnorm.errors import ArgumentError, ArgumentTypeError, RunError
from dropnorm.study.data.dataset import Dataset, load_dataset
from dropnorm.study.data.rare_classes import without_rare_classes
from dropnorm.study.data.splitting import check_splits, check_splittable, training_rows, with_batches
from dropnorm.study.data.subsets import check_learning_curve, usable_fractions
from dropnorm.study.design import configure
from dropnorm.study.execution import execute
from dropnorm.study.files import remove_leftovers, write_in_run
from dropnorm.study.modules.factory import is_factory
from dropnorm.study.older_schemas import as_this_version, with_options_of
from dropnorm.study.options import CallOptions, DataOptions, DesignOptions, PlanOptions, StudyOptions
from dropnorm.study.progress import Progress
from dropnorm.study.records import Beginning, Run, StudyConfig, StudyIdentity, Summary, TrainingLimits
from dropnorm.study.runs.command import command_of
from dropnorm.study.runs.listing import RUNS_FOLDER
from dropnorm.study.runs.loading import SUMMARY_NAME
from dropnorm.study.runs.store import STORE_NAME, Store
from dropnorm.study.runs.store_files import check_store_files
from dropnorm.study.runs.study_file import STUDY_FILE_NAME, is_named, is_study_file, read_study_file, study_file
from dropnorm.study.saving.saved_model import DESCRIPTION_NAME, WEIGHTS_NAME, SavedModel
from dropnorm.study.task import task_for
from dropnorm.study.training.kinds import AnyArchitecture, shape_of_nets
from dropnorm.study.training.limits import training_limits
from dropnorm.study.trust import check_trusted

_WRITTEN = (STUDY_FILE_NAME, WEIGHTS_NAME, DESCRIPTION_NAME, SUMMARY_NAME)


@dataclass(frozen=True)
class Study:
    """A finished study: its records, and its model, the mean of the advised nets, ready to predict."""

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


_SPREAD = "they are in all parts, as rows of so few different values are alike by nature"


@dataclass(frozen=True)
class PlannedStudy:
    """A study whose data and arguments are checked, and that has written nothing yet."""

    dataset: Dataset
    config: StudyConfig
    architecture: AnyArchitecture
    data: DataOptions  # without X and y where they were in memory
    batch_given: bool = True  # whether the user decided how large a batch is

    @property
    def command(self) -> str:
        """What repeats it, wherever it is kept."""
        return command_of(self.data, self.config, None)

    @property
    def notices(self) -> tuple[str, ...]:
        """What was decided about the data without being asked for, each as a sentence's words."""
        dataset, told = self.dataset, []
        if dataset.task_guess is not None and dataset.task_guess.other:
            told.append(f"the target {dataset.encoding.target} holds {dataset.task_guess.words}")
        told += dataset.notices
        if dataset.copies is not None and dataset.order.groups is None and dataset.order.times is None:
            what = f"{dataset.copies.repeated:,} of {dataset.rows:,} rows have a copy, features and target alike"
            kept = "all copies of a row are in one part" if dataset.kept_together(self.config) is not None else _SPREAD
            told.append(f"{what}; {kept}")
        if self.config.batch_size < StudyConfig.batch_size and not self.batch_given:
            told.append(f"batches are of {self.config.batch_size} rows, as few rows train")
        return tuple(told)

    @property
    def nets(self) -> int:
        """How many nets it will train."""
        rows = training_rows(self.dataset, self.config) if self.config.learning_curve else 0
        return self.config.nets * (1 + len(usable_fractions(rows, self.config.batch_size)))

    @property
    def limits(self) -> TrainingLimits:
        """How long each of them may train."""
        train = training_rows(self.dataset, self.config)
        classes = self.dataset.encoding.task == "classification"
        return training_limits(self.config, train // self.config.batch_size, classes=classes)

    @property
    def default_folder(self) -> Path:
        """A folder of its own, the same for the same data and arguments, so that a study started again goes on."""
        identity = hashlib.sha256(json.dumps(self._identity.model_dump(), sort_keys=True).encode()).hexdigest()[:8]
        return Path(RUNS_FOLDER) / f"{self.dataset.name}-{identity}"

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
            command = command_of(study.data, study.config, folder)
            if folder is not None:
                remove_leftovers(folder, _WRITTEN)
                write_in_run(folder / STUDY_FILE_NAME, study_file(study.data, study.config, folder))
            run, model = execute(
                store, folder, study.dataset, study.config, study.architecture, command, progress, on_interruption
            )
        return Study(run=run, model=model, folder=folder)

    @property
    def _identity(self) -> StudyIdentity:
        """What a store must have been begun with to be gone on with: another version may come to other numbers."""
        config = self.config.kept() | self.architecture.identity
        return StudyIdentity(config=config | {"version": version("dropnorm")}, data=self.dataset.fingerprint)

    def _begin(self, store: Store) -> None:
        """Keep what is begun, or gone on with, so that nothing else is."""
        known, identity = store.get("study"), self._identity.model_dump()
        if known is None:
            task = self.dataset.encoding.task
            begun = Beginning(
                at=datetime.now(UTC), data=self.dataset.name, task=task, nets=self.nets, epochs=self.limits.epochs
            )
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
        check_store_files(folder / STORE_NAME)
        (folder / STORE_NAME).open("ab").close()
    except OSError as error:
        raise RunError(
            f"out={str(folder)!r} cannot be written to ({error.strerror}): expected a folder of yours. "
            f"Name another one with --out."
        ) from error


@with_options(StudyOptions)
def run_study(options: StudyOptions) -> Study:
    """Find out on your data whether a dense network overfits, and whether dropout, batch norm or both help.

    Args:        {options}
    Numerics:    60 % of the rows train, 20 % validate, 20 % test, classes stratified. A regression learns the standardized
                 target by its mean squared error, and is judged by the RMSE in the target's own unit. Epochs and rates are
                 chosen on validation; a seed's test part has no say in its choices. Intervals and tests:
                 `dropnorm.study.statistics`. What each arm does: `dropnorm.study.arms.named_arm`.
    Randomness:  none: the same data and arguments give the same study; on one machine, to the byte. With the same folder, data
                 and arguments, a study that was interrupted goes on where it stopped. Ctrl-C waits for the end of the epoch,
                 and keeps it; a second one does not.
    Raises:      DataError for data that cannot be studied, ArgumentError and ArgumentTypeError for arguments, RunError for
                 a folder that cannot be used or holds another study.
    Example:
        >>> import dropnorm as dn
        >>> study = dn.run_study("iris", seeds=2, epochs=3, hidden=(16,))
        >>> [arm.arm for arm in study.summary.arms]
        ['plain', 'dropout', 'batch_norm', 'dropout+batch_norm']
    """
    planned = plan_study(**options.given_of(CallOptions))
    return planned.carry_out(None if options.out is None else Path(options.out), options.progress)


@with_options(CallOptions)
def plan_study(options: CallOptions) -> PlannedStudy:
    """Check data and arguments, which are those of `run_study`, without writing or training anything.

    Args:        {options}
    """
    plan = _beside_study_file(options) if is_study_file(options.X) else options
    config = configure(**plan.given_of(DesignOptions))
    data = DataOptions(**plan.given_of(DataOptions))
    dataset = load_dataset(**plan.given_of(DataOptions))
    if dataset.given_test and "test_size" in plan.given:
        raise ArgumentError(
            f"test_size={config.test_size} is given beside a test part: expected one of them. Leave test_size out."
        )
    task_for(dataset.encoding.task, config)  # refuses what the task does not have
    config = check_splits(dataset, config)
    dataset = without_rare_classes(dataset, config, data.rare)
    check_splittable(dataset, config)
    config = with_batches(dataset, config, given="batch_size" in plan.given)
    check_learning_curve(dataset, config)
    architecture = shape_of_nets(dataset.encoding, config)
    kept = data if is_named(data.X) else replace(data, X=None, y=None)
    return PlannedStudy(dataset, config, architecture, kept, batch_given="batch_size" in plan.given)


def _beside_study_file(options: CallOptions) -> PlanOptions:
    """What a study file says, and before it what is given beside the file.

    Raises:      RunError for a file whose net is a function that the user neither trusts nor names.
    """
    written = read_study_file(options.X)
    net = written.get("net", "")
    if is_factory(net) and "net" not in options.given:
        check_trusted(options.X, net, trust=options.trust)
    design = {name: value for name, value in written.items() if name in options_of(DesignOptions)}
    try:
        configure(**design)
    except (ArgumentError, ArgumentTypeError) as error:
        raise type(error)(f"{options.X}: {error}") from error
    beside = {name: value for name, value in options.given_of(PlanOptions).items() if name != "X"}
    return checked_call(PlanOptions, "plan_study", (), written | beside)
