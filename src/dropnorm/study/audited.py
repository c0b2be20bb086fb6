"""A user's network and data as a study would bring them together, for an audit: the model and batches of what it takes."""

import inspect
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dropnorm.errors import ArgumentError
from dropnorm.study.data.dataset import Dataset
from dropnorm.study.data.scaling import feature_groups
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.keras.inputs import arranged, input_of
from dropnorm.study.modules.architecture import NAMES, ModuleArchitecture, call_factory, checked_module
from dropnorm.study.modules.check import as_taken
from dropnorm.study.modules.factory import find_factory
from dropnorm.study.modules.tensors import seeded
from dropnorm.study.nets.architecture import image_of
from dropnorm.study.nets.layers import to_images
from dropnorm.surgery.dispatch import is_keras
from dropnorm.surgery.modules.restoring import random_states, restored

BATCH_ROWS, ROWS = 64, 1024


def model_for(factory: str, dataset: Dataset | None) -> Any:
    """The model, of torch or of Keras, that a factory makes for these data, with the weights of seed 0.

    Raises:      ArgumentError for a factory that asks for what only data tell; and as `make_module`.
    """
    function = find_factory(factory, "model")
    if dataset is not None:
        return _made(architecture_for(factory, dataset))
    asked = [name for name in _parameters(function) if name in NAMES]
    if asked:
        raise ArgumentError(
            f"model={factory!r} asks for {asked[0]!r}, which data tell: expected --data with a file or a name. Give it, or "
            f"name a function that needs none."
        )
    return _made(ModuleArchitecture(factory=factory, features=0, outputs=0))


def _made(architecture: ModuleArchitecture) -> Any:
    """A module; or a Keras model, which is no module on each of Keras's backends."""
    with random_states(), seeded(0, "cpu"):
        random.seed(0)  # which Keras takes its seeds from
        made = call_factory(architecture)
    return made if is_keras(made) else checked_module(made, architecture.factory)


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


def batches_of(dataset: Dataset, model: Any = None, factory: str = "") -> list[Any]:
    """Some rows, drawn evenly from all, standardized as a study standardizes, in batches as the model of a factory takes them.

    A Keras model gets arrays, flat or as images, as its first layer was told; a module images or rows, as it takes them.

    Raises:      ArgumentError for a model that takes no such rows.
    """
    chosen = np.random.default_rng(0).permutation(dataset.rows)[:ROWS]
    groups = feature_groups(dataset.encoding, dataset.features, "auto")
    learned = Standardization.learn(dataset.features, np.arange(dataset.rows), groups)
    features = learned.apply(dataset.features[chosen])
    architecture = architecture_for(factory, dataset)
    if is_keras(model):
        x = torch.from_numpy(arranged(features, architecture, *input_of(model, architecture, "model")))
    else:
        x = torch.from_numpy(features)
        if model is not None and factory:
            with restored(model):
                architecture = as_taken(model, architecture)
        if architecture.image is not None:
            x = to_images(x[None], architecture.image, architecture.channels_last)
    batches = [batch.numpy() if is_keras(model) else batch for batch in torch.split(x, BATCH_ROWS)]
    # A last batch of few rows would be judged for being small.
    return batches[:-1] if len(batches) > 1 and len(batches[-1]) < BATCH_ROWS else batches
