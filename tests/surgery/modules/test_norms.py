import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropnorm as dn

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)


def layers(model, *types):
    return [path for path, module in model.named_modules() if isinstance(module, types)]


def lines(plan):
    return [line.strip() for line in str(plan).splitlines()]


def test_gates_are_no_activations(models):
    assert dn.regularize(models.Gated()).edits == ()


def test_tied_weights_stay_tied(models):
    net = models.Tied()
    new = dn.regularize(net).apply()
    assert new.encode.layer.weight is new.decode.layer.weight
    assert new.encode.layer.weight is not net.encode.weight
    assert len(layers(new, *NORMS)) == 2


def test_a_tied_bias_stays(models):
    net = models.mlp()
    net[2].bias = net[0].bias
    new = dn.regularize(net).apply()
    assert new[0].bias is new[4].bias
    assert torch.equal(new[1].bias, torch.zeros(8))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 4)
        self.mlp = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x):
        return self.mlp(self.embed(x)).mean(1)


def test_a_linear_on_sequences_gets_no_batch_norm():
    plan = dn.regularize(Tokens())
    assert layers(plan.apply(), *NORMS) == []
    reason = "mlp.0: no batch norm: its input {} more than the two dimensions (N, features) of BatchNorm1d."
    assert f"{reason.format('may have')} Give a batch as sample=." in str(plan)
    plan = dn.regularize(Tokens(), sample=torch.randint(0, 9, (3, 5)))
    assert layers(plan.apply(), *NORMS) == []
    assert reason.format("has") in str(plan)
    plan = dn.regularize(Tokens().mlp, sample=torch.randn(3, 5, 4))
    assert layers(plan.apply(), *NORMS) == []


def test_a_batch_norm_after_the_activation_is_one():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 2))
    plan = dn.regularize(net)
    assert plan.edits == ()
    assert "2: batch norm is there already, after an activation, and kept." in lines(plan)


def test_a_parametrized_weight_is_not_normalized(models):
    net = models.mlp()
    nn.utils.parametrizations.weight_norm(net[0])
    plan = dn.regularize(net)
    assert "0: no batch norm: its weight has a parametrization, which the batch norm would undo." in lines(plan)
    assert layers(plan.apply(), *NORMS) == ["4"]


def test_a_layer_of_two_names_is_not_normalized(models):
    net = models.mlp()
    net.append(net[0])
    assert "0: no batch norm: it is the same module as 5, and its uses have statistics of their own." in lines(
        dn.regularize(net)
    )


class Output(nn.Module):
    """Gives away what comes before the activation."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = self.a(x)
        return x, self.b(F.relu(x))


def test_what_is_an_output_too_stays_what_it_is():
    assert layers(dn.regularize(Output()).apply(), *NORMS) == []


@pytest.mark.parametrize(
    ("reshape", "known"),
    [
        (lambda x: x.flatten(1), True),
        (lambda x: torch.flatten(x, start_dim=1), True),
        (lambda x: x.view(x.shape[0], -1), True),
        (lambda x: x.view(x.shape[0], 2, -1), False),
        (lambda x: x.flatten(2), False),
        (lambda x: x, False),
    ],
)
def test_reshapes_after_which_features_are_known_to_come_last_but_one(reshape, known):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.a, self.b = nn.Conv2d(1, 1, 1), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.b(F.relu(self.a(reshape(F.relu(self.conv(x))))))

    assert isinstance(getattr(dn.regularize(Net(), dropout=None).apply().a, "norm", None), NORMS) is known
