"""A model that is run and afterwards is as it was: its modes, its buffers, the random states."""

import random
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def restored(model: nn.Module) -> Iterator[None]:
    """Modes, buffers and random states are afterwards what they were, whatever happens inside, where no run warns."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    absent = [
        (module, name) for module in model.modules() for name, buffer in module._buffers.items() if buffer is None
    ]
    generators = {
        id(each): each for module in model.modules() if (each := getattr(module, "generator", None)) is not None
    }
    states = [(each, each.get_state()) for each in generators.values() if isinstance(each, torch.Generator)]
    devices = {tensor.device for tensor in model.parameters() if tensor.device.type == "cuda"}
    with random_states(devices):
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training
            for generator, state in states:
                generator.set_state(state)
            with torch.no_grad():
                for module, name, buffer, values in buffers:
                    if not torch.equal(buffer, values):
                        buffer.copy_(values)
                    module._buffers[name] = buffer
                for module, name in absent:
                    module._buffers[name] = None


@contextmanager
def random_states(devices: Iterable[torch.device] = ()) -> Iterator[None]:
    """The random states of Python, NumPy and torch are afterwards what they were; and no run warns."""
    with (
        kept_generators(),
        torch.random.fork_rng(devices=sorted(devices, key=str)),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def kept_generators() -> Iterator[None]:
    """Python's and NumPy's generators, from which others draw too, go on afterwards where they were."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
