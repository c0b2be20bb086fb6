"""How models are trained: batches, optimizers, checkpoints."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import dropnorm as dn
from dropnorm import nn as own


def net(norm=None):
    return nn.Sequential(nn.Linear(8, 16, bias=False), norm or nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))


def test_each_rate_of_decay_is_told_once_with_its_count():
    model = net()
    groups = [
        {"params": [model[1].weight, model[1].bias], "weight_decay": 0.1},
        {"params": [model[3].weight, model[3].bias]},
    ]
    found = dn.audit(model, optimizer=torch.optim.SGD(groups, lr=0.1, weight_decay=0.2), select="DN221").findings
    assert [(each.values["decay"], each.values["count"]) for each in found] == [(0.1, 2), (0.2, 1)]
    assert dn.audit(model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), select="DN22").codes == ()


def test_convolutions_have_as_many_values_as_positions():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    assert dn.audit(model, torch.randn(1, 3, 6, 6), select="DN22").codes == ()
    (finding,) = dn.audit(model, torch.randn(2, 3, 4, 4), select="DN22").findings
    assert finding.values["count"] == 2 * 2 * 2


def test_the_count_and_its_error():
    (finding,) = dn.audit(net(), torch.randn(9, 8), select="DN223").findings
    assert finding.values == {"count": 9, "error": 0.5}


def test_frozen_batch_norms_and_ours_with_running_statistics_take_single_rows():
    frozen = net()
    frozen(torch.randn(32, 8))
    frozen[1].eval()
    assert dn.audit(frozen, torch.randn(1, 8), select="DN22").codes == ()
    assert dn.audit(net(own.BatchNorm1d(16, singleton="running")), torch.randn(1, 8), select="DN22").codes == ()
    assert dn.audit(net(own.BatchNorm1d(16)), torch.randn(1, 8), select="DN22").codes == ("DN222",)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_the_momentum_that_counts_once_when_it_is_used_twice(use_reentrant):
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.block = nn.Linear(8, 8), net(nn.BatchNorm1d(16, momentum=0.19))

        def forward(self, x):
            return checkpoint(self.block, self.stem(x), use_reentrant=use_reentrant)

    model = Checkpointed()
    (finding,) = dn.audit(model, torch.randn(32, 8), select="DN225").findings
    assert finding.path == "block.1"
    assert finding.values["momentum"] == pytest.approx(0.1)
    # And twice it is, by torch itself.
    model(torch.randn(32, 8)).sum().backward()
    assert int(model.block[1].num_batches_tracked) == 2


def test_pretrained_counts_are_no_accumulation():
    model = net()
    optimizer = torch.optim.Adam(model.parameters())
    model[1].num_batches_tracked.fill_(100_003)
    for _ in range(10):
        model(torch.randn(32, 8)).sum().backward()
        optimizer.step()
    assert dn.audit(model, optimizer=optimizer, select="DN226").codes == ()
