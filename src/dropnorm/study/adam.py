"""Adam's steps on named tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adam import adam

MOMENTS = ("exp_avg", "exp_avg_sq")


class Adam:
    """torch's fused Adam, without what torch.optim.Adam does around each step, which for small nets takes as long as the step.

    Source:      Kingma & Ba 2015, arXiv:1412.6980, with betas (0.9, 0.999) and eps 1e-8, torch's defaults
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        learning_rate: float,
        moments: Mapping[str, Mapping[str, Tensor]] | None = None,
        steps: int = 0,
    ) -> None:
        self.parameters, self.learning_rate = parameters, learning_rate
        self.moments: Mapping[str, Mapping[str, Tensor]] = moments or {
            moment: {name: torch.zeros_like(parameter) for name, parameter in parameters.items()} for moment in MOMENTS
        }
        self._steps = [torch.tensor(float(steps), device=parameter.device) for parameter in parameters.values()]

    @torch.no_grad()
    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """Change the parameters by their gradients."""
        adam(
            list(self.parameters.values()),
            [gradients[name] for name in self.parameters],
            [self.moments["exp_avg"][name] for name in self.parameters],
            [self.moments["exp_avg_sq"][name] for name in self.parameters],
            [],
            self._steps,
            fused=True,
            foreach=False,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
