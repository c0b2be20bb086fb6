"""The variance shift that is predicted is the one that is measured, on a trained network too."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from dropnorm.surgery.audit.measuring import measure
from dropnorm.surgery.audit.shift import Squares


def digits():
    data = load_digits()
    return torch.tensor(data.data, dtype=torch.float32) / 16, torch.tensor(data.target)


def trained(model, x, y, steps=150):
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        chosen = torch.randint(0, len(x), (64,))
        F.cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


NETS = {
    "before the layer before": lambda p: (
        nn.Sequential(
            *(
                nn.Linear(64, 64),
                nn.ReLU(),
                nn.Dropout(p),
                nn.Linear(64, 64),
                nn.BatchNorm1d(64),
                nn.ReLU(),
                nn.Linear(64, 10),
            )
        ),
        "4",
    ),
    "right before": lambda p: (
        nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(p), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10)),
        "3",
    ),
    "before a convolution": lambda p: (
        nn.Sequential(
            *(
                nn.Unflatten(1, (1, 8, 8)),
                nn.Conv2d(1, 8, 3),
                nn.ReLU(),
                nn.Dropout(p),
                nn.Conv2d(8, 16, 3, padding=1, groups=2),
            ),
            *(nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, 10)),
        ),
        "5",
    ),
    "before a flattening": lambda p: (
        nn.Sequential(
            *(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Dropout(p), nn.Flatten()),
            *(nn.Linear(8 * 36, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10)),
        ),
        "6",
    ),
}


@pytest.mark.parametrize("p", [0.2, 0.5])
@pytest.mark.parametrize("name", NETS)
def test_predicted_and_measured_agree_on_a_trained_network(name, p):
    """Within 0.1 for every channel that varies, within 0.02 for the mean channel.

    The measured variance is of 4 masks of 1024 rows: its relative standard error is sqrt(2 / 4096) = 2 % of normal values, some
    times that of units that are rarely above 0; tens of channels average to less. The seed is fixed.
    """
    model, path = NETS[name](p)
    x, y = digits()
    trained(model, x, y)
    (shift,) = measure(model, list(x[:1024].split(256))).shifts
    assert shift.path == path
    varying = shift.measured > 1e-3
    torch.testing.assert_close(shift.predicted[varying], shift.measured[varying], rtol=0, atol=0.1)
    assert float(shift.predicted[varying].mean()) == pytest.approx(float(shift.measured[varying].mean()), abs=0.02)
    assert float(shift.measured[varying].mean()) < 0.95


def test_of_one_unit_it_is_the_ratio_of_li_et_al():
    """v / ((c^2 + v) / keep - c^2), with c and v of these rows."""
    c, v, keep = torch.tensor([0.0, 1.0, -3.0]), torch.tensor([1.0, 0.25, 2.0]), 0.6
    x = torch.randn(20_000, 3) * v.sqrt() + c
    model = nn.Sequential(nn.Dropout(1 - keep), nn.BatchNorm1d(3))
    (shift,) = measure(model, [x]).shifts
    mean, var = x.double().mean(0), x.double().var(0, correction=0)
    expected = var / ((mean.square() + var) / keep - mean.square())
    torch.testing.assert_close(shift.predicted, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(shift.measured, expected, rtol=0, atol=0.03)


def test_where_no_prediction_is_made():
    channels = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Dropout2d(0.5), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    (shift,) = measure(channels, [torch.randn(64, 3, 4, 4)]).shifts
    assert shift.predicted is None
    assert float(shift.measured.mean()) < 0.9
    without = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.BatchNorm1d(4))
    (shift,) = measure(without, [torch.randn(64, 4)]).shifts
    assert shift.predicted is None
    torch.testing.assert_close(shift.measured, torch.ones(4, dtype=torch.float64))


def test_squares_of_parts_and_of_another_shape():
    x, squares = torch.randn(10, 3), Squares()
    assert squares.mean is None
    for part in (*x.split(4), torch.randn(2, 5)):
        squares.add(part)
    torch.testing.assert_close(squares.mean, x.double().square().mean(0))
