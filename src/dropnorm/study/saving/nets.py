"""The nets of a saved model outside of their study: called together on features, or made anew as a user would write them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from dropnorm.study.data.standardization import Standardization
from dropnorm.study.keras.architecture import KerasArchitecture
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.records import Arm, TaskName
from dropnorm.study.saving.layered_nets import SavedLayeredNets, batched_tensors, build_net, to_images
from dropnorm.study.saving.module_nets import SavedModuleNets
from dropnorm.study.training.kinds import AnyArchitecture
from dropnorm.surgery.mc_predict import Sampling


class SavedNets(Protocol):
    """Nets of one arm and rate, whose tensors have a leading dimension for the net, as where the study trained them."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """All their weights by name."""

    @property
    def nets(self) -> tuple[Any, ...]:
        """Each net as a user would write it, in inference mode, with a copy of its weights; it takes standardized features."""

    @property
    def drops(self) -> bool:
        """Whether the nets have a dropout whose masks could be sampled."""

    def outputs(self, features: np.ndarray, standardizations: Sequence[Standardization]) -> Tensor:
        """Outputs (nets, rows, outputs), as an `Objective` takes them, of features (rows, features) not yet standardized."""

    def sampling(self, place: int, features: np.ndarray, task: TaskName, key: int) -> Sampling:
        """The passes with dropout on of the net at this place over standardized features, whose outcomes are of all classes."""


def saved_nets(architecture: AnyArchitecture, arm: Arm, rate: float, tensors: Mapping[str, Tensor]) -> SavedNets:
    """The nets that have these tensors.

    Raises:      RuntimeError if the tensors are not those of such nets; RunError if a factory makes others than it did.
    """
    if isinstance(architecture, Architecture):
        if architecture.dropping_layers >= len(tensors):
            raise RuntimeError("the tensors are those of fewer layers")
        return SavedLayeredNets(architecture, arm, rate, tensors)
    if isinstance(architecture, KerasArchitecture):
        from dropnorm.study.keras.saved import SavedKerasNets

        return SavedKerasNets(architecture, arm, rate, tensors)
    return SavedModuleNets(architecture, arm, rate, tensors)


def tensors_of_single_net(
    architecture: AnyArchitecture, arm: Arm, rate: float, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The weights that an older dropnorm kept, of a single net and by its own names, as those of a batch of one.

    Raises:      KeyError if the state is that of another net.
    """
    if isinstance(architecture, Architecture):
        # Of a size that only its description says, so that no memory is taken before the two are compared.
        with torch.device("meta"):
            net = build_net(architecture, arm, rate)
        tensors = batched_tensors(net, state)
    elif isinstance(architecture, KerasArchitecture):
        tensors = dict(state)
    else:
        prefix = f"{len(to_images(architecture))}."
        tensors = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return {name: tensor[None] for name, tensor in tensors.items()}
