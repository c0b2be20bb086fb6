"""The net of a saved model outside of its study: made anew, given its weights, and called on standardized features."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor

from dropnorm import nn
from dropnorm.study.keras.architecture import KerasArchitecture
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.arms import rebuilt
from dropnorm.study.modules.tensors import load_tensors, module_tensors
from dropnorm.study.nets.activations import ACTIVATIONS
from dropnorm.study.nets.architecture import KERNEL, Architecture
from dropnorm.study.records import Arm, TaskName
from dropnorm.study.training.kinds import AnyArchitecture
from dropnorm.surgery.mc_predict import MonteCarlo, mc_predict
from dropnorm.surgery.modules.masking import dropout_layers

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


class SavedNets(Protocol):
    """What is done with the saved nets of an architecture."""

    def build(self, arm: Arm, rate: float) -> Any:
        """A net of an arm as a user would write it, in inference mode, whose weights are still to come."""

    def tensors(self, net: Any) -> dict[str, Tensor]:
        """All its weights by name."""

    def load(self, net: Any, tensors: Mapping[str, Tensor]) -> None:
        """Write them back.

        Raises:      RuntimeError if they are not those of the net.
        """

    def load_trained(self, net: Any, tensors: Mapping[str, Tensor]) -> None:
        """Write the weights as they are named and shaped where the study trained them."""

    def outputs(self, net: Any, features: Tensor) -> Tensor:
        """Outputs (rows, outputs) of standardized features (rows, features), as an `Objective` takes them."""

    def drops(self, net: Any) -> bool:
        """Whether it has a dropout whose masks could be sampled."""

    def sampled(self, net: Any, features: Tensor, samples: int, task: TaskName, key: int) -> MonteCarlo[Any]:
        """What so many passes with dropout on say of standardized features."""


def saved_nets(architecture: AnyArchitecture) -> SavedNets:
    """What is done with nets of this architecture."""
    if isinstance(architecture, Architecture):
        return _OfLayers(architecture)
    if isinstance(architecture, KerasArchitecture):
        from dropnorm.study.keras.saved import SavedKerasNets

        return SavedKerasNets(architecture)
    return _OfModule(architecture)


class _Torch:
    """What all do whose net is a module of torch."""

    def tensors(self, net: torch.nn.Module) -> dict[str, Tensor]:
        return module_tensors(net)

    def load(self, net: torch.nn.Module, tensors: Mapping[str, Tensor]) -> None:
        load_tensors(net, dict(tensors))

    def outputs(self, net: torch.nn.Module, features: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([net(chunk) for chunk in torch.split(features, _ROWS_AT_ONCE)])

    def drops(self, net: torch.nn.Module) -> bool:
        return bool(dropout_layers(net))

    def sampled(
        self, net: torch.nn.Module, features: Tensor, samples: int, task: TaskName, key: int
    ) -> MonteCarlo[Any]:
        return mc_predict(net, features, samples, task=task, key=key)


class _OfModule(_Torch):
    """A user's own module, behind what makes images of rows where it takes them."""

    def __init__(self, architecture: ModuleArchitecture) -> None:
        self.architecture = architecture

    def build(self, arm: Arm, rate: float) -> torch.nn.Sequential:
        shape = self.architecture
        return torch.nn.Sequential(*_to_images(shape), rebuilt(shape, arm, rate)).eval()

    def load_trained(self, net: torch.nn.Sequential, tensors: Mapping[str, Tensor]) -> None:
        load_tensors(net[-1], dict(tensors))


class _OfLayers(_Torch):
    """One of the study's own nets, taken out of its batch."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture

    def build(self, arm: Arm, rate: float) -> torch.nn.Sequential:
        shape = self.architecture
        modules: list[torch.nn.Module] = [nn.Dropout(arm.input_dropout)] if arm.input_dropout else []
        dropping = [rate if arm.where == "hidden" else 0.0] * (shape.dropping_layers - 1) + [rate]
        modules += _to_images(shape) if shape.convolutions else []
        for (inputs, outputs), image in zip(shape.convolutions, shape.images, strict=False):
            modules.append(torch.nn.Conv2d(inputs, outputs, KERNEL, padding=KERNEL // 2, bias=not arm.batch_norm))
            modules += [nn.BatchNorm2d(outputs)] if arm.batch_norm else []
            modules.append(ACTIVATIONS[shape.activation].module())
            modules += [torch.nn.MaxPool2d(2)] if min(image[1:]) > 1 else []
            own = dropping.pop(0)
            modules += [nn.Dropout2d(own)] if own else []
        modules += [torch.nn.Flatten()] if shape.convolutions else []
        *hidden, output = pairwise(shape.widths)
        for inputs, outputs in hidden:
            modules.append(torch.nn.Linear(inputs, outputs, bias=not arm.batch_norm))
            modules += [nn.BatchNorm1d(outputs)] if arm.batch_norm else []
            modules.append(ACTIVATIONS[shape.activation].module())
            own = dropping.pop(0)
            modules += [nn.Dropout(own)] if own else []
        return torch.nn.Sequential(*modules, torch.nn.Linear(*output)).eval()

    def load_trained(self, net: torch.nn.Sequential, tensors: Mapping[str, Tensor]) -> None:
        state = dict(net.state_dict())
        layer = -1
        for name, module in net.named_children():
            kind = next((kind for types, kind in _KINDS if isinstance(module, types)), None)
            layer += kind in ("linear", "conv")
            for key, tensor in tensors.items():
                number, part, entry = key.split(".")
                if (int(number), part) == (layer, kind):
                    state[f"{name}.{entry}"] = _transposed(tensor) if (part, entry) == ("linear", "weight") else tensor
        net.load_state_dict(state)


def _transposed(weight: Tensor) -> Tensor:
    """A batched net multiplies from the left, (in, out); torch's Linear keeps (out, in)."""
    return weight.T.contiguous()


def _to_images(shape: Architecture | ModuleArchitecture) -> list[torch.nn.Module]:
    """Rows as images (rows, channels, height, width), if they are."""
    if shape.image is None:
        return []
    channels, height, width = shape.image
    if shape.channels_last:
        return [torch.nn.Unflatten(1, (height, width, channels)), ChannelsFirst()]
    return [torch.nn.Unflatten(1, shape.image)]
