import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dropnorm.kernels import cpu, instruction_sets, reference

NATIVE = [name for name in instruction_sets.available() if name != instruction_sets.REFERENCE]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
RESULTS = ("y", "mean", "var", "grad_x", "grad_weight", "grad_bias")
KEY = torch.tensor(-0x123456789ABCDEF)
# In the largest value's units: one in the last place of the type in which results are stored, and a few of float32's own.
TOLERANCE = {torch.float32: 3e-6, torch.float64: 1e-13, torch.bfloat16: 2.0**-7, torch.float16: 2.0**-10}

pytestmark = pytest.mark.skipif(not NATIVE, reason="no C++ kernels: test_cpu.py says whether there should be")


def results(
    backend,
    x,
    grad,
    weight=None,
    bias=None,
    mask=None,
    *,
    eps=1e-2,
    activation="identity",
    p=(0.3,),
    key=KEY,
    site=0,
    rows=None,
    channelwise=False,
):
    """RESULTS of the forward and the backward pass."""
    rest = (eps, activation, 0.1, p, key, site, rows, channelwise, key.ndim == 1)
    y, mean, var = backend.batch_norm_act_dropout(x, weight, bias, mask, *rest)
    return y, mean, var, *backend.batch_norm_act_dropout_backward(grad, x, weight, bias, mean, var, mask, *rest)


def assert_near(got, expected, dtype):
    for name, one, other in zip(RESULTS, got, expected, strict=False):
        tolerance = TOLERANCE[dtype] * max(1.0, float(other.abs().nan_to_num().max()))
        message = f"{name}: {{}}".format
        torch.testing.assert_close(one.double(), other, rtol=0, atol=tolerance, equal_nan=True, msg=message)


def assert_right(x, grad, *parameters, **options):
    """Near the reference in float64, with its mask to the bit and its strides."""
    expected = results(reference, x.double(), grad.double(), *parameters, **options)
    got = results(cpu, x, grad, *parameters, **options)
    assert [each.stride() for each in got] == [each.stride() for each in expected]
    assert_near(got, expected, x.dtype)
    if options.get("activation", "identity") == "identity" and x.dtype != torch.float16:
        assert torch.equal(got[0] == 0, expected[0] == 0)


def assert_identical(got, expected):
    for name, one, other in zip(RESULTS, got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True, msg=f"{name}: {{}}".format)


def example(*shape, dtype=torch.float32):
    """x and the gradient of y, weight and bias."""
    return torch.randn(shape).to(dtype), torch.randn(shape).to(dtype), torch.rand(shape[1]) + 0.5, torch.randn(shape[1])


def channels_last(x, leading=0):
    """The same values, the channels neighbours in memory."""
    return x.movedim(leading + 1, -1).contiguous().movedim(-1, leading + 1)


@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(33, 20), (33, 20, 3), (300, 129), (5, 3, 40, 9)], ids=str)
def test_batch_norm_activation_and_dropout_are_the_reference_in_float64(native, shape, dtype, activation):
    assert_right(*example(*shape, dtype=dtype), eps=1e-5, activation=activation, site=2)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(33, 20), (33, 20, 3)], ids=str)
def test_batch_norm_alone_is_the_reference_in_float64(native, shape, dtype):
    x, grad, weight, bias = example(*shape, dtype=dtype)
    expected = reference.batch_norm(x.double(), weight, bias, None, 1e-5, False)
    got = cpu.batch_norm(x, weight, bias, None, 1e-5, False)
    expected += reference.batch_norm_backward(grad.double(), x.double(), weight, *expected[1:], None, 1e-5, False)
    got += cpu.batch_norm_backward(grad, x, weight, *got[1:], None, 1e-5, False)
    assert_near(got, expected, dtype)


@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_instruction_sets_agree_to_the_bit(forced, dtype, activation):
    for shape in ((300, 37), (20, 37, 5, 5), (2, 3, 17000)):
        x, grad, weight, bias = example(*shape, dtype=dtype)
        for order in (torch.Tensor.contiguous, channels_last):
            found = []
            for name in NATIVE:
                with forced(name):
                    found.append(results(cpu, order(x), order(grad), weight, bias, activation=activation))
            for other in found[1:]:
                assert_identical(other, found[0])


@pytest.mark.parametrize("order", [torch.Tensor.contiguous, channels_last])
@pytest.mark.parametrize("shape", [(1100, 129), (60, 20, 10, 10), (1, 3, 45000)], ids=str)
def test_the_number_of_threads_changes_nothing(native, shape, order):
    x, grad, weight, bias = example(*shape)
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            found.append(results(cpu, order(x), order(grad), weight, bias, activation="gelu"))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert_identical(other, found[0])


def test_calls_from_several_threads_do_not_meet(native):
    inputs = [example(40 + i, 20, 30) for i in range(16)]
    serial = [results(cpu, *each) for each in inputs]
    with ThreadPoolExecutor(4) as pool:
        for got, expected in zip(pool.map(lambda each: results(cpu, *each), inputs), serial, strict=True):
            assert_identical(got, expected)


STORED = {
    "channels first": lambda x: x,
    "channels last": channels_last,
    "every second sample": lambda x: x.repeat_interleave(2, 0)[::2],
    "some channels": lambda x: torch.cat((x, x, x), 1)[:, x.shape[1] : 2 * x.shape[1]],
    "some positions of channels last": lambda x: channels_last(torch.cat((x, x), -1))[..., : x.shape[-1]],
    "samples last": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
}


@pytest.mark.parametrize("channelwise", [False, True])
@pytest.mark.parametrize("shape", [(9, 20), (6, 20, 70), (6, 20, 4, 5), (2, 20, 3, 4, 5)], ids=str)
def test_memory_formats_change_nothing(native, shape, channelwise):
    x, grad, weight, bias = example(*shape)
    for of_x in STORED.values():
        for of_grad in (of_x, *STORED.values()):
            assert_right(of_x(x), of_grad(grad), weight, bias, channelwise=channelwise)


def test_values_that_share_memory(native):
    x, grad, weight, bias = example(6, 1, 4, 5)
    wide = x.expand(-1, 9, -1, -1)
    assert_right(wide, grad.expand(-1, 9, -1, -1), weight.expand(9), bias.expand(9))
    assert_right(wide, torch.ones(()).expand_as(wide))
    assert_right(torch.randn(5, 7, 4, 4).to(memory_format=torch.channels_last), torch.ones(()).expand(5, 7, 4, 4))


@pytest.mark.parametrize("order", [lambda x, _: x, channels_last])
@pytest.mark.parametrize("channelwise", [False, True])
@pytest.mark.parametrize("shape", [(4, 300, 20), (4, 5, 20, 70), (4, 5, 6, 3, 3)], ids=str)
def test_groups_have_keys_rates_and_statistics_of_their_own(native, shape, channelwise, order):
    x, grad = order(torch.randn(shape), 1), order(torch.randn(shape), 1)
    weight, bias = torch.rand(4, shape[2]) + 0.5, torch.randn(4, shape[2])
    mask = STORED["samples last"](torch.rand(4, shape[1], *shape[3:]) < 0.7)
    keys = torch.tensor([1, 9, 2, 9, 1, 9, -4, 9])[::2]
    for p in ((0.0, 0.2, 1.0, 0.7), (0.5,) * 4):
        options = {"p": p, "key": keys, "channelwise": channelwise}
        assert_right(x, grad, weight, bias, **options)
        assert_right(x, grad, weight, bias, mask, **options)


@pytest.mark.parametrize("shape", [(3, 150), (3, 10, 33)], ids=str)
def test_rows_and_sites_choose_the_mask(native, shape):
    rows = torch.tensor([5, 0, 2**40, 2**32, 7])[::2]
    x, grad, weight, bias = example(*shape)
    for order in (torch.Tensor.contiguous, channels_last):
        assert_right(order(x), order(grad), weight, bias, rows=rows, site=2**31 - 1)


@pytest.mark.parametrize("order", [lambda x, _: x, channels_last])
@pytest.mark.parametrize("shape", [(2, 40, 20), (2, 7, 20, 30), (2, 2, 3, 17000)], ids=str)
def test_what_does_not_count_does_not_reach_the_statistics(native, shape, order):
    x = torch.randn(shape)
    flat = torch.zeros(2, shape[1] * math.prod(shape[3:]), dtype=torch.bool)
    for first, second in ((flat, flat), (flat, ~flat), (torch.rand(flat.shape) < 0.3, torch.rand(flat.shape) < 0.9)):
        mask = torch.stack((first[0], second[1])).reshape(2, shape[1], *shape[3:])
        mask[1, -1].view(-1)[-1] = True  # one position at least, and where all others are False, one alone
        spoilt = order(torch.where(mask.unsqueeze(2), x, torch.nan), 1)
        _, *got = cpu.batch_norm(spoilt, None, None, mask, 1e-5, True)
        _, *expected = reference.batch_norm(x.double(), None, None, mask, 1e-5, True)
        assert_near(got, expected, torch.float32)
        if not mask[0].any():
            assert not got[0][0].any()
            assert not got[1][0].any()
        assert_right(order(x, 1), torch.randn(shape), None, None, mask, key=torch.tensor([3, 4]), p=(0.5, 0.2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 63, 65, 255, 257, 1023, 2049])
def test_any_number_of_rows(native, rows, dtype):
    assert_right(*example(rows, 18, dtype=dtype), activation="silu")
    assert_right(*example(rows, 3, 2, dtype=dtype), activation="silu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("channels", [1, 3, 15, 16, 17, 127, 129, 600, 2100])
def test_any_number_of_channels(native, channels, dtype):
    assert_right(*example(13, channels, dtype=dtype), activation="silu")
    x, grad, weight, bias = example(3, channels, 5, dtype=dtype)
    for order in (torch.Tensor.contiguous, channels_last):
        assert_right(order(x), order(grad), weight, bias, activation="silu")


@pytest.mark.parametrize("channelwise", [False, True])
@pytest.mark.parametrize("positions", [1, 2, 15, 16, 17, 49, 1025, 16385, 33000])
def test_any_number_of_positions(native, positions, channelwise):
    x, grad, weight, bias = example(2, 3, positions)
    mask = torch.rand(2, positions) < 0.5
    for order in (torch.Tensor.contiguous, channels_last):
        assert_right(order(x), order(grad), weight, bias, channelwise=channelwise)
        assert_right(order(x), order(grad), weight, bias, mask, channelwise=channelwise)


@pytest.mark.parametrize("order", [torch.Tensor.contiguous, channels_last])
@pytest.mark.parametrize(("dtype", "mean", "within"), [(torch.float32, 1e4, 1e-4), (torch.float64, 1e8, 1e-7)], ids=str)
@pytest.mark.parametrize("shape", [(3000, 20), (7, 20, 500), (2, 3, 17000)], ids=str)
def test_a_large_mean_does_not_swallow_the_variance(native, shape, dtype, mean, within, order):
    x = order(torch.randn(shape, dtype=torch.float64) + mean).to(dtype)
    axes = [0, *range(2, x.ndim)]
    exact = x.double() - mean  # exact: the difference of near numbers
    y, _, var = cpu.batch_norm(x, None, None, None, 0.0, False)
    torch.testing.assert_close(var.double(), exact.var(axes, correction=0), rtol=within, atol=0)
    assert y.double().var(axes, correction=0).sub(1).abs().max() < 10 * within
    assert cpu.batch_norm(torch.full_like(x, mean / 3), None, None, None, 0.0, False)[2].min() >= 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_denormals_are_numbers(native, dtype):
    x = (torch.randn(64, 20) * torch.finfo(dtype).tiny / 8).to(dtype)
    assert x.any()
    _, mean, _ = cpu.batch_norm(x, None, None, None, 1e-5, False)
    unit = torch.finfo(torch.float32).smallest_normal * torch.finfo(torch.float32).eps
    torch.testing.assert_close(mean.double(), x.double().mean(0), rtol=1e-5, atol=4 * unit)


@pytest.mark.parametrize("order", [torch.Tensor.contiguous, channels_last])
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("shape", [(300, 20), (7, 20, 30)], ids=str)
def test_what_is_not_a_number_poisons_its_channel_alone(native, shape, value, order):
    x, grad, weight, bias = example(*shape)
    clean = results(cpu, order(x), order(grad), weight, bias, activation="gelu")
    x[3, 5] = value
    poisoned = results(cpu, order(x), order(grad), weight, bias, activation="gelu")
    assert not poisoned[1][5].isfinite()
    assert poisoned[2][5].isnan()
    others = torch.arange(20) != 5
    for one, other in zip(clean, poisoned, strict=True):
        channel = int(one.ndim > 1)
        assert torch.equal(one.movedim(channel, 0)[others], other.movedim(channel, 0)[others])


def test_parameters_of_any_type_and_stride_or_none(native):
    def strided(values):
        return values.repeat_interleave(2)[::2]

    x, grad, weight, bias = example(50, 20)
    for dtype in DTYPES:
        one, other = weight.to(dtype), bias.to(dtype)
        for parameters in ((one, other), (None, other), (one, None), (strided(one), strided(other))):
            assert_right(x, grad, *parameters)
            assert_right(x.double(), grad.double(), *parameters)
    mean, var = x.mean(0), x.var(0, correction=0)
    expected = cpu.batch_norm_backward(grad, x, weight, mean, var, None, 1e-5, False)
    got = cpu.batch_norm_backward(grad, x, weight, strided(mean), strided(var), None, 1e-5, False)
    for one, other in zip(got, expected, strict=True):
        assert torch.equal(one, other)


@settings(deadline=None, max_examples=60)
@given(
    leading=st.integers(0, 3),
    shape=st.lists(st.integers(1, 33), min_size=2, max_size=4),
    dtype=st.sampled_from(DTYPES),
    rates=st.lists(st.floats(0, 0.9) | st.sampled_from([0.0, 0.5, 1.0]), min_size=3, max_size=3),
    site=st.integers(0, 2**31 - 1),
    channelwise=st.booleans(),
    activation=st.sampled_from(["identity", "gelu", "silu"]),  # a kink would tell values a rounding apart
    masked=st.booleans(),
    last=st.booleans(),
)
def test_any_shape_and_any_options(leading, shape, dtype, rates, site, channelwise, activation, masked, last):
    shape = (*(() if not leading else (leading,)), *shape)
    grouped = int(leading > 0)
    x, grad = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
    if last:
        x, grad = channels_last(x, grouped), channels_last(grad, grouped)
    parameter = (*shape[:grouped], shape[grouped + 1])
    mask = torch.rand(*shape[: grouped + 1], *shape[grouped + 2 :]) < 0.5 if masked else None
    assert_right(
        x,
        grad,
        torch.rand(parameter) + 0.5,
        torch.randn(parameter),
        mask,
        activation=activation,
        p=rates[: max(1, leading)],
        key=torch.arange(leading) if leading else KEY,
        site=site,
        channelwise=channelwise,
    )


@pytest.mark.parametrize("order", [torch.Tensor.contiguous, channels_last])
@pytest.mark.parametrize(
    "shape", [(4100, 2048), (65600, 128), (525000, 16), (2, 47, 300, 300), (3, 64, 256, 192)], ids=str
)
def test_outputs_that_go_past_the_caches_are_what_the_portable_kernels_store(forced, shape, order):
    # A sample of 300 x 300 is cut into stretches that do not end with a vector. By their length, 16, 4 or 1 rows go together.
    x, grad, weight, bias = example(*shape)
    assert x.nbytes >= 2**25
    found = []
    for name in NATIVE:
        with forced(name):
            found.append(results(cpu, order(x), order(grad), weight, bias, activation="relu"))
    for other in found[1:]:
        assert_identical(other, found[0])


@pytest.mark.parametrize("channels", [16, 64, 128, 1024])
def test_rows_of_any_length_beyond_the_caches_are_the_reference_in_float64(native, channels):
    # By their length, 16, 4 or 1 go together, and the last ones are fewer.
    x, grad, *parameters = example(2**21 // channels + 3, channels)
    assert x.nbytes >= 2**23
    assert_right(x, grad, *parameters, activation="relu")
    assert_right(x, grad, *parameters, mask=torch.rand(len(x)) < 0.9)
