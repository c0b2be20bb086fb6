import torch
from torch import nn

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
