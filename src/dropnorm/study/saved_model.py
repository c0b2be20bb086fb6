"""The recommended net as it is kept: weights as safetensors, everything else as JSON, nothing as pickle."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from dropnorm import nn
from dropnorm.errors import RunError
from dropnorm.study.activations import ACTIVATIONS
from dropnorm.study.architecture import KERNEL, Architecture
from dropnorm.study.encoding import Encoding
from dropnorm.study.files import write_atomically
from dropnorm.study.objective import OBJECTIVES
from dropnorm.study.records import SCHEMA_VERSION, Arm, Record
from dropnorm.study.sources.opening import open_features
from dropnorm.study.standardization import Standardization

WEIGHTS_NAME = "model.safetensors"
DESCRIPTION_NAME = "model.json"
_ROWS_AT_ONCE = 65536
_KINDS = (
    (torch.nn.Linear, "linear"),
    (torch.nn.Conv2d, "conv"),
    ((nn.BatchNorm1d, nn.BatchNorm2d), "norm"),
)


class ChannelsFirst(torch.nn.Module):
    """Images (rows, height, width, channels) as (rows, channels, height, width)."""

    def forward(self, x: Tensor) -> Tensor:
        """The same pixels in another order."""
        return x.permute(0, 3, 1, 2)


class ModelDescription(Record):
    """Everything about a saved net but its weights."""

    schema_version: Literal[3] = SCHEMA_VERSION
    arm: Arm
    rate: float
    architecture: Architecture
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
    net: torch.nn.Sequential

    def predict(self, X: Any) -> pl.DataFrame:
        """The class of each row with its probabilities, or of a regression the quantity.

        Shape:       a table of n rows -> n rows: of images `file`; `prediction`; `probability_<class>` for each class
        Args:        X: whatever `run_study` takes, with the studied columns; others, and labels, are ignored.
        Numerics:    a missing value counts as the training part's mean, an unknown category as none of the known.
        Raises:      DataError if a studied column is missing or is of another kind.
        """
        encoding = self.description.encoding
        texts = [column.name for column in encoding.columns if column.kind == "category"]
        table = open_features(X, texts)
        source = str(X) if isinstance(X, str | Path) else "X"
        standardization = Standardization(np.array(self.description.mean), np.array(self.description.scale))
        features = torch.from_numpy(standardization.apply(encoding.encode(table.frame, source)))
        with torch.no_grad():
            outputs = torch.cat([self.net(chunk) for chunk in torch.split(features, _ROWS_AT_ONCE)])
        files: dict[str, Any] = {"file": table.files} if table.files else {}
        predictions = OBJECTIVES[encoding.task].predictions(
            outputs, encoding.classes, self.description.target_mean, self.description.target_scale
        )
        return pl.DataFrame(files | predictions)

    def save(self, folder: Path) -> None:
        """Write model.json and model.safetensors."""
        weights = {name: tensor.contiguous() for name, tensor in self.net.state_dict().items()}
        write_atomically(folder / WEIGHTS_NAME, save(weights))
        write_atomically(folder / DESCRIPTION_NAME, self.description.model_dump_json(indent=2).encode() + b"\n")


def load_model(folder: str | Path) -> SavedModel:
    """The recommended net of a finished run, ready to predict.

    Raises:      RunError if the folder holds no model, a damaged one, or one of another version.
    """
    folder = Path(folder)
    path = folder / DESCRIPTION_NAME
    if not path.exists() or not (folder / WEIGHTS_NAME).exists():
        raise RunError(f"{folder}: holds no model. Expected the folder of a finished `dropnorm study` (its --out).")
    try:
        description = ModelDescription.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise RunError(
            f"{path}: is not a model that this version reads (schema {SCHEMA_VERSION}). Use the version that wrote it."
        ) from error
    net = _build(description)
    try:
        net.load_state_dict(load((folder / WEIGHTS_NAME).read_bytes()))
    except (SafetensorError, RuntimeError) as error:
        raise RunError(
            f"{folder / WEIGHTS_NAME}: does not hold the weights of {path}. Start the same `dropnorm study` again: it writes "
            f"both anew."
        ) from error
    return SavedModel(description, net.eval())


def model_of(description: ModelDescription, weights: bytes) -> SavedModel:
    """The saved model of one finished net of a study, whose weights are named as in the batched nets."""
    batched = load(weights)
    net = _build(description)
    state = dict(net.state_dict())
    layer = -1
    for name, module in net.named_children():
        kind = next((kind for types, kind in _KINDS if isinstance(module, types)), None)
        layer += kind in ("linear", "conv")
        for key, tensor in batched.items():
            number, part, entry = key.split(".")
            if (int(number), part) == (layer, kind):
                state[f"{name}.{entry}"] = _transposed(tensor) if (part, entry) == ("linear", "weight") else tensor
    net.load_state_dict(state)
    return SavedModel(description, net.eval())


def _transposed(weight: Tensor) -> Tensor:
    """A batched net multiplies from the left, (in, out); torch's Linear keeps (out, in)."""
    return weight.T.contiguous()


def _build(description: ModelDescription) -> torch.nn.Sequential:
    """The net as a user would write it."""
    arm, shape = description.arm, description.architecture
    modules: list[torch.nn.Module] = [nn.Dropout(arm.input_dropout)] if arm.input_dropout else []
    dropping = [description.rate if arm.where == "hidden" else 0.0] * (shape.dropping_layers - 1) + [description.rate]
    if shape.convolutions:
        assert shape.image is not None
        channels, height, width = shape.image
        if shape.channels_last:
            modules += [torch.nn.Unflatten(1, (height, width, channels)), ChannelsFirst()]
        else:
            modules.append(torch.nn.Unflatten(1, shape.image))
    for (inputs, outputs), image in zip(shape.convolutions, shape.images, strict=False):
        modules.append(torch.nn.Conv2d(inputs, outputs, KERNEL, padding=KERNEL // 2, bias=not arm.batch_norm))
        modules += [nn.BatchNorm2d(outputs)] if arm.batch_norm else []
        modules.append(ACTIVATIONS[shape.activation].module())
        modules += [torch.nn.MaxPool2d(2)] if min(image[1:]) > 1 else []
        rate = dropping.pop(0)
        modules += [nn.Dropout2d(rate)] if rate else []
    modules += [torch.nn.Flatten()] if shape.convolutions else []
    *hidden, output = pairwise(shape.widths)
    for inputs, outputs in hidden:
        modules.append(torch.nn.Linear(inputs, outputs, bias=not arm.batch_norm))
        modules += [nn.BatchNorm1d(outputs)] if arm.batch_norm else []
        modules.append(ACTIVATIONS[shape.activation].module())
        rate = dropping.pop(0)
        modules += [nn.Dropout(rate)] if rate else []
    return torch.nn.Sequential(*modules, torch.nn.Linear(*output))
