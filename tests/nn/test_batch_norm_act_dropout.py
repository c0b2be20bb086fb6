import copy
import inspect
import pickle

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from dropnorm import nn, ops
from dropnorm.errors import ArgumentError, ArgumentTypeError, NonFiniteError, ShapeError, SingletonError
from dropnorm.random import draw_key

KEY = 2**40 + 9
F64 = torch.float64
LAYERS = {"BatchNormActDropout1d": (6, 3, 5), "BatchNormActDropout2d": (6, 3, 4, 5)}
NORMS = {"BatchNormActDropout1d": torch.nn.BatchNorm1d, "BatchNormActDropout2d": torch.nn.BatchNorm2d}
ACTIVATIONS = {
    "identity": torch.nn.Identity(),
    "relu": torch.nn.ReLU(),
    "leaky_relu": torch.nn.LeakyReLU(0.3),
    "gelu": torch.nn.GELU(),
    "silu": torch.nn.SiLU(),
}


def buffers(layer):
    return {name: value.clone() for name, value in layer.named_buffers()}


def assert_same(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], **tolerance)


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_torchs_batch_norm_with_its_arguments_first(name):
    ours, torchs = (inspect.signature(layer).parameters for layer in (getattr(nn, name), NORMS[name]))
    positional = [p for p in torchs.values() if p.kind != p.KEYWORD_ONLY]
    for mine, theirs in zip(ours.values(), positional, strict=False):
        assert (mine.name, mine.default, mine.kind) == (theirs.name, theirs.default, theirs.kind)
    assert {ours[p].kind for p in list(ours)[len(positional) :]} == {inspect.Parameter.KEYWORD_ONLY}
    layer = getattr(nn, name)(3)
    assert isinstance(layer, NORMS[name])
    assert (layer.activation, layer.p, layer.channelwise, layer.generator) == ("relu", 0.5, False, None)
    assert_same(layer.state_dict(), NORMS[name](3).state_dict())


def test_it_shows_what_it_does():
    norm = torch.nn.BatchNorm1d(3).extra_repr()
    assert repr(nn.BatchNormActDropout1d(3, p=0.2)) == f"BatchNormActDropout1d({norm}, activation='relu', p=0.2)"
    channels = nn.BatchNormActDropout2d(3, activation="silu", channelwise=True)
    assert repr(channels) == f"BatchNormActDropout2d({norm}, activation='silu', p=0.5, channelwise=True)"


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("channelwise", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_it_is_a_batch_norm_an_activation_and_dropout_one_after_the_other(name, channelwise, activation):
    norm = NORMS[name](3, eps=1e-3, momentum=0.4, dtype=F64)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, -2.0, 3.0]))
        norm.bias.copy_(torch.tensor([1.0, 0.0, -1.0]))
    fused = getattr(nn, name)(
        3, 1e-3, 0.4, dtype=F64, activation=activation, negative_slope=0.3, p=0.3, channelwise=channelwise
    )
    fused.load_state_dict(norm.state_dict())
    act = ACTIVATIONS[activation]
    for step in range(3):
        x = torch.randn(LAYERS[name], dtype=F64) + step
        leaves = [x.clone().requires_grad_() for _ in range(2)]
        y = fused(leaves[0], key=KEY + step)
        expected = ops.dropout(act(norm(leaves[1])), 0.3, torch.tensor(KEY + step), channelwise=channelwise)
        torch.testing.assert_close(y, expected, rtol=1e-11, atol=1e-11)
        grad = torch.randn_like(x)
        found = torch.autograd.grad(y, (leaves[0], *fused.parameters()), grad)
        wanted = torch.autograd.grad(expected, (leaves[1], *norm.parameters()), grad)
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
        assert_same(fused.state_dict(), norm.state_dict())
    fused.eval()
    norm.eval()
    torch.testing.assert_close(fused(x), act(norm(x)), rtol=1e-11, atol=1e-11)
    norm.load_state_dict(fused.state_dict())


def test_a_training_call_draws_one_key_and_inference_none():
    layer, x = nn.BatchNormActDropout1d(4), torch.randn(8, 4)
    torch.manual_seed(3)
    y = layer(x)
    state = torch.get_rng_state()
    torch.manual_seed(3)
    key = draw_key()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(y, ops.batch_norm_act_dropout(x, layer.weight, layer.bias, 0.5, key)[0])
    layer.eval()(x)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_generator_of_its_own_leaves_torchs_alone():
    x, state = torch.randn(8, 4), torch.get_rng_state()
    found = [nn.BatchNormActDropout1d(4, generator=torch.Generator().manual_seed(2))(x) for _ in range(2)]
    assert torch.equal(*found)
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_choose_from_the_mask():
    layer, x = nn.BatchNormActDropout1d(4, activation="identity", track_running_stats=False), torch.randn(6, 4)
    rows = torch.tensor([9, 2**33, 0, 1, 5, 4])
    dropped = layer(x, key=KEY, rows=rows) == 0
    assert torch.equal(dropped, ops.dropout(torch.ones(6, 4), 0.5, torch.tensor(KEY), rows=rows) == 0)


def test_a_mask_of_positions_is_the_batch_norms():
    x, mask = torch.randn(6, 3, 5), torch.rand(6, 5) < 0.6
    fused, norm = nn.BatchNormActDropout1d(3), nn.BatchNorm1d(3)
    y = fused(x, mask=mask, key=KEY)
    torch.testing.assert_close(y, ops.dropout(norm(x, mask=mask).relu(), 0.5, torch.tensor(KEY)))
    assert_same(buffers(fused), buffers(norm))


def test_inference_without_running_statistics_takes_the_batchs_and_drops_nothing():
    x = torch.randn(6, 3)
    layer = nn.BatchNormActDropout1d(3, track_running_stats=False).eval()
    torch.testing.assert_close(layer(x), torch.nn.BatchNorm1d(3)(x).relu())
    with pytest.raises(SingletonError):
        layer(x[:1])


def test_a_singleton_may_be_normalized_by_the_running_statistics_and_is_dropped_all_the_same():
    layer = nn.BatchNormActDropout1d(50, activation="identity", singleton="running")
    layer(torch.randn(8, 50))
    before, x = buffers(layer), torch.randn(1, 50)
    expected = ops.dropout(copy.deepcopy(layer).eval()(x), 0.5, torch.tensor(KEY))
    torch.testing.assert_close(layer(x, key=KEY), expected)
    torch.testing.assert_close(layer(x, mask=torch.tensor([True]), key=KEY), expected)
    assert_same(buffers(layer), before, rtol=0, atol=0)


def test_bad_batches_are_the_batch_norms(refuses):
    layer = nn.BatchNormActDropout1d(3)
    layer(torch.randn(8, 3))
    before, x = buffers(layer), torch.randn(8, 3)
    with pytest.raises(NonFiniteError, match=r"\AThe batch given to '0' \(BatchNormActDropout1d\) holds NaN"):
        torch.nn.Sequential(layer)(x.masked_fill(x > 1, torch.nan))
    with pytest.raises(SingletonError, match=r"\Ainput.shape=\(1, 3\) gives BatchNormActDropout1d fewer than two"):
        layer(x[:1])
    with refuses(
        ShapeError, "input.shape=(8, 2) does not fit BatchNormActDropout1d: expected 3 channels in dimension 1, got 2."
    ):
        layer(x[:, :2])
    assert layer(x[:0]).shape == (0, 3)
    assert_same(buffers(layer), before, rtol=0, atol=0)


def test_arguments_are_checked(refuses):
    with refuses(
        ArgumentError,
        "activation='gleu' is unknown: expected one of 'identity', 'relu', 'leaky_relu', 'gelu', 'silu'. "
        "Did you mean 'gelu'?",
    ):
        nn.BatchNormActDropout1d(3, activation="gleu")
    with refuses(
        ArgumentError, "p=50 is not a probability: expected 0 <= p <= 1. To drop 50 % of the units use p=0.5."
    ):
        nn.BatchNormActDropout2d(3, p=50)
    with refuses(
        ArgumentTypeError, "p=None is not a number: expected a real number, got NoneType. Give a float or an int."
    ):
        nn.BatchNormActDropout2d(3, p=None)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_goes_on_as_the_original(copied):
    layer, x = nn.BatchNormActDropout1d(3, generator=torch.Generator().manual_seed(3)), torch.randn(8, 3)
    layer(x)
    twin = copied(layer)
    assert torch.equal(twin(x), layer(x))
    assert_same(buffers(twin), buffers(layer), rtol=0, atol=0)


@pytest.mark.parametrize("name", LAYERS)
def test_on_a_meta_device_there_is_a_shape(name):
    layer, x = getattr(nn, name)(3, device="meta"), torch.randn(LAYERS[name], device="meta")
    for y in (layer(x), layer.eval()(x)):
        assert (y.shape, y.device.type) == (x.shape, "meta")


def test_under_autocast_the_type_of_the_input_is_kept():
    model, x = torch.nn.Sequential(torch.nn.Linear(8, 16), nn.BatchNormActDropout1d(16)), torch.randn(32, 8)
    torch.manual_seed(1)
    full = model(x)
    torch.manual_seed(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = model(x)
    assert half.dtype == torch.bfloat16
    # The matrix product's input and weights have 2**-8 each, before a normalization that divides by about 0.6.
    torch.testing.assert_close(half.float(), full, rtol=0.05, atol=0.1)


@pytest.mark.parametrize("reentrant", [False, True])
def test_under_activation_checkpointing_the_mask_is_made_again(reentrant):
    x, found = torch.randn(8, 6), []
    for run in (lambda layer, x: layer(x), lambda layer, x: checkpoint(layer, x, use_reentrant=reentrant)):
        leaf, layer = x.clone().requires_grad_(), nn.BatchNormActDropout1d(6, activation="gelu")
        torch.manual_seed(8)
        y = run(layer, leaf)
        torch.rand(3)  # what follows draws too
        y.pow(3).sum().backward()
        found.append((y.detach(), leaf.grad))
    torch.testing.assert_close(*found)


def test_compiled_in_a_network_it_trains_as_in_eager_mode(compiled):
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNormActDropout2d(8, activation="silu", p=0.2),
        torch.nn.Conv2d(8, 4, 3, bias=False),
        nn.BatchNormActDropout2d(4, channelwise=True),
    ).to(memory_format=torch.channels_last)
    twin = copy.deepcopy(model)
    found = []
    for net, call in ((model, model), (twin, compiled(twin))):
        torch.manual_seed(4)
        inputs = torch.randn(2, 5, 3, 9, 9, generator=torch.Generator().manual_seed(1))
        outputs = [call(x.to(memory_format=torch.channels_last)) for x in inputs]
        sum(y.square().sum() for y in outputs).backward()
        found.append((*(y.detach() for y in outputs), *(parameter.grad for parameter in net.parameters())))
    # Convolutions in another order of sums, through two layers.
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-3)
    assert_same(buffers(model), buffers(twin), rtol=1e-4, atol=1e-5)
