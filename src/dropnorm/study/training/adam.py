"""Adam's steps on named tensors."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dropnorm.kernels import training

MOMENTS = ("exp_avg", "exp_avg_sq")
BETAS = (0.9, 0.999)
EPS = 1e-8


class Adam:
    """torch.optim.Adam, without what it does around each step, which for small nets takes longer than the step itself.

    Args:        parameters: (nets, *); learning_rates: of each net
    Source:      Kingma & Ba 2015, arXiv:1412.6980
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        learning_rates: Sequence[float],
        moments: Mapping[str, Mapping[str, Tensor]] | None = None,
        steps: int = 0,
    ) -> None:
        self.parameters, self.learning_rates, self.steps = parameters, list(learning_rates), steps
        self.moments: Mapping[str, Mapping[str, Tensor]] = moments or {
            moment: {name: torch.zeros_like(parameter) for name, parameter in parameters.items()} for moment in MOMENTS
        }

    def slow_down(self, nets: Tensor, share: float) -> None:
        """Let some nets, by truth values (nets,), learn at a share of their rates."""
        self.learning_rates = [
            rate * share if slower else rate for rate, slower in zip(self.learning_rates, nets.tolist(), strict=True)
        ]

    @torch.no_grad()
    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """Change the parameters by their gradients."""
        self.steps += 1
        training.adam(
            list(self.parameters.values()),
            [gradients[name] for name in self.parameters],
            [self.moments["exp_avg"][name] for name in self.parameters],
            [self.moments["exp_avg_sq"][name] for name in self.parameters],
            self.learning_rates if len(set(self.learning_rates)) > 1 else self.learning_rates[:1],
            BETAS,
            EPS,
            self.steps,
        )
