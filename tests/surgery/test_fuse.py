"""A fused model is the model: outputs, gradients, running statistics, state dicts; what cannot be fused is told."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropnorm as dn
from dropnorm import nn as own
from dropnorm.errors import ArgumentTypeError


def settled(model):
    """With batch norms that have something to say."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return model


def dense(p=0.0):
    return settled(
        nn.Sequential(
            *(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Dropout(p)),
            *(nn.Linear(16, 16), nn.BatchNorm1d(16, momentum=None), nn.LeakyReLU(0.2)),
            *(nn.Linear(16, 16), nn.BatchNorm1d(16, affine=False), nn.Dropout(p), nn.Linear(16, 3)),
        )
    )


def images(p=0.0):
    return settled(
        nn.Sequential(
            *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Dropout2d(p)),
            *(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(2), nn.Dropout(p)),
            *(nn.Flatten(), nn.Linear(16, 3)),
        )
    )


SAMPLES = {dense: (32, 6), images: (8, 3, 8, 8)}


@pytest.mark.parametrize("make", SAMPLES)
def test_training_and_inference_are_those_of_the_model(make):
    model, x = make(), torch.randn(SAMPLES[make])
    fused = dn.fuse(model, sample=x).model
    for one in (model, fused):
        one.train()(x).square().mean().backward()
    for (name, theirs), (other, ours) in zip(model.named_parameters(), fused.named_parameters(), strict=True):
        assert name == other
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    for (name, theirs), (other, ours) in zip(model.named_buffers(), fused.named_buffers(), strict=True):
        assert name == other
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(fused.eval()(x), model.eval()(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", SAMPLES)
def test_state_dicts_load_both_ways(make):
    model, x = make(), torch.randn(SAMPLES[make])
    fused = dn.fuse(model).model
    trained = settled(copy.deepcopy(model))
    trained(x)
    fused.load_state_dict(trained.state_dict())
    model.load_state_dict(fused.state_dict())
    torch.testing.assert_close(fused.eval()(x), trained.eval()(x), rtol=1e-4, atol=1e-5)
    assert torch.equal(model.eval()(x), trained(x))


def test_what_becomes_of_each_layer():
    receipt = dn.fuse(images(0.3))
    assert [type(layer).__name__ for layer in receipt.model] == [
        *("Conv2d", "BatchNormActDropout2d", "Identity", "Identity", "Conv2d", "BatchNormActDropout2d", "Identity"),
        *("MaxPool2d", "Dropout", "Flatten", "Linear"),
    ]
    first, second = receipt.model[1], receipt.model[5]
    assert (first.activation, first.p, first.channelwise, first.nonfinite) == ("silu", 0.3, True, "propagate")
    assert (second.activation, second.p) == ("gelu", 0.0)
    assert isinstance(receipt.model[8], own.Dropout)
    assert str(receipt).startswith("Sequential: 2 runs fused, 1 layer replaced\n")
    assert not receipt.notes


def test_a_fused_model_drops_at_the_rates_of_the_model():
    model = nn.Sequential(nn.BatchNorm1d(400), nn.Dropout(0.3))
    dropped = dn.fuse(model).model(torch.randn(500, 400)) == 0
    # 200000 decisions: seven standard deviations, false alarm below 1e-11.
    assert abs(float(dropped.double().mean()) - 0.3) < 7 * (0.21 / 200_000) ** 0.5


def test_the_given_model_stays_and_undo_gives_the_layers_back_with_what_they_learned():
    model, x = dense(0.2), torch.randn(32, 6)
    before = copy.deepcopy(model.state_dict())
    receipt = dn.fuse(model)
    optimizer = torch.optim.SGD(receipt.model.parameters(), 0.1)
    for _ in range(3):
        receipt.model(x).square().mean().backward()
        optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    learned = copy.deepcopy(receipt.model.state_dict())
    expected = receipt.model.eval()(x)
    back = receipt.undo()
    assert [type(layer) for layer in back] == [type(layer) for layer in model]
    assert all(torch.equal(value, learned[name]) for name, value in back.state_dict().items())
    torch.testing.assert_close(back.eval()(x), expected, rtol=1e-4, atol=1e-5)


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.act, self.drop = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.0)
        self.second, self.other = nn.Linear(8, 8), nn.BatchNorm1d(8)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        x = self.drop(self.act(self.norm(self.first(x))))
        return self.out(self.act(self.other(self.second(x))) + F.relu(x))


def test_an_activation_that_serves_several_places_is_not_fused():
    receipt = dn.fuse(Functional(), sample=torch.randn(16, 6))
    assert {note.path for note in receipt.notes} == {"norm", "other"}
    assert all("act serves several places." in note.text for note in receipt.notes)
    assert type(receipt.model.norm) is own.BatchNorm1d
    assert isinstance(receipt.model.act, nn.ReLU)


def hooked(model):
    model[2].register_forward_hook(lambda *_: None)
    return "2: it has hooks, which would be lost."


def mixed(model):
    model[3].eval()
    return "they are not all in the same mode."


@pytest.mark.parametrize("spoil", [hooked, mixed])
def test_what_would_be_lost_is_left(spoil):
    model = dense(0.2)
    reason = spoil(model)
    receipt = dn.fuse(model)
    assert [note.text for note in receipt.notes] == [f"not fused with 2 and 3: {reason}"]
    assert type(receipt.model[1]) is own.BatchNorm1d


def test_other_activations_and_orders_are_no_runs():
    model = nn.Sequential(
        *(
            nn.Linear(4, 4),
            nn.BatchNorm1d(4),
            nn.GELU(approximate="tanh"),
            nn.Linear(4, 4),
            nn.ReLU(),
            nn.BatchNorm1d(4),
        ),
        *(nn.Dropout1d(0.1), nn.AlphaDropout(0.1)),
    )
    receipt = dn.fuse(model)
    kinds = [type(layer) for layer in receipt.model]
    assert kinds[1] is own.BatchNorm1d
    assert isinstance(receipt.model[2], nn.GELU)
    assert kinds[7] is nn.AlphaDropout


def test_a_shared_layer_stays_one():
    norm = nn.BatchNorm1d(4)
    fused = dn.fuse(nn.Sequential(nn.Linear(4, 4), norm, nn.Linear(4, 4), norm)).model
    assert fused[1] is fused[3]
    assert type(fused[1]) is own.BatchNorm1d


def test_what_cannot_be_traced_is_fused_as_it_runs():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm, self.act = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU()

        def forward(self, x):
            return self.act(self.norm(self.first(x))) if x.sum() > -1e9 else x

    alone, seen = dn.fuse(Branching()), dn.fuse(Branching(), sample=torch.randn(16, 6))
    assert type(alone.model.norm) is own.BatchNorm1d
    assert type(seen.model.norm) is own.BatchNormActDropout1d


def test_models_as_people_write_them(model, sample_of):
    receipt = dn.fuse(model, sample=sample_of(model))
    assert type(receipt.model) is type(model)
    assert not any(type(module) in (nn.BatchNorm2d, nn.Dropout) for module in receipt.model.modules())


def test_what_is_no_module():
    with pytest.raises(ArgumentTypeError, match="model=str is no "):
        dn.fuse("model")


def test_a_forward_that_goes_another_way_in_inference_is_not_fused():
    class Embedding(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm, self.act = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU()

        def forward(self, x):
            x = self.norm(self.first(x))
            return self.act(x) if self.training else x

    model, x = settled(Embedding()).eval(), torch.randn(16, 6)
    receipt = dn.fuse(model)
    assert [note.text for note in receipt.notes] == [
        "not fused with act: in inference mode the forward pass goes another way."
    ]
    torch.testing.assert_close(receipt.model(x), model(x))


def test_dropout_whose_mode_is_not_that_of_its_batch_norm_is_not_fused():
    class Frozen(nn.Sequential):
        def train(self, mode=True):
            super().train(mode)
            for module in self:
                if isinstance(module, nn.BatchNorm1d):
                    module.eval()
            return self

    model = Frozen(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)).eval()
    receipt = dn.fuse(model)
    assert receipt.notes[0].text.endswith("a train() of its own may set the modes of batch norm and dropout apart.")
    # 800 decisions: false alarm 2^-799.
    assert bool((receipt.model.train()(torch.randn(100, 6)) == 0).any())


def test_channels_of_rows_are_whole_rows_to_torch():
    """Dropout1d takes (N, C) for one sample of N channels."""
    model = nn.Sequential(nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout1d(0.5))
    rows, sequences = torch.randn(16, 8), torch.randn(16, 8, 3)
    for sample in (None, rows):
        assert "1 run fused" not in str(dn.fuse(model, sample=sample))
    fused = dn.fuse(model, sample=sequences).model
    assert (fused[0].p, fused[0].channelwise) == (0.5, True)


def test_what_hooks_of_a_block_see_stays_what_it_is():
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), nn.ReLU())
    assert dn.fuse(model).done[0].text == "fused with 1"
    model[0].register_forward_hook(lambda *_: None)
    receipt = dn.fuse(model)
    assert [note.text for note in receipt.notes] == ["not fused with 1: the hooks of 0 would see other values."]
    assert [note.text for note in receipt.done] == ["is now dropnorm.nn.BatchNorm1d"]
