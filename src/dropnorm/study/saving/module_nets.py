"""The modules of a user's own factory outside of their study, called one after the other."""

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from dropnorm.study.data.standardization import Standardization
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.arms import rebuilt
from dropnorm.study.modules.tensors import load_tensors
from dropnorm.study.records import Arm, TaskName
from dropnorm.study.saving.layered_nets import to_images
from dropnorm.surgery.mc_predict import Sampling, sample_passes
from dropnorm.surgery.modules.masking import dropout_layers


class SavedModuleNets:
    """Modules of one factory, with an arm's layers in them, each behind what makes images of rows where it takes them."""

    def __init__(self, architecture: ModuleArchitecture, arm: Arm, rate: float, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors
        # The factory's code is run, and its net looked over, but once.
        made = rebuilt(architecture, arm, rate)
        nets = []
        for place in range(len(next(iter(tensors.values())))):
            module = copy.deepcopy(made)
            load_tensors(module, {name: tensor[place] for name, tensor in tensors.items()})
            nets.append(torch.nn.Sequential(*to_images(architecture), module).eval())
        self._nets = tuple(nets)

    @cached_property
    def nets(self) -> tuple[torch.nn.Sequential, ...]:
        """A copy of each module, with a copy of its weights."""
        return copy.deepcopy(self._nets)

    @property
    def drops(self) -> bool:
        """Whether the modules have a dropout whose masks could be sampled."""
        return bool(dropout_layers(self._nets[0]))

    @torch.no_grad()
    def outputs(self, features: np.ndarray, standardizations: Sequence[Standardization]) -> Tensor:
        """Outputs (nets, rows, outputs) of features (rows, features)."""
        inputs = (torch.from_numpy(standardization.apply(features)) for standardization in standardizations)
        return torch.stack([net(x) for net, x in zip(self._nets, inputs, strict=True)])

    def sampling(self, place: int, features: np.ndarray, task: TaskName, key: int) -> Sampling:
        """The passes with dropout on of one module over standardized features."""
        return sample_passes(self.nets[place], torch.from_numpy(features), task=task, key=key)
