"""An engineer's question: does dropout or batch norm help the network that I have?"""

import torch
from torch import Tensor, nn

import dropnorm as dn


class Residual(nn.Module):
    """Two layers, and a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the layers make of x to x."""
        return x + self.second(torch.relu(self.first(x)))


def residual(features: int, outputs: int) -> nn.Module:
    """Make the network anew, for one seed of one arm; the study gives what it asks for by name."""
    return nn.Sequential(nn.Linear(features, 32), nn.ReLU(), Residual(32), nn.Linear(32, outputs))


# A small study, to be quick; the defaults are 10 seeds and 100 epochs.
study = dn.run_study("breast_cancer", net=residual, arms=["dropout", "batch_norm"], dropout=0.2, seeds=2, epochs=5)
print(study.verdict)
for arm in study.summary.arms:
    print(f"{arm.arm:12} {100 * arm.test_score.mean:.1f} %")

# What it advises: the mean of these, the network trained once per seed, with what its arm put in.
print(study.model.nets[0])
