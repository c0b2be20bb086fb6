"""A study's model, the mean of its nets, as it is kept: weights as safetensors, everything else as JSON, nothing as pickle."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors.torch import load, save
from torch import Tensor

from dropnorm._arguments import checked
from dropnorm._constraints import Each, FilePath, Flag, Text
from dropnorm.errors import ArgumentError, RunError
from dropnorm.study.data.sources.given import HeaderGiven, Reading
from dropnorm.study.data.sources.naming import columns_named
from dropnorm.study.data.sources.table import free_name
from dropnorm.study.files import write_in_run
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.options import READING
from dropnorm.study.records import Evaluation
from dropnorm.study.saving.averaged import AveragedNets
from dropnorm.study.saving.description import ModelDescription
from dropnorm.study.saving.evaluating import evaluate, open_known_rows
from dropnorm.study.saving.nets import SavedNets, saved_nets
from dropnorm.study.saving.new_rows import encode_rows, open_rows
from dropnorm.study.saving.uncertainty import uncertain_predictions
from dropnorm.surgery.dispatch import is_keras
from dropnorm.surgery.mc_predict import KEY, SAMPLES

WEIGHTS_NAME = "model.safetensors"
DESCRIPTION_NAME = "model.json"
_KEPT = Each(Text("the name of a column", "id", numbered=True), ("id",))
ROWS_AT_ONCE = 4096  # whose outputs, of ten nets for ten classes, stay in a cache until their mean is taken


@dataclass(frozen=True)
class SavedModel:
    """Trained nets of one arm, whose mean it predicts, together with what they need to read a table.

    Equation:    of classes, the mean over the nets of their probabilities, softmax each; of a quantity, the mean of their
                 predictions in its own unit
    Example:
        >>> import dropnorm as dn
        >>> study = dn.run_study("iris", seeds=2, epochs=2, arms=["dropout"], hidden=(8,))
        >>> len(study.model.nets)
        2
        >>> study.model.nets[0].training
        False
    Source:      Lakshminarayanan, Pritzel & Blundell 2017, "Simple and scalable predictive uncertainty estimation using deep
                 ensembles", arXiv:1612.01474; each net here learns from a split of its own, as in bagging (Breiman 1996).
    """

    description: ModelDescription
    saved: SavedNets
    folder: Path | None = None

    @property
    def nets(self) -> tuple[Any, ...]:
        """Each net as a torch.nn.Sequential or keras.Model, in the order of `description.members`.

        It takes features that are standardized as its member says, and is in inference mode. It is a copy: what is changed in
        it does not change what the model predicts.
        """
        return self.saved.nets

    @property
    def net(self) -> Any:
        """The net of a model that is a single one.

        Raises:      ArgumentError if the model is the mean of several.
        """
        if len(self.description.members) > 1:
            raise ArgumentError(
                f"net is asked for of a model that is the mean of {len(self.description.members)} nets: expected a model of "
                f"one. Take one of model.nets, or load_model(folder, net=...)."
            )
        return self.nets[0]

    def module(self) -> torch.nn.Module:
        """The model as one torch.nn.Module, in inference mode, with copies of the nets.

        Shape:       features (rows, features), NaN where a value is missing, as `features` gives them -> probabilities
                     (rows, classes), or quantities (rows,) in float64
        Raises:      ArgumentError if the nets are Keras models.
        """
        if is_keras(self.nets[0]):
            raise ArgumentError(
                f"module is asked for of a model whose nets, of the arm {self.description.arm.name!r}, are Keras models: "
                f"expected nets of PyTorch. Use model.nets, whose inputs are standardized features, and take their mean."
            )
        nets = copy.deepcopy(self.nets)
        return AveragedNets(nets, self.description.members, self.description.encoding.task).eval()

    @checked(uncertainty=Flag(), samples=SAMPLES, key=KEY, skip_broken=Flag(), keep=_KEPT, **READING)
    def predict(
        self,
        X: Any,
        *,
        uncertainty: bool = False,
        samples: int = 100,
        key: int = 0,
        skip_broken: bool = False,
        keep: str | Sequence[str] = (),
        header: HeaderGiven = "auto",
        encoding: str | None = None,
        separator: str | None = None,
        sheet: str | None = None,
    ) -> pl.DataFrame:
        """The class of each row with its probabilities, or of a regression the quantity; on demand, how sure they are.

        Shape:       a table of n rows -> n rows: the columns to keep; of images `file`; `prediction`; and for each class
                     `probability_<class>`. With uncertainty, of classes `predictive_entropy`, `mutual_information` and its two
                     parts `mutual_information_between_nets` and `mutual_information_within_nets` too; of a quantity
                     `deviation`, `deviation_between_nets`, `deviation_within_nets`, `low` and `high`.
        Args:        X: whatever `run_study` takes, with the studied columns; others, and labels, are ignored. An array has the
                     studied columns in their order; a dictionary is a row, or columns; a list of dictionaries is rows, and a
                     Series is a row.
                     uncertainty: tell how far the nets, and each net's predictions with its dropout on, are from each other,
                     and predict their mean; samples: passes with dropout on of each net, at least 2, default 100; key: of
                     the masks, a 64-bit number, default 0; skip_broken: leave out images that are broken or of another size
                     than the studied ones; keep: columns of X to stand before the predictions as they are written, such as
                     an identifier; header, encoding, separator, sheet: how to read a file, as for `run_study`.
        Warns:       NewDataWarning for categories that no studied row had, numbers far beyond the studied ones and columns
                     without values, counted by column.
        Numerics:    a missing value counts as the mean of a net's training part, an unknown category as none of the known.
                     Probabilities are in float32, the rest in float64. Entropy and mutual information are in nats, 0 for no
                     doubt; the mutual information is the part of the entropy that more data would lessen, and the sum of
                     its two parts. Of the deviation, the squares add up. `low` and `high` are the 2.5 % and 97.5 % quantiles
                     of all samples: what the nets do not know, without the noise of the target itself. Within nets,
                     uncertainty is Monte Carlo dropout with batch norm frozen, and 0 of nets without dropout.
        Randomness:  none: the same key gives the same masks, whatever rows are beside a row's place in X.
        Raises:      DataError if a studied column is missing or is of another kind; ArgumentError if uncertainty is asked
                     for of a single net without dropout.
        Source:      Gal & Ghahramani 2016, "Dropout as a Bayesian approximation", arXiv:1506.02142.
        """
        if uncertainty and len(self.description.members) == 1 and not self.saved.drops:
            raise ArgumentError(
                f"uncertainty is asked for of a single net of the arm {self.description.arm.name!r}, which has no dropout "
                f"whose masks could be sampled: expected several nets, or one with dropout. Leave net out, or name one of an "
                f"arm with dropout."
            )
        reading = Reading(
            header, encoding, separator, sheet, texts=tuple(keep), skip_broken=skip_broken, labelled=False
        )
        table, source = open_rows(self.description, X, reading)
        features = encode_rows(self.description, table, source)
        if uncertainty:
            values, columns = uncertain_predictions(self.saved, self.description, features, samples, key)
        else:
            values, columns = self._mean(features), {}
        predictions = prediction_columns(values, self.description.encoding.classes)
        told: dict[str, Any] = ({"file": table.files} if table.files else {}) | predictions | columns
        return pl.DataFrame(_kept(table.frame, keep, told) | told)

    def features(self, X: Any) -> np.ndarray:
        """A table as numbers, before it is standardized: what an exported model takes.

        Shape:       a table of n rows -> (n, features), float64, NaN where a number is missing
        Args:        X: as for `predict`
        """
        return encode_rows(self.description, *open_rows(self.description, X, Reading(labelled=False)))

    @checked(skip_broken=Flag(), **READING)
    def evaluate(
        self,
        X: Any,
        y: Any = None,
        *,
        skip_broken: bool = False,
        header: HeaderGiven = "auto",
        encoding: str | None = None,
        separator: str | None = None,
        sheet: str | None = None,
    ) -> Evaluation:
        """How good the predictions of rows are whose target is known: every metric of the task, with 95 % intervals.

        Args:        X: as for `predict`, with the target among its columns; y: the targets, if X does not hold them;
                     skip_broken: leave out images that are broken or of another size than the studied ones; header, encoding,
                     separator, sheet: how to read a file, as for `run_study`. Rows without a target are left out, and counted.
                     Where the study kept groups together, and X has their column, whole groups count as one.
        Warns:       NewDataWarning, as `predict` does.
        Raises:      DataError if there is no target, or one that no studied row had.
        Example:
            >>> import dropnorm as dn
            >>> study = dn.run_study("iris", seeds=2, epochs=2, arms=["dropout"], hidden=(8,))
            >>> found = study.model.evaluate("iris")
            >>> [one.metric for one in found.metrics][:2], found.rows
            (['accuracy', 'balanced_accuracy'], 150)
        See also:    `dropnorm.study.statistics.metrics` for the metrics and their intervals.
        """
        reading = Reading(header, encoding, separator, sheet, skip_broken=skip_broken)
        known = open_known_rows(self.description, X, y, reading)
        return evaluate(self.description, known, self._mean(encode_rows(self.description, known.table, known.source)))

    @checked(folder=FilePath("a folder to write to"))
    def save(self, folder: Path) -> None:
        """Write model.json, and model.safetensors, whose tensors have a leading dimension for the net."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"folder={str(folder)!r} cannot be made ({error.strerror}): expected a folder of yours. Name another one."
            ) from error
        weights = {name: tensor.contiguous() for name, tensor in self.saved.tensors.items()}
        write_in_run(folder / WEIGHTS_NAME, save(weights))
        write_in_run(folder / DESCRIPTION_NAME, self.description.model_dump_json(indent=2).encode() + b"\n")

    def _mean(self, features: np.ndarray) -> np.ndarray:
        """The mean of the nets' probabilities (rows, classes) or quantities (rows, 1)."""
        standardizations, scales = self.description.standardizations, self.description.target_scales
        objective = OBJECTIVES[self.description.encoding.task]
        means = []
        for start in range(0, max(1, len(features)), ROWS_AT_ONCE):
            outputs = self.saved.outputs(features[start : start + ROWS_AT_ONCE], standardizations)
            means.append(objective.values(outputs, *scales).mean(dim=0).numpy())
        return np.concatenate(means)


def _kept(frame: pl.DataFrame, keep: Sequence[str], told: Mapping[str, Any]) -> dict[str, pl.Series]:
    """The columns to keep, by names that no prediction has."""
    names = columns_named(keep, frame.columns, f"keep={list(keep)!r}")
    return {free_name(name, list(told)): frame[name] for name in names}


def model_of(description: ModelDescription, weights: Sequence[bytes]) -> SavedModel:
    """The model of finished nets of a study, whose weights are as the store keeps them.

    Raises:      RuntimeError if the weights are not those of such nets.
    """
    loaded = [load(one) for one in weights]
    tensors = {name: torch.stack([one[name] for one in loaded]) for name in loaded[0]}
    return model_with(description, tensors)


def model_with(description: ModelDescription, tensors: Mapping[str, Tensor], folder: Path | None = None) -> SavedModel:
    """The model whose nets have these tensors.

    Raises:      RuntimeError if the tensors are not those of such nets.
    """
    nets = {tuple(tensor.shape[:1]) for tensor in tensors.values()}
    if nets != {(len(description.members),)}:
        raise RuntimeError(f"the tensors are those of {nets} nets")
    return SavedModel(
        description, saved_nets(description.architecture, description.arm, description.rate, tensors), folder
    )


def prediction_columns(values: np.ndarray, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """What to tell of each row of probabilities (rows, classes) or quantities (rows, 1), by column."""
    if not classes:
        return {"prediction": values[:, 0]}
    columns = {"prediction": np.array(classes)[values.argmax(axis=1)]}
    return columns | {f"probability_{name}": values[:, index] for index, name in enumerate(classes)}
