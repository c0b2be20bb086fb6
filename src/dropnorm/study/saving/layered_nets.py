"""The study's own nets outside of it: called as one batch, or made anew as one would write them with torch's modules."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from dropnorm import nn
from dropnorm.study.data.parts import Parts
from dropnorm.study.data.standardization import Standardization, StandardizedFeatures
from dropnorm.study.design import NetPlan
from dropnorm.study.modules.architecture import FactoryArchitecture
from dropnorm.study.nets.activations import ACTIVATIONS
from dropnorm.study.nets.architecture import KERNEL, Architecture
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.records import Arm, TaskName
from dropnorm.study.training.steps import steps_of
from dropnorm.surgery.mc_predict import Sampling, sample_passes

_NUMBERS_AT_ONCE = 1 << 22  # of one layer, all nets together: 16 MiB, which stays in memory that is warm
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


class SavedLayeredNets:
    """Dense or convolutional nets of a study, with the tensors of `BatchedNets`."""

    def __init__(self, architecture: Architecture, arm: Arm, rate: float, tensors: Mapping[str, Tensor]) -> None:
        self.architecture, self.arm, self.rate, self.tensors = architecture, arm, rate, tensors
        with torch.device("meta"):
            net = build_net(architecture, arm, rate)
        shapes = {name: tuple(tensor.shape) for name, tensor in batched_tensors(net, net.state_dict()).items()}
        if shapes != {name: tuple(tensor.shape[1:]) for name, tensor in tensors.items()}:
            raise RuntimeError("the tensors are those of other nets")
        if any(tensor.dtype != torch.float32 for tensor in tensors.values()):
            raise RuntimeError("the tensors are not of float32")

    @cached_property
    def nets(self) -> tuple[torch.nn.Sequential, ...]:
        """Each net as a torch.nn.Sequential with a copy of its weights."""
        count = len(next(iter(self.tensors.values())))
        return tuple(
            _filled(
                build_net(self.architecture, self.arm, self.rate),
                {name: tensor[place] for name, tensor in self.tensors.items()},
            )
            for place in range(count)
        )

    @property
    def drops(self) -> bool:
        """Whether the nets have a dropout whose masks could be sampled."""
        return self.rate > 0.0 or self.arm.input_dropout > 0.0

    def outputs(self, features: np.ndarray, standardizations: Sequence[Standardization]) -> Tensor:
        """Outputs (nets, rows, outputs) of features (rows, features), all nets in one batch of matrix products."""
        running = {name: tensor for name, tensor in self.tensors.items() if ".running_" in name}
        parameters = {name: tensor for name, tensor in self.tensors.items() if name not in running}
        plans = [NetPlan(place, self.arm, place, self.rate) for place in range(len(standardizations))]
        nets = BatchedNets(plans, self.architecture, parameters, running)
        if not len(features):
            return torch.empty(nets.nets, 0, self.architecture.outputs)
        # The targets of rows to be predicted are not known; outputs do not depend on them.
        targets, of_nets = torch.zeros(len(features), dtype=torch.int64), torch.arange(nets.nets)
        parts = Parts(
            StandardizedFeatures.of_new_rows(features, standardizations), targets, torch.ones(nets.nets), splits=()
        )
        steps = steps_of(nets, parts, of_nets, OBJECTIVES["classification"])
        at_once = max(1, _NUMBERS_AT_ONCE // (nets.nets * self.architecture.largest))
        rows = torch.arange(len(features)).expand(nets.nets, -1)
        return torch.cat([steps.outputs(some.contiguous()) for some in torch.split(rows, at_once, dim=1)], dim=1)

    def sampling(self, place: int, features: np.ndarray, task: TaskName, key: int) -> Sampling:
        """The passes with dropout on of one net over standardized features."""
        return sample_passes(self.nets[place], torch.from_numpy(features), task=task, key=key)


def build_net(shape: Architecture, arm: Arm, rate: float) -> torch.nn.Sequential:
    """A net of an arm as one would write it with torch's modules, in inference mode."""
    modules: list[torch.nn.Module] = [nn.Dropout(arm.input_dropout)] if arm.input_dropout else []
    dropping = [rate if arm.where == "hidden" else 0.0] * (shape.dropping_layers - 1) + [rate]
    modules += to_images(shape) if shape.convolutions else []
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


def to_images(shape: Architecture | FactoryArchitecture) -> list[torch.nn.Module]:
    """The modules that make images (rows, channels, height, width) of rows, if they are some."""
    if shape.image is None:
        return []
    channels, height, width = shape.image
    if shape.channels_last:
        return [torch.nn.Unflatten(1, (height, width, channels)), ChannelsFirst()]
    return [torch.nn.Unflatten(1, shape.image)]


def batched_tensors(net: torch.nn.Sequential, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of such a net by the names and in the shapes of `BatchedNets`.

    Raises:      KeyError if the state is that of another net.
    """
    return {batched: _transposed(batched, state[own]) for own, batched in _names(net).items()}


def _filled(net: torch.nn.Sequential, tensors: Mapping[str, Tensor]) -> torch.nn.Sequential:
    """The net with the tensors of one net of `BatchedNets`."""
    net.load_state_dict(net.state_dict() | {own: _transposed(name, tensors[name]) for own, name in _names(net).items()})
    return net


def _names(net: torch.nn.Sequential) -> dict[str, str]:
    """For each name of the net's own state its name in `BatchedNets`, which counts the layers that have weights."""
    names: dict[str, str] = {}
    layer = -1
    for place, module in net.named_children():
        kind = next((kind for types, kind in _KINDS if isinstance(module, types)), None)
        layer += kind in ("linear", "conv")
        entries = [entry for entry in module.state_dict() if entry != "num_batches_tracked"]
        names |= {f"{place}.{entry}": f"{layer}.{kind}.{entry}" for entry in entries}
    return names


def _transposed(name: str, tensor: Tensor) -> Tensor:
    """A batched net multiplies from the left, (in, out); torch's Linear keeps (out, in)."""
    return tensor.T.contiguous() if name.endswith("linear.weight") else tensor
