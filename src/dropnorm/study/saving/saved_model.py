"""The recommended net as it is kept: weights as safetensors, everything else as JSON, nothing as pickle."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from dropnorm._record import Record
from dropnorm._validate import choice
from dropnorm.errors import ArgumentError, RunError
from dropnorm.study.data.encoding import Encoding
from dropnorm.study.data.sources.images import IMAGE
from dropnorm.study.data.sources.opening import open_features
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.files import write_atomically
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.older_schemas import model_from_3
from dropnorm.study.records import SCHEMA_VERSION, Arm
from dropnorm.study.runs.store import STORE_NAME, Store
from dropnorm.study.saving.nets import SavedNets, saved_nets
from dropnorm.study.saving.uncertainty import uncertain_predictions
from dropnorm.study.schema import read_record, record_of
from dropnorm.study.training.kinds import AnyArchitecture

WEIGHTS_NAME = "model.safetensors"
DESCRIPTION_NAME = "model.json"
MODELS = "models"


class ModelDescription(Record):
    """Everything about a saved net but its weights."""

    schema_version: Literal[4] = SCHEMA_VERSION
    arm: Arm
    rate: float
    architecture: AnyArchitecture
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    target_mean: float
    target_scale: float
    encoding: Encoding


@dataclass(frozen=True)
class SavedModel:
    """A trained net together with what it needs to read a table.

    Example:
        >>> import dropnorm as dn
        >>> study = dn.run_study("iris", seeds=2, epochs=2, arms=["dropout"], hidden=(8,))
        >>> study.model.net.training
        False
    """

    description: ModelDescription
    net: Any  # a torch.nn.Sequential, or the keras.Model of a study of those
    folder: Path | None = None

    @property
    def nets(self) -> SavedNets:
        """What is done with nets of its architecture."""
        return saved_nets(self.description.architecture)

    def predict(
        self, X: Any, *, uncertainty: bool = False, samples: int = 100, key: int = 0, skip_broken: bool = False
    ) -> pl.DataFrame:
        """The class of each row with its probabilities, or of a regression the quantity; on demand, how sure they are.

        Shape:       a table of n rows -> n rows: of images `file`; `prediction`; `probability_<class>` for each class.
                     With uncertainty, of classes `predictive_entropy` and `mutual_information` too; of a quantity
                     `deviation`, `low` and `high`.
        Args:        X: whatever `run_study` takes, with the studied columns; others, and labels, are ignored.
                     uncertainty: predict with the net's dropout on, many times, and tell mean and spread; samples: how
                     often, at least 2, default 100; key: of the masks, a 64-bit number, default 0; skip_broken: leave out
                     images that are broken or of another size than the studied ones.
        Numerics:    a missing value counts as the training part's mean, an unknown category as none of the known.
                     Uncertainty is Monte Carlo dropout with batch norm frozen. Entropy and mutual information are in nats,
                     0 for no doubt; the mutual information is the part that more data would lessen. `low` and `high`
                     are the 2.5 % and 97.5 % quantiles of the samples: what the net does not know, without the noise of
                     the target itself.
        Randomness:  none: the same key gives the same masks, whatever rows are beside a row's place in X.
        Raises:      DataError if a studied column is missing or is of another kind; ArgumentError if uncertainty is asked
                     for of a net without dropout.
        Source:      Gal & Ghahramani 2016, "Dropout as a Bayesian approximation", arXiv:1506.02142.
        """
        if uncertainty and not self.nets.drops(self.net):
            raise ArgumentError(
                f"uncertainty is asked for, and the net of the arm {self.description.arm.name!r} has no dropout whose masks "
                f"could be sampled: expected a net with dropout. {self._arms_with_dropout()}"
            )
        described = self.description
        files, encoded = self._encoded(X, skip_broken=skip_broken)
        standardization = Standardization(np.array(described.mean), np.array(described.scale))
        features = torch.from_numpy(standardization.apply(encoded))
        classes, mean, scale = described.encoding.classes, described.target_mean, described.target_scale
        if uncertainty:
            told = self.nets.sampled(self.net, features, samples, described.encoding.task, key)
            predictions = uncertain_predictions(told, classes, mean, scale)
        else:
            outputs = self.nets.outputs(self.net, features)
            predictions = OBJECTIVES[described.encoding.task].predictions(outputs, classes, mean, scale)
        return pl.DataFrame(({"file": files} if files else {}) | predictions)

    def features(self, X: Any) -> np.ndarray:
        """A table as numbers, before it is standardized: what an exported net takes.

        Shape:       a table of n rows -> (n, features), float64, NaN where a number is missing
        Args:        X: as for `predict`
        """
        return self._encoded(X, skip_broken=False)[1]

    def _encoded(self, X: Any, *, skip_broken: bool) -> tuple[tuple[str, ...], np.ndarray]:
        """The files of images, and the features of all rows."""
        encoding = self.description.encoding
        texts = [column.name for column in encoding.columns if column.kind == "category"]
        studied = next((column.shape for column in encoding.columns if column.name == IMAGE), ())
        table = open_features(X, texts, skip_broken=skip_broken, studied=studied)
        return table.files, encoding.encode(table.frame, str(X) if isinstance(X, str | Path) else "X")

    def _arms_with_dropout(self) -> str:
        arms = [] if self.folder is None else [arm for arm, kept in _kept_models(self.folder).items() if kept["drops"]]
        if not arms:
            return "Study again with an arm that has dropout."
        return f"Take --arm {' or --arm '.join(arms)} (arm= of load_model in Python)."

    def save(self, folder: Path) -> None:
        """Write model.json and model.safetensors."""
        weights = {name: tensor.contiguous() for name, tensor in self.nets.tensors(self.net).items()}
        write_atomically(folder / WEIGHTS_NAME, save(weights))
        write_atomically(folder / DESCRIPTION_NAME, self.description.model_dump_json(indent=2).encode() + b"\n")


def load_model(folder: str | Path, arm: str | None = None) -> SavedModel:
    """The recommended net of a finished run, ready to predict; or of another arm the net that is best on validation.

    Args:        folder: the run's; arm: an arm that was studied, default None: the recommended one.
    Raises:      RunError if the folder holds no model, a damaged one, or one of another version; ArgumentError for an arm that
                 was not studied.
    """
    folder = Path(folder)
    path = folder / DESCRIPTION_NAME
    if not path.exists() or not (folder / WEIGHTS_NAME).exists():
        raise RunError(f"{folder}: holds no model. Expected the folder of a finished `dropnorm study` (its --out).")
    remedy = "Start the same `dropnorm study` again: it writes the file anew."
    description = read_record(path, ModelDescription, remedy, {3: model_from_3})
    if arm is not None and arm != description.arm.name:
        return _load_arm(folder, arm, description.encoding)
    nets = saved_nets(description.architecture)
    net = nets.build(description.arm, description.rate)
    try:
        nets.load(net, load((folder / WEIGHTS_NAME).read_bytes()))
    except (SafetensorError, RuntimeError) as error:
        raise RunError(
            f"{folder / WEIGHTS_NAME}: does not hold the weights of {path}. Start the same `dropnorm study` again: it writes "
            f"both anew."
        ) from error
    return SavedModel(description, net, folder)


def _load_arm(folder: Path, arm: str, encoding: Encoding) -> SavedModel:
    """The best net of an arm from the store, which keeps every net's weights."""
    kept = _kept_models(folder)
    choice(arm, "arm", kept)
    path = folder / STORE_NAME
    try:
        net = kept[arm]["net"]
        fields = {**kept[arm]["description"], "encoding": encoding.model_dump(mode="json")}
        description = record_of(fields, ModelDescription, {3: model_from_3})
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: cannot be read as a store (meta.{MODELS}.{arm}: {error}). Start the same `dropnorm study` again: it "
            f"writes the model anew."
        ) from error
    with closing(Store(path, read_only=True)) as store:
        return replace(model_of(description, store.weights(net)), folder=folder)


def _kept_models(folder: Path) -> dict[str, Any]:
    """What the store knows of each arm's best net."""
    store = Store(folder / STORE_NAME, read_only=True)
    try:
        kept: dict[str, Any] | None = store.get(MODELS)
    finally:
        store.close()
    if kept is None:
        raise RunError(
            f"{folder}: was finished by a dropnorm that kept the recommended net only. Start the same `dropnorm study` again: "
            f"it keeps those of all arms, without training anew."
        )
    return kept


def remember(models: Sequence[tuple[int, SavedModel]]) -> dict[str, Any]:
    """What the store shall keep of each arm's best net, given with its number: all but its weights, which it has."""
    return {
        model.description.arm.name: {
            "net": net,
            "drops": model.nets.drops(model.net),
            "description": model.description.model_dump(mode="json", exclude={"encoding"}),
        }
        for net, model in models
    }


def model_of(description: ModelDescription, weights: bytes) -> SavedModel:
    """The saved model of one finished net of a study."""
    nets = saved_nets(description.architecture)
    net = nets.build(description.arm, description.rate)
    nets.load_trained(net, load(weights))
    return SavedModel(description, net)
