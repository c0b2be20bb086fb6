import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropnorm as dn
from dropnorm import nn as own

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)


def has(model, types):
    return any(isinstance(module, types) for module in model.modules())


@pytest.mark.parametrize("where", ["auto", "last"])
def test_it_undoes_regularize_to_the_bit(model, sample_of, where):
    sample = sample_of(model)
    before = dn.remove(model, sample=sample).apply()
    new = dn.regularize(before, where=where, sample=sample).apply()
    back = dn.remove(new, sample=sample).apply()
    assert repr(back) == repr(before)
    assert back.state_dict().keys() == before.state_dict().keys()
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in back.state_dict().items())


def test_either_alone(models):
    new = dn.regularize(models.LeNet()).apply()
    without_dropout = dn.remove(new, batch_norm=False).apply()
    assert (has(without_dropout, DROPOUTS), has(without_dropout, NORMS)) == (False, True)
    assert without_dropout.conv1.layer.bias is None
    without_norm = dn.remove(new, dropout=False).apply()
    assert (has(without_norm, DROPOUTS), has(without_norm, NORMS)) == (True, False)
    assert isinstance(without_norm.conv1, nn.Conv2d)
    assert without_norm.conv1.bias is not None


def test_the_given_model_is_untouched(models):
    net = models.Regularized()
    before = copy.deepcopy(net)
    dn.remove(net).apply()
    assert repr(net) == repr(before)


class Called(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.drop = nn.Dropout2d()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.drop(F.relu(self.bn(self.conv(x)))).mean((2, 3)))


def test_what_is_called_by_name_becomes_the_identity_and_the_bias_is_the_batch_norms():
    net = Called()
    with torch.no_grad():
        net.bn.bias.copy_(torch.arange(4.0))
    plan = dn.remove(net)
    new = plan.apply()
    assert type(new.bn) is type(new.drop) is nn.Identity
    assert torch.equal(new.conv.bias, torch.arange(4.0))
    x = torch.randn(5, 3, 2, 2)
    expected = net.fc(F.relu(net.conv(x) + torch.arange(4.0)[:, None, None]).mean((2, 3)))
    torch.testing.assert_close(new(x), expected)
    assert str(plan).splitlines()[0] == "Called: 2 layers removed, 1 bias given back"


def test_fused_modules_keep_what_is_not_removed():
    net = nn.Sequential(nn.Linear(4, 8, bias=False), own.BatchNormActDropout1d(8, p=0.3), nn.Linear(8, 2))
    assert [type(layer) for layer in dn.remove(net).apply()] == [nn.Linear, nn.ReLU, nn.Linear]
    kept = dn.remove(net, dropout=False).apply()
    assert [type(layer) for layer in kept] == [nn.Linear, nn.ReLU, own.Dropout, nn.Linear]
    assert kept[0].bias is not None
    kept = dn.remove(net, batch_norm=False).apply()
    assert (type(kept[1]), kept[1].p) == (own.BatchNormActDropout1d, 0.0)


def test_no_bias_where_none_is_missed_or_the_layer_is_not_known():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 2, bias=False))
    new = dn.remove(net).apply()
    assert [type(layer) for layer in new] == [nn.Linear, nn.ReLU, nn.Linear]
    assert new[2].bias is None

    class Choosing(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.bn, self.b = nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 2)

        def forward(self, x):
            x = self.bn(self.a(x))
            return self.b(x if x.sum() > 0 else -x)

    plan = dn.remove(Choosing())
    assert type(plan.apply().bn) is nn.Identity
    assert "bn: removed, but the layer before it is not known, and stays without bias if it has none." in str(plan)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4, bias=False), own.BatchNormActDropout1d(4))
        self.same = self.block
        self.drop = self.also = nn.Dropout()

    def forward(self, x):
        return self.drop(self.block(self.also(x)))


def test_what_has_two_names_is_gone_under_both():
    new = dn.remove(Twice()).apply()
    assert type(new.drop) is type(new.also) is nn.Identity
    assert new.block is new.same
    assert [type(layer) for layer in new.block] == [nn.Linear, nn.ReLU]
