"""The kinds of nets that a study can train: batched ones, and those of a user's factory, one at a time."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dropnorm.study.data.encoding import Encoding
from dropnorm.study.data.parts import Parts
from dropnorm.study.design import NETS_PER_BLOCK, NetPlan, plan_blocks
from dropnorm.study.keras.architecture import KerasArchitecture
from dropnorm.study.modules.architecture import ModuleArchitecture, call_factory
from dropnorm.study.modules.arms import check_arms
from dropnorm.study.modules.check import look_over
from dropnorm.study.modules.factory import is_factory
from dropnorm.study.modules.nets import ModuleNets
from dropnorm.study.modules.tensors import seeded
from dropnorm.study.nets.architecture import Architecture, image_of, shape_nets
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.nets.objective import Objective
from dropnorm.study.records import StudyConfig
from dropnorm.study.training.adam import Adam
from dropnorm.study.training.protocols import DifferentiableNets, Kind, Steps
from dropnorm.study.training.steps import steps_of
from dropnorm.surgery.dispatch import is_keras
from dropnorm.surgery.modules.restoring import kept_generators

AnyArchitecture = Architecture | ModuleArchitecture | KerasArchitecture


def shape_of_nets(encoding: Encoding, config: StudyConfig) -> AnyArchitecture:
    """The nets that a configuration asks for on data of this encoding.

    Raises:      DataError, ArgumentError, ArgumentTypeError for nets that do not fit the data, or a factory that fails.
    """
    if not is_factory(config.net):
        return shape_nets(encoding, config)
    image, channels_last = image_of(encoding)
    given = ModuleArchitecture(
        factory=config.net,
        features=encoding.features,
        outputs=encoding.outputs,
        image=image,
        channels_last=channels_last,
    )
    with kept_generators(), seeded(0, "cpu"):
        made = call_factory(given)
    # On Keras's torch backend its models are modules too.
    if is_keras(made):
        from dropnorm.study.keras.arms import check_arms as check_keras_arms
        from dropnorm.study.keras.check import look_over as look_over_keras

        of_keras = look_over_keras(given, config, len(encoding.classes))
        check_keras_arms(of_keras, config.arms)
        return of_keras
    architecture = look_over(given, config.device)
    check_arms(architecture, config.arms)
    return architecture


def kind_of(architecture: AnyArchitecture) -> Kind:
    """How the nets of an architecture are trained."""
    if isinstance(architecture, Architecture):
        return BatchedKind(architecture)
    if isinstance(architecture, KerasArchitecture):
        from dropnorm.study.keras.kind import KerasKind

        return KerasKind(architecture)
    return ModuleKind(architecture)


def blocks_of(plans: Sequence[NetPlan], kind: Kind, batch_size: int) -> tuple[tuple[NetPlan, ...], ...]:
    """Nets that train together."""
    return plan_blocks(plans, batch_size * kind.largest, kind.together)


class _TorchKind:
    """What the kinds share whose gradients torch computes."""

    framework: str | None = None

    def optimizer(
        self,
        nets: DifferentiableNets,
        learning_rates: Sequence[float],
        moments: Mapping[str, Mapping[str, Tensor]] | None,
        steps: int,
    ) -> Adam:
        """Adam for all of them."""
        return Adam(nets.parameters, learning_rates, moments, steps)

    def steps(
        self,
        nets: DifferentiableNets,
        parts: Parts,
        seeds: Tensor,
        objective: Objective,
        optimizer: Adam | None = None,
    ) -> Steps:
        """The fastest that these nets can have."""
        return steps_of(nets, parts, seeds, objective, optimizer)


class BatchedKind(_TorchKind):
    """The study's own nets, many as one."""

    together = NETS_PER_BLOCK

    def __init__(self, architecture: Architecture) -> None:
        self.architecture, self.largest = architecture, architecture.largest

    def initial(self, plans: Sequence[NetPlan], device: torch.device | str) -> BatchedNets:
        """The nets of a block before training."""
        return BatchedNets.initial(plans, self.architecture, device)


class ModuleKind(_TorchKind):
    """A user's own modules, one at a time."""

    together = 1

    def __init__(self, architecture: ModuleArchitecture) -> None:
        self.architecture, self.largest = architecture, architecture.largest

    def initial(self, plans: Sequence[NetPlan], device: torch.device | str) -> ModuleNets:
        """The net of one plan before training."""
        return ModuleNets.initial(plans, self.architecture, device)
