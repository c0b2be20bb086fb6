import copy
import inspect
import io
import itertools
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.checkpoint import checkpoint

from dropnorm import nn
from dropnorm.errors import ArgumentError, NonFiniteError, ShapeError, SingletonError

F64 = torch.float64
LAYERS = {"BatchNorm1d": (6, 3), "BatchNorm2d": (4, 3, 5, 2), "BatchNorm3d": (2, 3, 2, 3, 2)}
OPTIONS = {
    "default": {},
    "momentum": {"momentum": 0.4, "eps": 1e-3},
    "cumulative": {"momentum": None},
    "all of the new": {"momentum": 1.0},
    "not affine": {"affine": False},
    "untracked": {"track_running_stats": False},
    "no bias": {"bias": False},
}


def pair(name, *args, **kwargs):
    return getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)


def buffers(layer):
    return {name: value.clone() for name, value in layer.named_buffers()}


def assert_same(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], **tolerance)


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_torchs_layer_with_torchs_arguments_first(name):
    ours, torchs = (inspect.signature(getattr(home, name)).parameters for home in (nn, torch.nn))
    positional = [p for p in torchs.values() if p.kind != p.KEYWORD_ONLY]
    for mine, theirs in zip(ours.values(), positional, strict=False):
        assert (mine.name, mine.default, mine.kind) == (theirs.name, theirs.default, theirs.kind)
    assert all(ours[p].default == torchs[p].default for p in torchs)
    assert {ours[p].kind for p in list(ours)[len(positional) :]} == {inspect.Parameter.KEYWORD_ONLY}
    layer, theirs = pair(name, 3)
    assert isinstance(layer, getattr(torch.nn, name))
    assert repr(layer) == repr(theirs)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", LAYERS)
def test_outputs_gradients_and_running_statistics_are_torchs_after_1_2_and_100_steps(name, options):
    layers = pair(name, 3, dtype=F64, **OPTIONS[options])
    if layers[0].weight is not None:
        with torch.no_grad():
            for layer in layers:
                layer.weight.copy_(torch.tensor([0.5, -2.0, 3.0]))
    # The update is the same in each layer: one of them goes all the way.
    for step in range(1, 101 if name == "BatchNorm1d" else 3):
        # The deviations of 1e-4 stand where a running variance of 1 must not leave a trace under momentum 1.
        x = torch.randn(LAYERS[name], dtype=F64) * 10.0 ** -(step % 5) + step
        if step not in (1, 2, 100):
            for layer in layers:
                layer(x)
            continue
        grad, found = torch.randn_like(x), []
        for layer in layers:
            leaf = x.clone().requires_grad_()
            y = layer(leaf)
            found.append((y, *torch.autograd.grad(y, (leaf, *layer.parameters()), grad)))
        torch.testing.assert_close(*found, rtol=1e-7, atol=1e-7)
        assert_same(*(layer.state_dict() for layer in layers), rtol=1e-10, atol=0)
    for layer in layers:
        layer.eval()
    torch.testing.assert_close(*(layer(x) for layer in layers), rtol=1e-9, atol=1e-9)


def test_running_statistics_in_float32_lose_no_more_than_torchs():
    for momentum in (0.1, None, 1.0):
        ours, torchs = pair("BatchNorm1d", 3, momentum=momentum)
        for step in range(20):
            x = torch.randn(64, 3) * 10.0 ** -(step % 4) + step
            ours(x)
            torchs(x)
            # Rounding of a sum of 64 and of 20 updates: a few times 2**-24.
            assert_same(ours.state_dict(), torchs.state_dict(), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("options", OPTIONS)
def test_state_dicts_go_both_ways(options):
    for source, target in itertools.permutations(pair("BatchNorm2d", 3, **OPTIONS[options])):
        source.train()
        for _ in range(3):
            source(torch.randn(4, 3, 5, 5) * 2 + 1)
        target.load_state_dict(source.state_dict())
        x = torch.randn(4, 3, 5, 5)
        torch.testing.assert_close(target.eval()(x), source.eval()(x))
        torch.testing.assert_close(target.train()(x), source.train()(x))


def saved_and_loaded(layer):
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer)), saved_and_loaded])
def test_a_copy_goes_on_as_the_original_and_apart_from_it(copied):
    layer = nn.BatchNorm1d(3, nonfinite="skip", singleton="running")
    layer(torch.randn(8, 3))
    twin, x = copied(layer), torch.randn(8, 3)
    assert (type(twin), twin.nonfinite, twin.singleton) == (nn.BatchNorm1d, "skip", "running")
    assert torch.equal(twin(x), layer(x))
    assert_same(buffers(twin), buffers(layer), rtol=0, atol=0)
    twin(x)
    assert int(layer.num_batches_tracked) == 2


@pytest.mark.parametrize("name", LAYERS)
def test_on_a_meta_device_there_is_a_shape(name):
    for options in ({}, {"nonfinite": "skip"}, {"singleton": "running"}):
        layer = getattr(nn, name)(3, device="meta", **options)
        x = torch.randn(LAYERS[name], device="meta")
        mask = torch.ones(*x.shape[:1], *x.shape[2:], dtype=torch.bool, device="meta")
        for y in (layer(x), layer(x, mask=mask), layer.eval()(x)):
            assert (y.shape, y.device.type) == (x.shape, "meta")
    layer = getattr(nn, name)(3, device="meta").to_empty(device="cpu")
    layer.reset_parameters()
    layer.reset_running_stats()
    assert_same(layer.state_dict(), getattr(torch.nn, name)(3).state_dict())


def test_under_autocast_it_is_torchs():
    x, found = torch.randn(64, 8), []
    linear = torch.nn.Linear(8, 5)
    for layer in pair("BatchNorm1d", 5):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = torch.nn.Sequential(linear, layer)(x)
        assert y.dtype == torch.bfloat16
        found.append((y.float(), layer.running_mean, layer.running_var))
    # bfloat16 outputs are a unit in the last place apart at most, 2**-7; the statistics are float32's.
    torch.testing.assert_close(found[0][0], found[1][0], rtol=2.0**-7, atol=1e-5)
    torch.testing.assert_close(found[0][1:], found[1][1:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_layer_in_a_16_bit_type_keeps_its_buffers_in_it(dtype):
    layer = nn.BatchNorm1d(3, dtype=dtype)
    y = layer(torch.randn(16, 3, dtype=dtype))
    assert y.dtype == layer.running_mean.dtype == layer.running_var.dtype == dtype
    assert layer.eval()(torch.randn(16, 3, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("reentrant", [False, True])
def test_under_activation_checkpointing_gradients_are_the_same(reentrant):
    x, found = torch.randn(6, 3), []
    for run in (lambda layer, x: layer(x), lambda layer, x: checkpoint(layer, x, use_reentrant=reentrant)):
        leaf, layer = x.clone().requires_grad_(), nn.BatchNorm1d(3)
        run(layer, leaf).pow(3).sum().backward()
        found.append((leaf.grad, layer.weight.grad))
    torch.testing.assert_close(*found)


def test_update_bn_recalibrates_it_as_torchs():
    batches, models = [torch.randn(8, 3) + step for step in range(5)], []
    for layer in pair("BatchNorm1d", 3):
        models.append(torch.nn.Sequential(layer))
        torch.optim.swa_utils.update_bn(batches, models[-1])
    assert_same(*(model.state_dict() for model in models))


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 40), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.sampled_from([1e-5, 1e-2]))
def test_training_normalizes_to_mean_zero_and_variance_var_over_var_plus_eps(count, shift, scale, eps):
    x = torch.randn(count, 3, dtype=F64) * scale + shift
    y = nn.BatchNorm1d(3, eps=eps, dtype=F64)(x)
    var = x.var(0, correction=0)
    torch.testing.assert_close(y.mean(0), torch.zeros(3, dtype=F64), rtol=0, atol=1e-8)
    torch.testing.assert_close(y.var(0, correction=0), var / (var + eps), rtol=1e-8, atol=0)


def test_inference_is_the_affine_map_of_the_running_statistics():
    layer = nn.BatchNorm1d(3)
    for _ in range(3):
        layer(torch.randn(8, 3) * 2 + 5)
    before, x = buffers(layer.eval()), torch.randn(4, 3)
    expected = (x - layer.running_mean) / (layer.running_var + 1e-5).sqrt()
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer(x[:1]), expected[:1])
    assert_same(buffers(layer), before, rtol=0, atol=0)


def test_inference_does_not_look_at_the_mask():
    layer, x = nn.BatchNorm1d(3).eval(), torch.randn(4, 3)
    assert torch.equal(layer(x, mask=torch.zeros(4, dtype=torch.bool)), layer(x))


# --- Masks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 3), (5, 3, 7)])
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
def test_a_mask_leaves_what_a_batch_of_the_selected_positions_would(shape, dtype):
    x = torch.randn(shape, dtype=F64)
    mask = torch.rand(shape[0], *shape[2:]) < 0.6
    masked, packed = nn.BatchNorm1d(3, dtype=F64), torch.nn.BatchNorm1d(3, dtype=F64)
    for _ in range(2):
        y = masked(x, mask=mask.to(dtype) * (255 if dtype == torch.uint8 else True))
        expected = packed(x.movedim(1, -1)[mask])
    torch.testing.assert_close(y.movedim(1, -1)[mask], expected)
    assert_same(buffers(masked), buffers(packed))


def test_a_mask_of_two_dimensions_of_space():
    x, mask = torch.randn(4, 3, 5, 2), torch.rand(4, 5, 2) < 0.5
    layer = nn.BatchNorm2d(3, momentum=1.0)
    layer(x, mask=mask)
    torch.testing.assert_close(layer.running_var, x.movedim(1, -1)[mask].var(0))


def test_a_mask_must_fit(refuses):
    with refuses(
        ShapeError,
        "mask.shape=(4, 3) of torch.bool does not fit x.shape=(4, 3, 5): expected a boolean mask of shape (4, 5), True "
        "where a position counts.",
    ):
        nn.BatchNorm1d(3)(torch.randn(4, 3, 5), mask=torch.ones(4, 3, dtype=torch.bool))


# --- Bad batches -----------------------------------------------------------------------------------------------------

NONFINITE = (
    "The batch given to {path} holds NaN or infinity, or overflows, in {count} of {features} channels ({listed}): expected "
    "finite values in training mode. The running statistics are as they were. Look for what made them; "
    'nonfinite="skip" leaves such batches out of the running statistics, nonfinite="propagate" does as torch.'
)


def bad(value, channels=(1,), features=3):
    x = torch.randn(8, features)
    x[2, list(channels)] = value
    return x


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 3e38])
def test_a_nonfinite_batch_is_refused_and_leaves_the_running_statistics_bit_for_bit(refuses, value, momentum):
    layer = nn.BatchNorm1d(3, momentum=momentum)
    layer(torch.randn(8, 3))
    before = buffers(layer)
    with refuses(NonFiniteError, NONFINITE.format(path="BatchNorm1d", count=1, features=3, listed="1")):
        layer(bad(value))
    assert_same(buffers(layer), before, rtol=0, atol=0)
    layer(torch.randn(8, 3))
    assert int(layer.num_batches_tracked) == 2


def test_the_error_names_the_layer_in_its_model_and_no_more_than_five_channels(refuses):
    model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Sequential(nn.BatchNorm1d(9)))
    message = NONFINITE.format(path="'1.0' (BatchNorm1d)", count=7, features=9, listed="0, 1, 2, 4, 5, ...")
    with refuses(NonFiniteError, message):
        model(bad(torch.nan, (0, 1, 2, 4, 5, 7, 8), 9))


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, 3e38])
def test_a_nonfinite_batch_may_be_skipped_and_leaves_the_running_statistics_bit_for_bit(value, momentum):
    layer = nn.BatchNorm1d(3, momentum=momentum, nonfinite="skip")
    for batches in range(2):
        before, x = buffers(layer), bad(value)
        y = layer(x)
        assert_same(buffers(layer), before, rtol=0, atol=0)
        torch.testing.assert_close(y[:, ::2], F.batch_norm(x[:, ::2], None, None, training=True))
        layer(torch.randn(8, 3))
        assert int(layer.num_batches_tracked) == batches + 1
        assert not torch.equal(layer.running_mean, before["running_mean"])


def test_a_nonfinite_batch_may_poison_as_in_torch():
    ours, torchs = nn.BatchNorm1d(3, nonfinite="propagate"), torch.nn.BatchNorm1d(3)
    x = bad(torch.nan)
    ours(x)
    torchs(x)
    assert_same(buffers(ours), buffers(torchs), equal_nan=True)
    assert ours.running_mean.isnan().tolist() == [False, True, False]


def test_a_nonfinite_value_that_is_masked_out_does_no_harm():
    x, layer = bad(torch.nan), nn.BatchNorm1d(3)
    layer(x, mask=x.isfinite().all(1))
    assert layer.running_mean.isfinite().all()


def test_inference_and_untracked_layers_pass_nonfinite_values_on():
    x = bad(torch.nan)
    for layer in (nn.BatchNorm1d(3).eval(), nn.BatchNorm1d(3, track_running_stats=False)):
        assert layer(x)[2, 1].isnan()


def singleton(path, shape):
    return (
        f"input.shape={shape} gives {path} fewer than two values per channel, which have no variance: expected more where "
        f"the batch's own statistics normalize it. Use a larger batch (drop_last=True in the loader), or "
        f'singleton="running" to normalize such a batch by the running statistics.'
    )


def test_a_single_value_per_channel_is_refused_as_in_torch(refuses):
    x = torch.randn(1, 3)
    for ours, torchs in (
        pair("BatchNorm1d", 3),
        tuple(layer.eval() for layer in pair("BatchNorm1d", 3, track_running_stats=False)),
    ):
        with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
            torchs(x)
        before = buffers(ours)
        with refuses(SingletonError, singleton("BatchNorm1d", (1, 3))):
            ours(x)
        assert_same(buffers(ours), before, rtol=0, atol=0)
    with refuses(SingletonError, singleton("'0' (BatchNorm2d)", (1, 3, 1, 1))):
        torch.nn.Sequential(nn.BatchNorm2d(3))(torch.randn(1, 3, 1, 1))
    nn.BatchNorm2d(3)(torch.randn(1, 3, 1, 2))


@pytest.mark.parametrize("count", [0, 1])
def test_a_mask_that_leaves_fewer_than_two_is_refused(refuses, count):
    layer = nn.BatchNorm1d(3)
    before = buffers(layer)
    with refuses(SingletonError, singleton("BatchNorm1d", (4, 3))):
        layer(torch.randn(4, 3), mask=torch.arange(4) < count)
    assert_same(buffers(layer), before, rtol=0, atol=0)


@pytest.mark.parametrize("count", [None, 0, 1])
def test_a_singleton_may_be_normalized_by_the_running_statistics_which_it_leaves_bit_for_bit(count):
    layer = nn.BatchNorm1d(3, singleton="running")
    layer(torch.randn(8, 3) + 4)
    before = buffers(layer)
    x, mask = (torch.randn(1, 3), None) if count is None else (torch.randn(4, 3), torch.arange(4) < count)
    y = layer(x, mask=mask)
    assert_same(buffers(layer), before, rtol=0, atol=0)
    assert torch.equal(y, copy.deepcopy(layer).eval()(x))
    full, twin = torch.randn(4, 3), copy.deepcopy(layer)
    assert torch.equal(layer(full, mask=torch.ones(4, dtype=torch.bool)), twin(full))
    assert_same(buffers(layer), buffers(twin), rtol=0, atol=0)


def test_without_running_statistics_there_is_none_to_fall_back_on(refuses):
    layer = nn.BatchNorm1d(3, track_running_stats=False, singleton="running")
    with refuses(SingletonError, singleton("BatchNorm1d", (1, 3))):
        layer(torch.randn(1, 3))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_an_empty_batch_gives_nothing_and_updates_nothing(masked, momentum):
    for shape in ((0, 3), (2, 3, 0)):
        layer = nn.BatchNorm1d(3, momentum=momentum)
        before = buffers(layer)
        mask = torch.ones(*shape[:1], *shape[2:], dtype=torch.bool) if masked else None
        assert layer(torch.randn(shape), mask=mask).shape == shape
        assert_same(buffers(layer), before, rtol=0, atol=0)


def test_the_number_of_channels_must_fit(refuses):
    x = torch.randn(4, 5)
    with refuses(ShapeError, "input.shape=(4, 5) does not fit BatchNorm1d: expected 3 channels in dimension 1, got 5."):
        nn.BatchNorm1d(3)(x)
    message = "input.shape=(4, 5) does not fit '0' (BatchNorm1d): expected 3 channels in dimension 1, got 5."
    with refuses(ShapeError, message):
        torch.nn.Sequential(nn.BatchNorm1d(3).eval())(x)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("BatchNorm1d", (2, 3, 4, 5), "2D or 3D"),
        ("BatchNorm2d", (2, 3, 4), "4D"),
        ("BatchNorm3d", (2, 3, 4, 5), "5D"),
    ],
)
def test_the_number_of_dimensions_must_fit_as_in_torch(name, shape, expected):
    for layer, error in zip(pair(name, 3), (ShapeError, ValueError), strict=True):
        with pytest.raises(ValueError, match=rf"expected {expected} input \(got {len(shape)}D input\)") as told:
            layer(torch.randn(shape))
        assert isinstance(told.value, error)


def test_policies_must_be_known(refuses):
    with refuses(
        ArgumentError,
        "nonfinite='rasie' is unknown: expected one of 'raise', 'skip', 'propagate'. Did you mean 'raise'?",
    ):
        nn.BatchNorm1d(3, nonfinite="rasie")
    with refuses(
        ArgumentError, "singleton='skip' is unknown: expected one of 'raise', 'running'. Use singleton='raise'."
    ):
        nn.BatchNorm1d(3, singleton="skip")


# --- Compiled --------------------------------------------------------------------------------------------------------


def test_compiled_it_trains_as_in_eager_mode_in_either_memory_format(compiled):
    layer = nn.BatchNorm2d(3, momentum=None)
    twin = copy.deepcopy(layer)
    fast = compiled(twin)
    for count, layout in ((4, torch.contiguous_format), (5, torch.channels_last), (6, torch.channels_last)):
        x, found = torch.randn(count, 3, 5, 6).to(memory_format=layout), []
        for call in (layer, fast):
            leaf = x.clone().requires_grad_()
            y = call(leaf)
            y.pow(3).sum().backward()
            found.append((y.detach(), leaf.grad))
        torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)
        assert_same(buffers(layer), buffers(twin), rtol=1e-5, atol=1e-6)


def test_compiled_what_only_the_data_can_tell_is_an_assertion_or_a_choice(compiled):
    strict, lenient = nn.BatchNorm1d(3), nn.BatchNorm1d(3, nonfinite="skip", singleton="running")
    call, mask = compiled(lambda layer, x, mask: layer(x, mask=mask)), torch.ones(8, dtype=torch.bool)
    few = torch.arange(8) < 1
    call(strict, torch.randn(8, 3), mask)
    before = buffers(strict)
    with pytest.raises(RuntimeError, match=r"BatchNorm1d\(3\) got NaN or infinity in training mode"):
        call(strict, bad(torch.nan), mask)
    with pytest.raises(RuntimeError, match=r"BatchNorm1d\(3\) got fewer than two values per channel"):
        call(strict, torch.randn(8, 3), few)
    assert_same(buffers(strict), before, rtol=0, atol=0)

    call(lenient, torch.randn(8, 3), mask)
    before, x = buffers(lenient), torch.randn(8, 3)
    call(lenient, bad(torch.inf), mask)
    y = call(lenient, x, few)
    assert_same(buffers(lenient), before, rtol=0, atol=0)
    torch.testing.assert_close(y, copy.deepcopy(lenient).eval()(x))


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
@pytest.mark.parametrize("replaced", [lambda old: old.double(), lambda old: torch.stack((old, old), 1)[:, 0]])
def test_running_statistics_of_another_type_or_stride_are_moved_all_the_same(name, replaced):
    x, plain, other = torch.randn(40, 3) * 2 + 5, nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    setattr(other, name, replaced(getattr(other, name)))
    for layer in (plain, other):
        layer(x)
    for buffer in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(other, buffer), getattr(plain, buffer), check_dtype=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
def test_statistics_kept_in_any_type_move_as_by_torch_alone(monkeypatch, dtype, momentum):
    by_kernel, by_torch = (nn.BatchNorm1d(20, momentum=momentum).to(dtype) for _ in range(2))
    for _ in range(5):
        x = (torch.randn(30, 20) * 3 + 1).to(dtype)
        by_kernel(x)
        with monkeypatch.context() as patch:
            patch.setattr(by_torch, "_in_eager", lambda *_: None)
            by_torch(x)
    assert int(by_kernel.num_batches_tracked) == 5
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(by_kernel, name), getattr(by_torch, name), rtol=1e-6, atol=1e-7)
