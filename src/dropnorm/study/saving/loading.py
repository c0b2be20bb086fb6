"""Models of finished runs, read back: the advised one, another arm's, or a single net's."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load

from dropnorm._arguments import checked
from dropnorm._constraints import FilePath, Flag, Text
from dropnorm._validate import Whole, choice, whole
from dropnorm.errors import ArgumentError, DropnormError, RunError
from dropnorm.study.memory import check_fits
from dropnorm.study.modules.architecture import FactoryArchitecture
from dropnorm.study.older_schemas import MODELS_OF_3, model_from_3
from dropnorm.study.records import NetRecord
from dropnorm.study.runs.damage import told_as_damage
from dropnorm.study.runs.loading import load_summary
from dropnorm.study.runs.store import STORE_NAME, Store
from dropnorm.study.runs.store_files import check_regular
from dropnorm.study.saving.description import Member, ModelDescription
from dropnorm.study.saving.nets import tensors_of_single_net
from dropnorm.study.saving.saved_model import DESCRIPTION_NAME, WEIGHTS_NAME, SavedModel, model_of, model_with
from dropnorm.study.schema import read_record, record_of
from dropnorm.study.statistics.choice import best_choice, nets_of_choice
from dropnorm.study.task import task_of
from dropnorm.study.trust import check_trusted


@checked(folder=FilePath("the folder of a run"), arm=Text("the name of an arm", "dropout"), net=Whole(0), trust=Flag())
def load_model(
    folder: str | Path, arm: str | None = None, net: int | None = None, *, trust: bool = False
) -> SavedModel:
    """The model of a finished run, ready to predict: the mean of the advised arm's nets, or other nets of the run.

    Args:        folder: the run's; arm: the name of an arm that was studied, default None: the advised one, whose nets are
                 those of the one rate and decay that is best on validation; net: the number of a single net, as `load_run`
                 and `dropnorm export --csv` give it, default None: all of the arm; trust: import and call the function that
                 the run names for its nets, where a study was of a network of one's own; default False: refuse to.
    Raises:      RunError if the folder holds no model, a damaged one, one of another version, or one whose nets a function
                 makes that is not trusted; ArgumentError for an arm or a net that was not studied, or for both at once.
    """
    folder = Path(folder)
    path = folder / DESCRIPTION_NAME
    if arm is not None and net is not None:
        raise ArgumentError(
            f"arm={arm!r} and net={net!r} are both given: expected one of them, as a net is of one arm. Leave one out."
        )
    if not path.exists() or not (folder / WEIGHTS_NAME).exists():
        raise RunError(f"{folder}: holds no model. Expected the folder of a finished `dropnorm study` (its --out).")
    remedy = "Start the same `dropnorm study` again: it writes the file anew."
    description = read_record(path, ModelDescription, remedy, {3: model_from_3})
    _check_factory(path, description, trust=trust)
    with told_as_damage(folder):
        if net is None and arm in (None, description.arm.name):
            return _load_advised(folder, description)
        return _load_from_store(folder, description, arm, net, trust=trust)


def _check_factory(path: Path, description: ModelDescription, *, trust: bool) -> None:
    """See that a function which makes the nets is trusted, before anything is made."""
    if isinstance(description.architecture, FactoryArchitecture):
        check_trusted(path, description.architecture.factory, trust=trust)


def _load_advised(folder: Path, description: ModelDescription) -> SavedModel:
    """The model whose weights lie in a file of their own."""
    path = folder / WEIGHTS_NAME
    check_regular(path)
    # As bytes, and as tensors beside them.
    check_fits(path, "the model", 2 * path.stat().st_size, RunError)
    with _damaged(f"{path}: does not hold the weights of {folder / DESCRIPTION_NAME}."):
        tensors = load(path.read_bytes())
        if description.of_older_version:
            tensors = tensors_of_single_net(description.architecture, description.arm, description.rate, tensors)
            description = description.model_copy(update={"of_older_version": False})
        return model_with(description, tensors, folder)


def _load_from_store(
    folder: Path, advised: ModelDescription, arm: str | None, net: int | None, *, trust: bool
) -> SavedModel:
    """The model of an arm, or of a single net, from the store, which keeps every net's weights."""
    summary = load_summary(folder)
    arms = {studied.name: studied for studied in summary.config.arms}
    if arm is not None and advised.of_older_version:
        return _load_kept(folder, choice(arm, "arm", arms), advised, trust=trust)
    with closing(Store(folder / STORE_NAME, read_only=True)) as store:
        records = store.nets()
        if arm is None:
            chosen = [_numbered(records, net)]
        else:
            name = choice(arm, "arm", arms)
            chosen = nets_of_choice(records, name, best_choice(records, name, task_of(summary).metric))
        weights = [store.weights(record.net) for record in chosen]
    description = advised.model_copy(
        update={
            "arm": arms[chosen[0].arm],
            "rate": chosen[0].rate,
            "weight_decay": chosen[0].weight_decay,
            "members": _members(folder, advised, chosen),
            "expected": None,
        }
    )
    with _damaged(f"{folder / STORE_NAME}: does not hold the weights of {folder / DESCRIPTION_NAME}."):
        return replace(model_of(description, weights), folder=folder)


def _load_kept(folder: Path, arm: str, advised: ModelDescription, *, trust: bool) -> SavedModel:
    """The single net that a run of schema 3 kept of each arm."""
    with closing(Store(folder / STORE_NAME, read_only=True)) as store:
        kept = (store.get(MODELS_OF_3) or {}).get(arm)
        if kept is None:
            raise _kept_one_net(folder)
        encoding = advised.encoding.model_dump(mode="json")
        with _damaged(f"{folder / STORE_NAME}: does not hold the model of {arm}."):
            description = record_of({**kept["description"], "encoding": encoding}, ModelDescription, {3: model_from_3})
            _check_factory(folder / STORE_NAME, description, trust=trust)
            weights = store.weights(kept["net"])
            return replace(
                model_of(description.model_copy(update={"of_older_version": False}), [weights]), folder=folder
            )


def _members(folder: Path, advised: ModelDescription, chosen: Sequence[NetRecord]) -> tuple[Member, ...]:
    """Nets with the standardization of their seeds, which the advised arm's nets have too."""
    by_seed = {member.seed: member for member in advised.members}
    if any(record.seed not in by_seed for record in chosen):
        raise _kept_one_net(folder)
    return tuple(by_seed[record.seed].model_copy(update={"net": record.net}) for record in chosen)


def _kept_one_net(folder: Path) -> RunError:
    """The error for a run of a version whose models were single nets."""
    return RunError(
        f"{folder}: was finished by a dropnorm that kept the recommended net only. Start the same `dropnorm study` again: it "
        f"keeps those of all arms, without training anew."
    )


def _numbered(records: Sequence[NetRecord], net: object) -> NetRecord:
    """The net of this number."""
    number = whole(net, "net", 0)
    found = next((record for record in records if record.net == number), None)
    if found is None:
        raise ArgumentError(
            f"net={number} is unknown: expected the number of one of the run's nets, from 0 to {len(records) - 1}. "
            f"`dropnorm export --csv` writes them all, with arm, seed and scores, to nets.csv."
        )
    return found


@contextmanager
def _damaged(message: str) -> Iterator[None]:
    """Tell of weights that are damaged, or those of other nets, what to do."""
    try:
        yield
    except DropnormError:
        raise
    # Damage can end the reading of weights, and the making of nets of absurd sizes, in any way.
    except (
        SafetensorError,
        RuntimeError,
        ValueError,
        LookupError,
        TypeError,
        ArithmeticError,
        AttributeError,
    ) as error:
        raise RunError(f"{message} Start the same `dropnorm study` again: it writes both anew.") from error
