"""An engineer's question: can I swap torch's layers in a model that I have, and keep its weights?"""

import torch

from dropnorm import nn


def build(layers) -> torch.nn.Sequential:
    """The same net from torch's layers or from dropnorm's."""
    return torch.nn.Sequential(
        torch.nn.Linear(20, 64, bias=False),
        layers.BatchNorm1d(64),
        torch.nn.ReLU(),
        layers.Dropout(0.2),
        torch.nn.Linear(64, 2),
    )


theirs, ours = build(torch.nn).eval(), build(nn).eval()
ours.load_state_dict(theirs.state_dict())
x = torch.randn(5, 20)
print("same outputs:", torch.allclose(ours(x), theirs(x)))

ours.train()
torch.manual_seed(0)
eager = ours(x)
torch.manual_seed(0)
again = ours(x)
print("same masks from the same seed:", torch.equal(eager, again))
