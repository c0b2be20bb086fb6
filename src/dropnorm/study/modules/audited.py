"""A user's network and data as a study would bring them together, for an audit: the model and batches of what it takes."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dropnorm.errors import ArgumentError
from dropnorm.study.data.dataset import Dataset
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.modules.architecture import NAMES, ModuleArchitecture, make_module
from dropnorm.study.modules.factory import find_factory
from dropnorm.study.nets.architecture import image_of
from dropnorm.study.nets.layers import to_images

BATCH_ROWS, ROWS = 64, 1024


def model_for(factory: str, dataset: Dataset | None) -> nn.Module:
    """The model that a factory makes for these data, with the weights of seed 0.

    Raises:      ArgumentError for a factory that asks for what only data tell; and as `make_module`.
    """
    function = find_factory(factory, "model")
    if dataset is not None:
        return make_module(architecture_for(factory, dataset), 0)
    asked = [name for name in _parameters(function) if name in NAMES]
    if asked:
        raise ArgumentError(
            f"model={factory!r} asks for {asked[0]!r}, which data tell: expected --data with a file or a name. Give it, or "
            f"name a function that needs none."
        )
    return make_module(ModuleArchitecture(factory=factory, features=0, outputs=0), 0)


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def architecture_for(factory: str, dataset: Dataset) -> ModuleArchitecture:
    """What a factory is told of these data."""
    image, channels_last = image_of(dataset.encoding)
    encoding = dataset.encoding
    return ModuleArchitecture(
        factory=factory,
        features=encoding.features,
        outputs=encoding.outputs,
        image=image,
        channels_last=channels_last,
    )


def batches_of(dataset: Dataset) -> list[Tensor]:
    """Some rows, drawn evenly from all, standardized as a study standardizes, in batches as a model of a factory takes them."""
    chosen = np.random.default_rng(0).permutation(dataset.rows)[:ROWS]
    features = Standardization.learn(dataset.features, np.arange(dataset.rows)).apply(dataset.features[chosen])
    x = torch.from_numpy(features)
    architecture = architecture_for("", dataset)
    if architecture.image is not None:
        x = to_images(x[None], architecture.image, architecture.channels_last)
    batches = list(torch.split(x, BATCH_ROWS))
    # A last batch of few rows would be judged for being small.
    return batches[:-1] if len(batches) > 1 and len(batches[-1]) < BATCH_ROWS else batches
