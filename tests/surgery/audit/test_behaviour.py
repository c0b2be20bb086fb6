"""What a model does with data: alarms by measure, and none for what dropout, noise or a new model explains."""

import pytest
import torch
from torch import nn

import dropnorm as dn


def loader(rows=64, batches=16):
    return [torch.randn(rows, 8) for _ in range(batches)]


def net(p=0.0):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(p), nn.Linear(32, 3))


def settled(model, batches):
    for batch in batches * 4:
        model(batch)
    return model


@pytest.mark.parametrize("rows", [8, 32, 128])
@pytest.mark.parametrize("p", [0.0, 0.5, 0.9])
def test_modes_differ_by_dropout_and_noise_alone(p, rows):
    batches = loader(rows)
    assert dn.audit(settled(net(p), batches), loader=batches, select="DN301").codes == ()


def test_modes_differ_by_statistics_of_other_data():
    model = settled(net(0.5), [3 * batch + 1 for batch in loader()])
    (finding,) = dn.audit(model, loader=loader(), select="DN301").findings
    assert finding.values["gap"] > finding.values["dropped"]


def test_a_new_model_is_not_trained_yet():
    assert dn.audit(net(0.5), loader=loader(), select="DN301").codes == ()


@pytest.mark.parametrize(("dead", "expected"), [(0, ()), (3, ()), (4, ("DN302",)), (32, ("DN302",))])
def test_a_tenth_of_the_units_is_too_much(dead, expected):
    model = net()
    with torch.no_grad():
        model[1].bias[:dead] = -99.0
    found = dn.audit(model, loader=loader(), select="DN302")
    assert found.codes == expected
    assert all(finding.values["dead"] == dead for finding in found.findings)


def test_few_rows_say_nothing_on_death():
    model = net()
    nn.init.constant_(model[1].bias, -99.0)
    assert dn.audit(model, loader=loader(rows=10, batches=9), select="DN302").codes == ()


def test_the_shift_of_usual_rates_is_no_alarm_and_that_of_high_ones_is():
    def model(p):
        torch.manual_seed(0)
        behind = nn.Sequential(nn.Linear(32, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
        return nn.Sequential(*net(p)[:4], *behind)

    assert dn.audit(model(0.2), loader=loader(), select="DN303").codes == ()
    (finding,) = dn.audit(model(0.5), loader=loader(), select="DN303").findings
    assert finding.path == "5"
    assert "are predicted" in finding.seen
