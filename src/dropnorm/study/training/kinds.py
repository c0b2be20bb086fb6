"""The kinds of nets that a study can train: batched ones, and those of a user's factory, one at a time."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from dropnorm.study.data.encoding import Encoding
from dropnorm.study.design import NETS_PER_BLOCK, NetPlan, plan_blocks
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.arms import check_arms
from dropnorm.study.modules.check import look_over
from dropnorm.study.modules.factory import is_factory
from dropnorm.study.modules.nets import ModuleNets
from dropnorm.study.nets.architecture import Architecture, image_of, shape_nets
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.records import StudyConfig

AnyArchitecture = Architecture | ModuleArchitecture


class Nets(Protocol):
    """What the trainer asks of the nets of a block, whose tensors have a leading dimension for the net."""

    parameters: dict[str, Tensor]

    def of(self, plans: Sequence[NetPlan], tensors: dict[str, Tensor]) -> "Nets":
        """Nets of the same kind with these tensors."""

    def tensors(self) -> dict[str, Tensor]:
        """Everything that makes the nets."""

    def gradients(self, x: Tensor, keys: Tensor, of_outputs: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """One training pass: the gradient of each parameter."""

    def outputs(self, x: Tensor) -> Tensor:
        """Outputs in inference mode."""

    def decay(self, learning_rate: float) -> None:
        """Shrink the weights before a step."""

    def constrain(self) -> None:
        """Limit the weights after a step."""


def shape_of_nets(encoding: Encoding, config: StudyConfig) -> AnyArchitecture:
    """The nets that a configuration asks for on data of this encoding.

    Raises:      DataError, ArgumentError, ArgumentTypeError for nets that do not fit the data, or a factory that fails.
    """
    if not is_factory(config.net):
        return shape_nets(encoding, config)
    image, channels_last = image_of(encoding)
    architecture = look_over(
        ModuleArchitecture(
            factory=config.net,
            features=encoding.features,
            outputs=encoding.outputs,
            image=image,
            channels_last=channels_last,
        ),
        config.device,
    )
    check_arms(architecture, config.arms)
    return architecture


def blocks_of(
    plans: Sequence[NetPlan], architecture: AnyArchitecture, batch_size: int
) -> tuple[tuple[NetPlan, ...], ...]:
    """Nets that train together; those of a factory train one by one."""
    together = 1 if isinstance(architecture, ModuleArchitecture) else NETS_PER_BLOCK
    return plan_blocks(plans, batch_size * architecture.largest, together)


def initial_nets(plans: Sequence[NetPlan], architecture: AnyArchitecture, device: torch.device | str) -> Nets:
    """The nets of a block before training."""
    if isinstance(architecture, ModuleArchitecture):
        return ModuleNets.initial(plans, architecture, device)
    return BatchedNets.initial(plans, architecture, device)
