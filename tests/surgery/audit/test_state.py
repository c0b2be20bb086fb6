"""What batch norms have learned, and modes: above all where no alarm must be."""

import pytest
import torch
from torch import nn

import dropnorm as dn


def net(**arguments):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(8, 32, bias=False), nn.BatchNorm1d(32, **arguments), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 3)
    )


def codes(model, batch=None):
    return dn.audit(model, batch, select="DN20").codes


@pytest.mark.parametrize("seed", range(10))
def test_a_batch_of_the_same_data_is_near(seed):
    """Whatever its size: of so few rows the noise is allowed for. Seeds are fixed."""
    generator = torch.Generator().manual_seed(seed)
    model = net()
    for _ in range(60):
        model(torch.randn(64, 8, generator=generator))
    for rows in (4, 16, 64, 512):
        assert codes(model, torch.randn(rows, 8, generator=generator)) == ()


@pytest.mark.parametrize(("scale", "offset"), [(5.0, 0.0), (0.1, 0.0), (1.0, 5.0)])
def test_a_batch_of_other_data_is_far(scale, offset):
    model = net()
    for _ in range(60):
        model(torch.randn(64, 8))
    found = dn.audit(model, torch.randn(256, 8) * scale + offset, select="DN203")
    assert found.codes == ("DN203",)
    ratio = found.findings[0].values["ratio"]
    assert ratio == pytest.approx(scale**2, rel=0.3)


def test_new_models_and_batch_statistics_are_no_faults():
    assert codes(net(), torch.randn(64, 8)) == ()
    assert codes(net(track_running_stats=False).eval(), torch.randn(64, 8)) == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_bad_statistics_are_counted(value):
    model = net()
    model(torch.randn(64, 8))
    model[1].running_var[3:5] = value
    (finding,) = dn.audit(model, torch.randn(64, 8), select="DN20").findings
    assert (finding.code, finding.values) == ("DN202", {"count": 2, "channels": 32})


def test_a_frozen_backbone_is_meant():
    model = nn.Sequential(net(), nn.BatchNorm1d(3))
    model(torch.randn(64, 8))
    model[0].requires_grad_(False)
    model[0].eval()
    assert codes(model) == ()
    model[0].requires_grad_(True)
    assert codes(model) == ("DN205",)


def test_a_teacher_of_frozen_parameters_alone_is_not_trained():
    model = net()
    model(torch.randn(64, 8))
    assert codes(model.requires_grad_(False)) == ()


def test_a_dropout_of_a_frozen_part_is_meant():
    part = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 8), nn.ReLU())
    model = nn.Sequential(part, nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    part.eval()
    assert codes(model) == ("DN205",)
    part.requires_grad_(False)
    assert codes(model) == ()
