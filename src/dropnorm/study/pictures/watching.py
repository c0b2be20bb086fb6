"""What reaches the units of two nets while they learn: one without batch norm, and one with."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dropnorm.study.conclusions.pairs import batch_norm_pair
from dropnorm.study.data.parts import Parts
from dropnorm.study.design import NetPlan, plan_nets
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.pictures.measuring import validation_sample
from dropnorm.study.pictures.records import UnitInput
from dropnorm.study.records import StudyConfig
from dropnorm.study.training.kinds import AnyArchitecture
from dropnorm.study.training.protocols import Nets

SEED = 0
PERCENTILES = (15, 50, 85)
EVERY_EPOCH_UNTIL = 32


class UnitWatch:
    """Measures the input of one unit's activation in each hidden layer, in those nets of seed 0 that are watched.

    Watched are the two arms that show best what batch norm does; none if no arm has batch norm and one like it has not. The
    unit is chosen before training, so that no unit is shown because its picture is: in a plain net of seed 0, as it is drawn,
    its input spreads over the rows as the median unit's of the layer does.
    Source:      Ioffe & Szegedy 2015, arXiv:1502.03167, figure 1, where the percentiles are of a sigmoid's input.
    """

    def __init__(self, parts: Parts, architecture: AnyArchitecture, config: StudyConfig) -> None:
        pair = batch_norm_pair(config.arms)
        self.nets: set[int] = set()
        if pair is None or not isinstance(architecture, Architecture):
            return
        plans = [plan for plan in plan_nets(config) if plan.seed == SEED]
        self.nets = {next(plan.net for plan in plans if plan.arm == arm) for arm in pair}
        self.rows = validation_sample(parts, [SEED], architecture)
        plain = next(plan for plan in plans if not plan.arm.batch_norm)
        initial = BatchedNets.initial([plain], architecture, self.rows.device)
        self.units = [_typical(inputs[0]) for inputs, _ in initial.hidden(self.rows)]

    def measure(self, nets: Nets, plans: Sequence[NetPlan], epoch: int) -> list[UnitInput]:
        """The percentiles after this epoch of those of the nets that are watched, in inference mode.

        Late epochs are as good as measured if some of them are: from 32 on, about 16 while their number doubles.
        """
        if epoch % max(1, epoch // EVERY_EPOCH_UNTIL * 2) != 0:
            return []
        positions = [position for position, plan in enumerate(plans) if plan.net in self.nets]
        if not positions:
            return []
        own = [plans[position] for position in positions]
        watched = nets.of(own, {name: tensor.detach()[positions] for name, tensor in nets.tensors().items()})
        assert isinstance(watched, BatchedNets)
        inputs = [
            inputs[:, self._spread(inputs.shape[1]), self.units[layer]]
            for layer, (inputs, _) in enumerate(watched.hidden(self.rows.expand(len(own), -1, -1)))
        ]
        # Of a net that has run away, whatever is left is told as infinity.
        percentiles = torch.nan_to_num(_quantiles(torch.stack(inputs)), nan=torch.inf, posinf=torch.inf).tolist()
        return [
            UnitInput(net=plan.net, epoch=epoch, layer=layer, unit=unit, low=low, median=median, high=high)
            for layer, unit in enumerate(self.units)
            for plan, low, median, high in zip(own, *(one[layer] for one in percentiles), strict=True)
        ]

    def _spread(self, values: int) -> Tensor | slice:
        """One value of each row: of a convolution, whose rows have a value per place, at places that move on row by row."""
        rows = self.rows.shape[1]
        if values == rows:
            return slice(None)
        return torch.linspace(0, values - 1, rows, dtype=torch.float64, device=self.rows.device).long()


def _typical(inputs: Tensor) -> int:
    """The unit with the median spread of inputs (values, units)."""
    low, _, high = _quantiles(inputs.T)
    order = torch.argsort(high - low, stable=True)
    return int(order[len(order) // 2])


def _quantiles(values: Tensor) -> Tensor:
    """The percentiles along the last dimension, as a new first one."""
    shares = torch.tensor(PERCENTILES, dtype=values.dtype, device=values.device) / 100
    return torch.quantile(values, shares, dim=-1)
