"""Running statistics against a two-pass computation in float64, whatever the batches; and all as it was after an error."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import dropnorm as dn
from dropnorm import nn as own
from dropnorm.errors import ArgumentError, ArgumentTypeError, NonFiniteError, SurgeryError


class Residual(nn.Module):
    """Two batch norms side by side, one behind both, and one that is called behind it."""

    def __init__(self):
        super().__init__()
        self.left, self.left_norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.right, self.right_norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, momentum=None)
        self.norm, self.drop = nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.last = own.BatchNormActDropout1d(4, activation="silu")
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        x = F.relu(self.left_norm(self.left(x))) + self.right_norm(self.right(x))
        x = self.drop(F.relu(self.norm(x)))
        return self.out(self.last(x.mean((2, 3))))

    def names(self):
        return ["left_norm", "right_norm", "norm", "last"]


def two_pass(model, x):
    """Set the statistics of one batch norm after the other from all rows at once, in float64."""
    model = copy.deepcopy(model).double().eval()
    for name in model.names():
        seen = []
        norm = model.get_submodule(name)
        hook = norm.register_forward_pre_hook(lambda _, arguments, seen=seen: seen.append(arguments[0]))
        model(x.double())
        hook.remove()
        dims = [0, *range(2, seen[0].ndim)]
        norm.running_mean.copy_(seen[0].mean(dims))
        norm.running_var.copy_(seen[0].var(dims))
    return model


@pytest.mark.parametrize("sizes", [[50], [20, 20, 10], [49, 1]])
@torch.no_grad()
def test_statistics_are_those_of_a_two_pass_computation(sizes):
    model, x = Residual(), 3 * torch.randn(50, 3, 5, 5) + 5
    expected = two_pass(model, x).state_dict()
    report = dn.recalibrate(model, list(x.split(sizes)))
    for name, value in model.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-5)
    assert (report.passes, report.rows, report.not_reached) == (3, 50, ())
    assert {each.path: (each.level, each.values) for each in report.layers} == {
        "left_norm": (0, 1250),
        "right_norm": (0, 1250),
        "norm": (1, 1250),
        "last": (2, 50),
    }
    assert model.training
    assert int(model.norm.num_batches_tracked) == len(sizes)


def test_the_report_says_how_far_the_old_ones_were_off():
    model = nn.Sequential(nn.BatchNorm1d(3))
    model[0].running_mean.fill_(1.0)
    model[0].running_var.fill_(4.0)
    x = torch.randn(4000, 3)
    report = dn.recalibrate(model, [x])
    (layer,) = report.layers
    assert layer.mean_shift == pytest.approx(0.5, abs=0.05)
    assert layer.variance_ratio == pytest.approx(0.25, abs=0.03)
    lines = str(report).splitlines()
    assert lines[0].split() == ["batch", "norm", "mean", "off", "by", "variance", "is"]
    assert lines[1].split()[0] == "0"
    assert lines[2] == "4000 rows, 1 pass"
    again = dn.recalibrate(model, [x]).layers[0]
    assert again.mean_shift < 1e-6
    assert again.variance_ratio == pytest.approx(1.0, abs=1e-3)


def test_part_of_the_way_by_momentum():
    model, x = nn.Sequential(nn.BatchNorm1d(2)), torch.randn(100, 2) + 4
    dn.recalibrate(model, [x], momentum=0.25)
    torch.testing.assert_close(model[0].running_mean, 0.25 * x.mean(0))
    torch.testing.assert_close(model[0].running_var, 0.75 + 0.25 * x.var(0))


def test_labels_masks_and_loaders():
    x, mask = torch.randn(40, 3, 6), torch.rand(40, 6) > 0.3

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = own.BatchNorm1d(3)

        def forward(self, x, mask):
            return self.norm(x, mask=mask)

    model = Masked()
    dn.recalibrate(model, DataLoader(TensorDataset(x, mask, torch.zeros(40)), batch_size=16))
    kept = x.movedim(1, -1)[mask]
    torch.testing.assert_close(model.norm.running_mean, kept.mean(0))
    torch.testing.assert_close(model.norm.running_var, kept.var(0))


def test_a_batch_norm_that_is_not_reached_stays():
    class Sometimes(nn.Module):
        def __init__(self):
            super().__init__()
            self.always, self.large, self.never = nn.BatchNorm1d(2), nn.BatchNorm1d(2), nn.BatchNorm1d(2)

        def forward(self, x):
            x = self.always(x)
            return self.large(x) if len(x) > 10 else x

    model, x = Sometimes(), torch.randn(5, 2)
    report = dn.recalibrate(model, [x, torch.randn(20, 2)])
    assert report.not_reached == ("never",)
    assert {each.path: each.values for each in report.layers} == {"always": 25, "large": 20}
    assert "never: no batch came to it." in str(report)


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        (
            [torch.randn(4, 3, 5, 5), torch.full((4, 3, 5, 5), float("nan"))],
            NonFiniteError,
            "comes to the batch norm 'left_norm'",
        ),
        ([torch.randn(4, 3, 5, 5), torch.randn(4, 2, 5, 5)], SurgeryError, "batches cannot be given to Residual"),
        ([torch.randn(4, 2, 5, 5)], SurgeryError, "batches cannot be given to Residual"),
        ([], SurgeryError, "batches is empty"),
        (iter([torch.randn(4, 3, 5, 5)]), ArgumentTypeError, "cannot be gone through several times"),
    ],
)
def test_after_an_error_all_is_as_it_was(batches, error, message):
    model = Residual()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(error, match=message):
        dn.recalibrate(model, batches)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert model.training


def test_arguments_that_make_no_sense():
    with pytest.raises(ArgumentError, match="no batch norm with running statistics"):
        dn.recalibrate(
            nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)), [torch.randn(4, 2)]
        )
    with pytest.raises(ArgumentError, match=r"momentum=1\.5 is not a probability"):
        dn.recalibrate(Residual(), [], momentum=1.5)


def test_a_batch_norm_behind_what_cannot_be_followed_is_measured_later():
    class ThroughNumpy(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.BatchNorm1d(8), nn.BatchNorm1d(8)

        def forward(self, x):
            return self.second(torch.from_numpy(2 * self.first(x).detach().numpy()))

    model = ThroughNumpy()
    report = dn.recalibrate(model, [5 * torch.randn(64, 8) + 3])
    assert report.passes == 2
    torch.testing.assert_close(model.second.running_var, torch.full((8,), 4.0), rtol=1e-4, atol=0)


def test_a_batch_norm_that_counts_nothing():
    model, x = nn.Sequential(nn.BatchNorm1d(8)), torch.randn(64, 8)
    model[0].num_batches_tracked = None
    dn.recalibrate(model, [x])
    torch.testing.assert_close(model[0].running_mean, x.mean(0))


def test_a_way_that_only_later_batches_take_counts():
    class Longer(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.last = nn.BatchNorm1d(2), nn.BatchNorm1d(2), nn.BatchNorm1d(2)

        def forward(self, x):
            return self.last(self.second(self.first(x)) if len(x) > 10 else x)

    model, batches = Longer(), [5 * torch.randn(4, 2) + 3, 5 * torch.randn(20, 2) + 3]
    report = dn.recalibrate(model, batches)
    assert {each.path: each.level for each in report.layers} == {"first": 0, "second": 1, "last": 2}
    for each in dn.recalibrate(model, batches).layers:
        assert each.mean_shift < 1e-5
        assert each.variance_ratio == pytest.approx(1.0, abs=0.06)  # 19 / 20: biased over unbiased


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_batch_norm_behind_a_scripted_module_is_measured_later():
    scripted = torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.ReLU()))
    model, x = nn.Sequential(nn.BatchNorm1d(8), scripted, nn.BatchNorm1d(8)), 5 * torch.randn(64, 8) + 3
    assert dn.recalibrate(model, [x]).passes == 2
    expected = model.eval()[1](model[0](x)).mean(0)
    torch.testing.assert_close(model[2].running_mean, expected, rtol=1e-4, atol=1e-5)
