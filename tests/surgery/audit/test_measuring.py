import torch
from torch import nn

import dropnorm as dn
from dropnorm.surgery.audit.measuring import ROWS, measure


def test_differences_of_modes_are_in_units_of_the_outputs_spread():
    """A batch norm with running statistics of another scale: outputs in inference are those of training, doubled."""
    model = nn.Sequential(nn.BatchNorm1d(4, eps=1e-12, affine=False))
    batch = torch.randn(64, 4)
    model[0].running_mean.copy_(batch.mean(0))
    model[0].running_var.copy_(batch.var(0, correction=0) / 4)
    found = measure(model, [batch])
    torch.testing.assert_close(torch.tensor([found.whole, found.dropped]), torch.tensor([0.5, 0.0]), rtol=0, atol=1e-5)


def test_dropout_of_a_linear_model_explains_what_it_does():
    """The mean of k masks is off by sqrt(p / (1 - p) / k) times the root mean square of what is dropped: here 0.5."""
    found = measure(nn.Sequential(nn.Dropout(0.5)), [torch.randn(512, 16)])
    for part in (found.whole, found.dropped):
        # 8192 values, each with a variance below 4: nine standard errors, false alarm below 1e-18.
        assert abs(part - 0.5) < 9 * 2 / (2 * 0.5 * 8192**0.5)


def test_units_that_never_act_are_found_in_vectors_images_and_sequences():
    images = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU())
    nn.init.constant_(images[0].weight, 1.0)
    images[0].bias.data.copy_(torch.tensor([0.0, -99.0, 99.0]))
    (units,) = measure(images, [torch.randn(50, 1, 2, 2)]).units
    assert (units.path, units.alive.tolist()) == ("1", [True, False, True])
    sequences = nn.Sequential(nn.Linear(1, 3), nn.ReLU())
    sequences.load_state_dict({"0.weight": images[0].weight.data.view(3, 1), "0.bias": images[0].bias.data})
    (units,) = measure(sequences, [torch.randn(50, 7, 1)]).units
    assert units.alive.tolist() == [True, False, True]


def test_a_large_loader_is_looked_at_in_part():
    taken = []

    class Loader:
        def __iter__(self):
            for number in range(100):
                taken.append(number)
                yield torch.randn(300, 4)

    assert measure(nn.Sequential(nn.BatchNorm1d(4)), Loader()).rows == 1200 >= ROWS
    assert len(taken) == 4


def test_units_of_channels_are_told_from_those_of_features():
    model = nn.Sequential(nn.Conv1d(1, 3, 1), nn.BatchNorm1d(3), nn.ReLU())
    model[0].bias.data.copy_(torch.tensor([0.0, -99.0, 99.0]))
    for batches in ([torch.randn(50, 1, 7)], [torch.randn(50, 1, 7), torch.randn(50, 1, 9)]):
        (units,) = measure(model, batches).units
        assert units.alive.tolist() == [True, False, True]


def test_fused_layers_are_measured_as_what_they_are_made_of():
    """Running statistics that are far off must not count as an effect of dropout; dead units are seen."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))
    model[1].running_mean.fill_(0.5)
    model[1].running_var.fill_(9.0)
    model[1].bias.data[:4] = -50.0
    apart, fused = (measure(each, [torch.randn(512, 8)]) for each in (model, dn.fuse(model).model))
    assert apart.units[0].alive.tolist() == fused.units[0].alive.tolist() == [False] * 4 + [True] * 4
    assert 0 < apart.dropped < 0.3
    assert 0 < fused.dropped < 0.3
    assert min(apart.whole, fused.whole) > 1


def test_a_last_batch_of_one_row_is_passed_over():
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    assert measure(model, [torch.randn(64, 8), torch.randn(1, 8)]).rows == 64
    alone = measure(model, [torch.randn(1, 8)])
    assert (alone.rows, alone.whole, alone.dropped) == (0, 0.0, 0.0)


def test_batches_of_one_image_have_a_spread():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
    images = [torch.randn(1, 3, 8, 8) for _ in range(20)]
    for _ in range(5):
        for each in images:
            model(each)
    assert measure(model, images).whole < 1
