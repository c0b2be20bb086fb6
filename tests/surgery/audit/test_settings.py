"""Settings of layers, and dropout that is called as a function, in every way that it can be called."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropnorm as dn


class Calls(nn.Module):
    """A forward that drops as this function does."""

    def __init__(self, drop):
        super().__init__()
        self.first, self.out, self.drop = nn.Linear(8, 8), nn.Linear(8, 2), drop

    def forward(self, x):
        return self.out(self.drop(self, self.first(x)))


def attention(dropout_p):
    return lambda _, x: F.scaled_dot_product_attention(*[x.view(1, -1, 8)] * 3, dropout_p=dropout_p).view(-1, 8)


ALWAYS = {
    "by default": lambda _, x: F.dropout(x, 0.3),
    "by name": lambda _, x: F.dropout(x, p=0.3, training=True),
    "by position": lambda _, x: F.dropout(x, 0.3, True),
    "torch's own": lambda _, x: torch.dropout(x, 0.3, True),
    "torch's own by name": lambda _, x: torch.dropout(x, p=0.3, train=True),
    "alpha": lambda _, x: F.alpha_dropout(x, 0.3, training=True),
    "attention": attention(0.3),
}
NEVER = {
    "as told by the mode": lambda self, x: F.dropout(x, 0.3, self.training),
    "named, as told by the mode": lambda self, x: F.dropout(x, training=self.training),
    "alpha by default": lambda _, x: F.alpha_dropout(x, 0.3),
    "rate 0": lambda _, x: F.dropout(x, 0.0),
    "attention, as told by the mode": lambda self, x: attention(0.3 if self.training else 0.0)(self, x),
    "a layer": lambda _, x: x,
}


@pytest.mark.parametrize("name", ALWAYS)
def test_dropout_that_stays_on(name):
    for batch in (None, torch.randn(32, 8)):
        (finding,) = dn.audit(Calls(ALWAYS[name]), batch, select="DN12").findings
        assert (finding.code, finding.values["p"]) == ("DN123", 0.3)


@pytest.mark.parametrize("name", NEVER)
def test_dropout_that_goes_off(name):
    for batch in (None, torch.randn(32, 8)):
        assert dn.audit(Calls(NEVER[name]), batch, select="DN12").codes == ()


def test_rates_of_functions_count_too():
    assert dn.audit(Calls(lambda self, x: F.dropout(x, 1.0, self.training))).codes == ("DN124",)
    assert dn.audit(Calls(lambda self, x: F.dropout(x, 0.9, self.training))).codes == ("DN125",)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"momentum": 0.9}, ("DN121",)),
        ({"momentum": 0.99, "eps": 1e-3}, ("DN121",)),
        ({"momentum": 0.01, "eps": 1e-3}, ()),
        ({"eps": 1e-3}, ("DN122",)),
        ({"eps": 1e-6}, ()),
        ({"momentum": None}, ()),
        ({"momentum": 0.99, "track_running_stats": False}, ()),
    ],
)
def test_conventions(arguments, expected):
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4, **arguments), nn.ReLU(), nn.Linear(4, 2))
    assert dn.audit(model).codes == expected


def test_a_rate_on_the_border_is_allowed():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.7), nn.Linear(4, 2))
    assert dn.audit(model).codes == ()
