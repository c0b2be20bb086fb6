"""A folded model predicts what the model does, to the rounding of its type; what stays is told with the reason."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropnorm as dn
from dropnorm import nn as own
from dropnorm.errors import SurgeryError


def settled(model):
    """As after training, in inference mode."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
            if module.running_mean is not None:
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
    return model.eval()


def chain(dimensions, **padding):
    """Before and behind plain, grouped and transposed convolutions."""
    convolution, transposed = (getattr(nn, f"{name}{dimensions}d") for name in ("Conv", "ConvTranspose"))
    norm, dropout = getattr(nn, f"BatchNorm{dimensions}d"), getattr(nn, f"Dropout{dimensions}d")
    return nn.Sequential(
        *(norm(4), convolution(4, 6, 2, groups=2), norm(6), nn.ReLU(), dropout(0.2)),
        *(transposed(6, 8, 2, groups=2, stride=2, bias=False), dropout(0.2), norm(8), nn.ReLU()),
        *(norm(8, affine=False), dropout(0.2), convolution(8, 8, 3, groups=4, bias=False, **padding)),
    )


MODELS = {
    "dense": (
        lambda: nn.Sequential(nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)),
        (9, 6),
    ),
    "behind": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 3)),
        (9, 6),
    ),
    "both": (lambda: nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh()), (9, 6)),
    "fused": (
        lambda: nn.Sequential(nn.Linear(6, 8), own.BatchNormActDropout1d(8, activation="silu"), nn.Linear(8, 2)),
        (9, 6),
    ),
    "sequences": (lambda: chain(1), (3, 4, 9)),
    "images": (lambda: chain(2, padding=1, padding_mode="reflect"), (3, 4, 7, 7)),
    "volumes": (lambda: chain(3), (2, 4, 5, 5, 5)),
}
# Outputs are of size 1; each layer rounds a sum of some tens of products.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 0.2}


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_equal_to_the_tolerance_of_the_type(name, dtype):
    make, shape = MODELS[name]
    model, x = settled(make()).to(dtype), torch.randn(shape, dtype=dtype)
    for sample in (None, x):
        receipt = dn.fold(model, sample=sample)
        torch.testing.assert_close(receipt.model(x), model(x), rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])
        assert not receipt.notes
        kinds = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
        assert not any(isinstance(module, kinds) for module in receipt.model.modules())
        assert not receipt.model.training


def test_undo_puts_everything_back_to_the_bit_in_the_modes_that_it_had():
    model = settled(MODELS["images"][0]()).train()
    model[2].eval()
    before = copy.deepcopy(model.state_dict())
    receipt = dn.fold(model)
    back = receipt.undo()
    assert back is receipt.model
    assert back is not model
    assert back.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in back.state_dict().items())
    assert [module.training for module in back.modules()] == [module.training for module in model.modules()]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Written(nn.Module):
    def __init__(self, forward, **layers):
        super().__init__()
        self.written = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        return self.written(self, x)


def pads():
    return nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1))


def transposed():
    return nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 4, 3))


def by_batch():
    return nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))


def hooked():
    model = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    model[0].register_forward_hook(lambda *_: None)
    return model


def parametrized():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3)), nn.BatchNorm2d(4))


def skipped():
    return Written(lambda self, x: self.norm(y := self.conv(x)) + y, conv=nn.Conv2d(4, 4, 3), norm=nn.BatchNorm2d(4))


def called_twice():
    forward = lambda self, x: self.norm(self.conv(x)) + self.conv(-x)  # noqa: E731
    return Written(forward, conv=nn.Conv2d(4, 4, 3), norm=nn.BatchNorm2d(4))


def taken():
    forward = lambda self, x: self.norm(self.conv(x)) + self.conv.weight.mean()  # noqa: E731
    return Written(forward, conv=nn.Conv2d(4, 4, 3), norm=nn.BatchNorm2d(4))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (pads, "2 pads zeros, which the batch norm does not shift."),
        (transposed, "2 is a transposed convolution, at whose borders the shift of the batch norm is another one."),
        (by_batch, "it has no running statistics, and normalizes by each batch."),
        (hooked, "0: it has hooks, which would be lost."),
        (parametrized, "0: its weight has a parametrization."),
        (skipped, "no Linear, Conv or ConvTranspose stands alone before it or behind it."),
        (called_twice, "conv is called at other places, too."),
        (taken, "the forward pass takes tensors of conv, too."),
    ],
)
def test_what_stays_and_why(make, reason):
    model, x = settled(make()), torch.randn(2, 4, 6, 6)
    receipt = dn.fold(model, sample=x)
    assert [note.text for note in receipt.notes] == [f"stays: {reason}"]
    assert torch.equal(receipt.model(x), model(x))
    assert str(receipt).startswith(f"{type(model).__name__}: nothing to fold\n")


def test_a_linear_layer_of_sequences_is_not_normalized_along_its_features():
    """(N, C, L) goes into the batch norm: its channels are the positions of the linear layer's input."""
    model = settled(Written(lambda self, x: self.norm(self.fc(x)), fc=nn.Linear(6, 6), norm=nn.BatchNorm1d(6)))
    x = torch.randn(3, 6, 6)
    receipt = dn.fold(model, sample=x)
    assert len(receipt.notes) == 1
    assert torch.equal(receipt.model(x), model(x))


def test_a_branch_that_is_called_twice_is_folded_once():
    branch = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())
    model, x = settled(Written(lambda self, x: self.branch(x) - self.branch(-x), branch=branch)), torch.randn(5, 4)
    receipt = dn.fold(model, sample=x)
    assert len(receipt.done) == 1
    torch.testing.assert_close(receipt.model(x), model(x))


def test_a_forward_that_looks_at_what_is_folded_is_noticed():
    model = settled(
        Written(
            lambda self, x: self.norm(self.conv(x)) * (2.0 if isinstance(self.norm, nn.BatchNorm2d) else 1.0),
            conv=nn.Conv2d(4, 4, 3),
            norm=nn.BatchNorm2d(4),
        )
    )
    with pytest.raises(
        SurgeryError, match="cannot be changed safely: its outputs for the sample in inference mode would be"
    ):
        dn.fold(model, sample=torch.randn(2, 4, 6, 6))


def test_memory_formats_are_kept():
    model = settled(nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8))).to(memory_format=torch.channels_last)
    assert dn.fold(model).model[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_models_as_people_write_them(model, sample_of):
    x = sample_of(settled(model))
    folded = dn.fold(model, sample=x).model
    assert type(folded) is type(model)
    for one, other in zip(
        *(out if isinstance(out := each(x), tuple) else (out,) for each in (model, folded)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_functional_batch_norm_is_told():
    def forward(self, x):
        return F.batch_norm(self.conv(x), self.mean, self.var)

    model = Written(forward, conv=nn.Conv2d(4, 4, 3))
    model.register_buffer("mean", torch.zeros(4))
    model.register_buffer("var", torch.ones(4))
    assert [note.text for note in dn.fold(model.eval()).notes] == ["stays: it is called as a function."]


def test_a_batch_norm_of_another_dimension_than_the_features_stays():
    """(N, positions, features): the batch norm normalizes positions."""
    shapes = [
        (nn.Sequential(nn.Linear(10, 16), nn.BatchNorm1d(8)), "0"),
        (nn.Sequential(nn.BatchNorm1d(8), nn.Linear(10, 8)), "1"),
    ]
    for model, path in shapes:
        receipt = dn.fold(settled(model))
        assert [note.text for note in receipt.notes] == [
            f"stays: it normalizes another dimension than the features of {path}."
        ]


def test_a_dropout_with_a_forward_of_its_own_stays():
    class Always(nn.Dropout):
        def forward(self, x):
            return F.dropout(x, self.p, training=True)

    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Always(0.5), nn.Linear(4, 2))
    assert type(dn.fold(model).model[2]) is Always


@pytest.mark.parametrize("between", [nn.Identity, nn.Dropout])
def test_nothing_is_folded_through_a_hook(between):
    model, x = settled(nn.Sequential(nn.Linear(4, 4), between(), nn.BatchNorm1d(4))), torch.randn(5, 4)
    model[1].register_forward_hook(lambda _, __, output: 2 * output + 1)
    torch.testing.assert_close(dn.fold(model).model(x), model(x))


def test_a_batch_norm_that_is_called_with_a_mask_stays():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.conv = own.BatchNorm1d(4), nn.Conv1d(4, 2, 1)

        def forward(self, x, mask):
            return self.conv(self.norm(x, mask=mask))

    model, x, mask = settled(Masked()), torch.randn(3, 4, 5), torch.ones(3, 5, dtype=torch.bool)
    receipt = dn.fold(model)
    assert [note.text for note in receipt.notes] == ["stays: it is called with a mask, which no other layer takes."]
    assert torch.equal(receipt.model(x, mask), model(x, mask))


def test_what_a_forward_keeps_in_an_attribute_stays_what_it_is():
    def forward(self, x):
        self.hidden = self.fc(x)
        return self.norm(self.hidden).relu()

    model, x = settled(Written(forward, fc=nn.Linear(4, 4), norm=nn.BatchNorm1d(4))), torch.randn(5, 4)
    receipt = dn.fold(model)
    assert receipt.done == ()
    with torch.no_grad():
        model(x), receipt.model(x)
    assert torch.equal(receipt.model.hidden, model.hidden)


@pytest.mark.parametrize("sample", [None, torch.randn(5, 4)], ids=["traced", "with a sample"])
def test_what_hooks_of_a_block_see_stays_what_it_is(sample):
    def forward(self, x):
        return self.norm(self.block(x)).relu()

    model = settled(Written(forward, block=nn.Sequential(nn.Linear(4, 4)), norm=nn.BatchNorm1d(4)))
    assert len(dn.fold(model, sample=sample).done) == 1
    model.block.register_forward_hook(lambda *_: None)
    receipt = dn.fold(model, sample=sample)
    assert [note.text for note in receipt.notes] == ["stays: the hooks of block would see other values."]
    around = settled(nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))))
    around[0].register_forward_hook(lambda *_: None)
    assert len(dn.fold(around, sample=sample).done) == 1


def test_a_forward_that_looks_at_values_is_told():
    def forward(self, x):
        return self.norm(self.fc(x)) if x.mean() > 0 else x

    model = settled(Written(forward, fc=nn.Linear(4, 4), norm=nn.BatchNorm1d(4)))
    receipt = dn.fold(model, sample=torch.rand(5, 4))
    (note,) = receipt.notes
    assert len(receipt.done) == 1
    assert note.text.startswith("its forward looks at values of the batch")


def test_what_is_taken_for_rows_is_told():
    """Of (N, 4, 4) the batch norm would take the other dimension, and nothing but a batch can tell."""
    model = settled(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
    assert [note.text for note in dn.fold(model).done] == ["batch norm is in 0, for inputs (N, features)"]
    assert [note.text for note in dn.fold(model, sample=torch.randn(3, 4)).done] == ["batch norm is in 0"]
    assert dn.fold(model, sample=torch.randn(3, 4, 4)).done == ()
    flattened = settled(nn.Sequential(nn.Flatten(), *model))
    assert [note.text for note in dn.fold(flattened).done] == ["batch norm is in 1"]
