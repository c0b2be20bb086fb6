"""A model as one module of torch, from features that are not yet standardized to the mean of its nets."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dropnorm.study.data.standardization import FARTHEST
from dropnorm.study.records import TaskName
from dropnorm.study.saving.description import Member


class AveragedNets(nn.Module):
    """The mean of several nets, each on features standardized in its own way.

    Equation:    mean over nets of softmax(net(x)), or of net(x) * target_scale + target_mean, of x = (features - mean) / scale
                 cut at 10^6, and 0 where a feature is NaN
    Shape:       (rows, features), NaN where a value is missing, as `SavedModel.features` gives them -> (rows, classes)
                 probabilities, or (rows,) quantities in float64
    State:       nets: the modules; mean, scale (nets, features) and target_mean, target_scale (nets,): buffers in float64
    """

    mean: Tensor
    scale: Tensor
    target_mean: Tensor
    target_scale: Tensor

    def __init__(self, nets: Sequence[nn.Module], members: Sequence[Member], task: TaskName) -> None:
        super().__init__()
        self.nets, self.task = nn.ModuleList(nets), task
        for name in ("mean", "scale", "target_mean", "target_scale"):
            values = [getattr(member, name) for member in members]
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64))

    def forward(self, features: Tensor) -> Tensor:
        """The mean of what the nets say of each row."""
        predictions = [self._prediction(place, net, features) for place, net in enumerate(self.nets)]
        return torch.stack(predictions).mean(dim=0)

    def _prediction(self, place: int, net: nn.Module, features: Tensor) -> Tensor:
        standardized = ((features.double() - self.mean[place]) / self.scale[place]).clamp(-FARTHEST, FARTHEST)
        outputs: Tensor = net(standardized.nan_to_num(nan=0.0).float())
        if self.task == "classification":
            return outputs.softmax(dim=1)
        return outputs[:, 0].double() * self.target_scale[place] + self.target_mean[place]
