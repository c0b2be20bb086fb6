import pytest
from torch import nn

import dropnorm as dn
from dropnorm import nn as own

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d)


def layers(model, *types):
    return [path for path, module in model.named_modules() if isinstance(module, types)]


def lines(plan):
    return [line.strip() for line in str(plan).splitlines()]


def test_inputs_are_dropped_value_by_value(models):
    for name in ("mlp", "LeNet", "Named", "Residual"):
        new = dn.regularize(getattr(models, name)(), dropout=None, batch_norm=False, input_dropout=0.1).apply()
        (path,) = layers(new, *DROPOUTS)
        assert type(new.get_submodule(path)) is own.Dropout
        assert path in ("0", "conv1.dropout", "fc1.dropout", "stem.dropout")


def test_an_input_dropout_that_is_there_gets_the_rate():
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    assert [m.p for m in dn.regularize(net, input_dropout=0.1).apply() if isinstance(m, nn.Dropout)] == [0.1, 0.2]
    assert [m.p for m in dn.regularize(net).apply() if isinstance(m, nn.Dropout)] == [0.5, 0.2]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Transformer", "x: no input dropout: it is embedded, and indices cannot be dropped."),
        ("Recurrent", "x: no input dropout: no layer takes it alone. Put a Dropout into the forward."),
        (
            "Stepwise",
            "the model: no input dropout: its forward cannot be traced. Put a Dropout into it where x comes in.",
        ),
    ],
)
def test_inputs_that_cannot_be_dropped(models, name, reason):
    plan = dn.regularize(getattr(models, name)(), input_dropout=0.1)
    assert reason in lines(plan)
