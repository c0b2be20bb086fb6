import pytest
import torch

from dropnorm import nn
from dropnorm.errors import ArgumentError, ShapeError, SurgeryError
from dropnorm.random import keep_mask
from dropnorm.surgery.modules.masking import dropout_layers, masked_passes

KEY, ROWS, SAMPLES = 5, torch.arange(3, 7), torch.tensor([0, 2])
INDICES = torch.tensor([sample * 2**32 + row for sample in (0, 2) for row in range(3, 7)])


def run(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    with masked_passes(model, KEY) as passes:
        return passes(x, ROWS, SAMPLES)


def chosen(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x[ROWS]] * 2)


@pytest.mark.parametrize("layer", [torch.nn.Dropout(0.3), nn.Dropout(0.3), torch.nn.Dropout(0.3, inplace=True)])
def test_units_are_dropped_by_the_contract(layer):
    x = torch.randn(9, 2, 5)
    mask = keep_mask(torch.tensor(KEY), INDICES, 10, [0.3]).view(8, 2, 5)
    torch.testing.assert_close(run(torch.nn.Sequential(layer), x).flatten(0, 1), chosen(x) * mask / 0.7)


@pytest.mark.parametrize("layer", [torch.nn.Dropout2d(0.5), nn.Dropout2d(0.5)])
def test_channels_are_dropped_by_the_contract(layer):
    x = torch.randn(9, 6, 2, 3)
    mask = keep_mask(torch.tensor(KEY), INDICES, 6, [0.5])[:, :, None, None]
    torch.testing.assert_close(run(torch.nn.Sequential(layer), x).flatten(0, 1), chosen(x) * mask / 0.5)


@pytest.mark.parametrize("channelwise", [False, True])
def test_a_fused_block_is_batch_norm_frozen_and_dropout_on(channelwise):
    block = nn.BatchNormActDropout1d(4, p=0.5, channelwise=channelwise)
    block.running_mean.normal_()
    x = torch.randn(9, 4, 3)
    outputs = run(block, x).flatten(0, 1)
    mask = keep_mask(torch.tensor(KEY), INDICES, 4 if channelwise else 12, [0.5])
    mask = mask[:, :, None] if channelwise else mask.view(8, 4, 3)
    torch.testing.assert_close(outputs, block.eval()(chosen(x)) * mask / 0.5)
    assert block.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("layer", "columns"), [(torch.nn.AlphaDropout(0.3), 12), (torch.nn.FeatureAlphaDropout(0.3), 4)]
)
def test_alpha_dropout_is_torchs_but_for_the_mask(layer, columns):
    x = torch.randn(9, 4, 3)
    outputs = run(torch.nn.Sequential(layer), x).flatten(0, 1)
    mask = keep_mask(torch.tensor(KEY), INDICES, columns, [0.3]).view(8, 4, -1).expand(8, 4, 3)
    # Of torch's own output the map is read off: what it does to kept units, and where it puts dropped ones.
    ones = layer.train()(torch.ones(500, 4, 1)).flatten().unique()
    twos = layer(torch.full((500, 4, 1), 2.0)).flatten().unique()
    assert len(ones) == len(twos) == 2
    dropped, scale = ones[0], twos[1] - ones[1]
    torch.testing.assert_close(outputs, torch.where(mask, scale * chosen(x) + ones[1] - scale, dropped))


def test_a_layer_called_twice_draws_twice():
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = torch.nn.Dropout(0.5)

        def forward(self, x):
            return torch.stack([self.drop(x), self.drop(x)], dim=1)

    with masked_passes(Twice(), KEY) as passes:
        outputs = [passes(torch.ones(9, 5), ROWS, SAMPLES).flatten(0, 1) for _ in range(2)]
    assert torch.equal(*outputs)
    for site in range(2):
        mask = keep_mask(torch.tensor(KEY), INDICES, 5, [0.5], site=site)
        assert torch.equal(outputs[0][:, site] != 0, mask)


def test_the_model_is_as_it_was():
    model = torch.nn.Sequential(
        torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(4), torch.nn.Sequential(torch.nn.Dropout(0.5))
    )
    model[1].eval()
    model[2].requires_grad_(False)
    modes = [module.training for module in model.modules()]
    assert sorted(set(modes)) == [False, True]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    run(model, torch.randn(9, 4))
    with pytest.raises(SurgeryError, match="expected 2D or 3D input"), masked_passes(model, KEY) as passes:
        passes(torch.randn(9), ROWS, SAMPLES)
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_dropout_layers_are_found_by_their_paths():
    model = torch.nn.ModuleDict(
        {"a": torch.nn.Dropout(0.5), "b": torch.nn.Sequential(nn.Dropout2d(0.1)), "c": nn.Dropout(0.0)}
    )
    assert list(dropout_layers(model)) == ["a", "b.0"]


def test_what_cannot_be_masked(refuses):
    message = (
        "model has no dropout layer with p above 0: expected one, whose masks are what is sampled. Put a torch.nn.Dropout or "
        "dropnorm.nn.Dropout in, and train the model with it."
    )
    for model in (torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.Dropout(0.0))):
        with refuses(ArgumentError, message):
            run(model, torch.randn(9, 2))
    message = (
        "the batch norm '1' keeps no running statistics (track_running_stats=False): expected some, since samples must not "
        "depend on the rows beside them. Train it with running statistics."
    )
    with refuses(ArgumentError, message):
        run(
            torch.nn.Sequential(torch.nn.Dropout(), torch.nn.BatchNorm1d(2, track_running_stats=False)),
            torch.randn(9, 2),
        )
    message = (
        "the dropout '1' got the shape (2, 8): expected (8, *), the samples along the first dimension. Move the batch there "
        "(batch_first=True) to sample this model."
    )

    class Transposed(torch.nn.Module):
        def forward(self, x):
            return x.T

    with refuses(ShapeError, message):
        run(torch.nn.Sequential(Transposed(), torch.nn.Dropout()), torch.randn(9, 2))


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1]], ids=len)
def test_what_comes_before_the_first_dropout_is_computed_once(rows):
    rows_seen = []
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 4))
    for layer in (model[0], model[2]):
        layer.register_forward_hook(lambda _, arguments, __: rows_seen.append(len(arguments[0])))
    with masked_passes(model, KEY) as passes:
        passes(torch.randn(9, 4), rows, SAMPLES)
    assert rows_seen == [len(rows), 2 * len(rows)]


class Around(torch.nn.Module):
    """A value from before the first dropout meets one from behind it."""

    def __init__(self, sized):
        super().__init__()
        self.first, self.drop, self.out, self.sized = (
            torch.nn.Linear(4, 4),
            nn.Dropout(0.5),
            torch.nn.Linear(4, 2),
            sized,
        )

    def forward(self, x):
        y = self.first(x)
        dropped = self.drop(y)
        return self.out(dropped.view(len(x), -1) if self.sized else y + dropped)


@pytest.mark.parametrize("sized", [False, True])
def test_a_forward_that_cannot_share_gets_all_rows(sized):
    model, x = Around(sized), torch.randn(9, 4)
    y = model.first(chosen(x))
    dropped = y * keep_mask(torch.tensor(KEY), INDICES, 4, [0.5]) / 0.5
    torch.testing.assert_close(run(model, x).flatten(0, 1), model.out(dropped if sized else y + dropped))


def test_dropouts_that_are_not_called_or_drop_by_themselves(refuses):
    class Unused(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = torch.nn.Dropout(0.5)

        def forward(self, x):
            return torch.nn.functional.dropout(x, self.drop.p, self.training)

    class Always(torch.nn.Dropout):
        def forward(self, x):
            return torch.nn.functional.dropout(x, self.p, training=True)

    message = (
        "no dropout layer of the model is called in its forward pass: expected one, whose masks are what is sampled. Call it "
        "as a layer, not as F.dropout."
    )
    with refuses(ArgumentError, message):
        run(Unused(), torch.randn(9, 2))
    message = (
        "the dropout '0' is of the class Always, with a forward of its own: expected a layer of torch's or dropnorm's, "
        "since nothing else must drop. Put a torch.nn.Dropout in its place."
    )
    with refuses(ArgumentError, message):
        run(torch.nn.Sequential(Always(0.5)), torch.randn(9, 2))
