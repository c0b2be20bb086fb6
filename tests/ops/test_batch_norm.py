import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from dropnorm import ops
from dropnorm.errors import ArgumentTypeError, ShapeError

F64 = torch.float64
EPS = 1e-5


def positions(*shape):
    """A mask that leaves a third out, and never all."""
    mask = torch.ones(shape, dtype=torch.bool)
    mask.flatten()[1::3] = False
    return mask


# name -> (shape of x, affine, mask, grouped)
CASES = {
    "plain": ((5, 3), False, None, False),
    "affine": ((5, 3), True, None, False),
    "sequence, mask": ((4, 2, 3), True, positions(4, 3), False),
    "groups": ((2, 5, 3), True, None, True),
    "groups, mask": ((2, 4, 2, 3), False, positions(2, 4, 3), True),
}


def inputs(case, dtype=F64):
    shape, affine, mask, grouped = CASES[case]
    channels = (shape[0], shape[2]) if grouped else shape[1:2]
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    weight, bias = (
        (torch.randn(channels, dtype=dtype, requires_grad=True) for _ in range(2)) if affine else (None, None)
    )
    return x, weight, bias, mask, grouped


@pytest.mark.parametrize("case", CASES)
def test_the_operation_is_registered_as_torch_expects(case):
    x, weight, bias, mask, grouped = inputs(case, torch.float32)
    torch.library.opcheck(torch.ops.dropnorm.batch_norm.default, (x, weight, bias, mask, EPS, grouped))


@pytest.mark.parametrize("case", ["affine", "groups, mask"])
def test_the_operation_of_the_gradient_is_registered_as_torch_expects(case):
    x, weight, bias, mask, grouped = inputs(case)
    _, mean, var = (value.detach() for value in ops.batch_norm(x, weight, bias, mask=mask, grouped=grouped))
    grad = torch.randn_like(x, requires_grad=True)
    args = (grad, x, weight, mean, var, mask, EPS, grouped)
    # The second derivative counts what the statistics carry, which to opcheck are inputs of their own.
    utilities = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.dropnorm.batch_norm_backward.default, args, test_utils=utilities)


def test_the_operation_is_registered_with_the_memory_format_it_returns():
    x = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    torch.library.opcheck(torch.ops.dropnorm.batch_norm.default, (x, None, None, None, EPS, False))


@pytest.mark.parametrize("case", CASES)
def test_first_and_second_derivatives(case):
    x, weight, bias, mask, grouped = inputs(case)
    leaves = (x, weight, bias) if weight is not None else (x,)

    def function(*leaves):
        return ops.batch_norm(*leaves, mask=mask, grouped=grouped)[0]

    assert gradcheck(function, leaves)
    assert gradgradcheck(function, leaves)


def test_a_weight_without_a_bias_and_a_bias_without_a_weight():
    x, parameter = torch.randn(5, 3, dtype=F64, requires_grad=True), torch.rand(3, dtype=F64, requires_grad=True)
    assert gradgradcheck(lambda x, weight: ops.batch_norm(x, weight)[0], (x, parameter))
    assert gradgradcheck(lambda x, bias: ops.batch_norm(x, None, bias)[0], (x, parameter))
    expected = F.batch_norm(x, None, None, parameter, None, True)
    torch.testing.assert_close(ops.batch_norm(x, parameter)[0], expected)
    expected = F.batch_norm(x, None, None, None, parameter, True)
    torch.testing.assert_close(ops.batch_norm(x, None, parameter)[0], expected)


# float32: sums of up to 1023 values and a product with 1 / deviation, each step off by 2**-24 of itself. The 16-bit types:
# the same, and then half a unit in the last place, 2**-8 and 2**-11 of the value.
TOLERANCES = {
    torch.float64: {"rtol": 1e-11, "atol": 1e-11},
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.bfloat16: {"rtol": 1.01 * 2.0**-8, "atol": 1e-5},
    torch.float16: {"rtol": 1.01 * 2.0**-11, "atol": 1e-5},
}


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("shape", [(2, 1), (63, 65), (1023, 3), (4, 3, 5), (2, 3, 7, 5), (2, 2, 3, 2, 3)])
def test_output_and_gradients_are_those_of_torch_in_float64(shape, dtype):
    x = torch.randn(shape).mul(3).add(1).to(dtype).requires_grad_()
    weight, bias = (torch.randn(shape[1]).to(dtype).requires_grad_() for _ in range(2))
    exact = [value.detach().double().requires_grad_() for value in (x, weight, bias)]
    y, mean, var = ops.batch_norm(x, weight, bias)
    expected = F.batch_norm(exact[0], None, None, *exact[1:], training=True)
    torch.testing.assert_close(y.double(), expected, **TOLERANCES[dtype])
    statistics = torch.float64 if dtype == torch.float64 else torch.float32
    assert (y.dtype, mean.dtype, var.dtype) == (dtype, statistics, statistics)

    grad = torch.randn(shape).to(dtype)
    found = torch.autograd.grad(y, (x, weight, bias), grad)
    for one, other in zip(found, torch.autograd.grad(expected, exact, grad.double()), strict=True):
        assert one.dtype == dtype
        # A sum's error is relative to its largest term and not to a result in which terms cancel.
        tolerance = TOLERANCES[dtype] | {"atol": TOLERANCES[dtype]["atol"] * max(1.0, float(other.abs().max()))}
        torch.testing.assert_close(one.double(), other, **tolerance)


def test_parameters_in_float32_serve_an_input_in_bfloat16_and_get_their_own_gradients():
    x = torch.randn(50, 4).bfloat16()
    weight, bias = torch.rand(4, requires_grad=True), torch.rand(4, requires_grad=True)
    y, _, _ = ops.batch_norm(x, weight, bias)
    y.float().square().sum().backward()
    assert y.dtype == torch.bfloat16
    assert weight.grad.dtype == bias.grad.dtype == torch.float32


def test_a_mean_of_ten_thousand_does_not_swallow_a_deviation_of_one():
    x = torch.randn(4096, 3) + 1e4
    y, mean, var = ops.batch_norm(x)
    exact = x.double()
    torch.testing.assert_close(var.double(), exact.var(0, correction=0), rtol=1e-5, atol=0)
    torch.testing.assert_close(mean.double(), exact.mean(0), rtol=2.0**-23, atol=0)
    # x - mean is off by half a unit in the last place of the mean, 2**-24 * 1e4.
    torch.testing.assert_close(y.double(), F.batch_norm(exact, None, None, training=True), rtol=1e-5, atol=1e-3)


@settings(deadline=None, max_examples=50)
@given(
    st.integers(2, 50),
    st.integers(1, 4),
    st.floats(-1e3, 1e3),
    st.floats(1e-3, 1e3),
    st.sampled_from([1e-5, 1e-3, 1.0]),
)
def test_normalized_values_have_mean_zero_and_variance_var_over_var_plus_eps(count, channels, shift, scale, eps):
    x = torch.randn(count, channels, 3, dtype=F64) * scale + shift
    y, mean, var = ops.batch_norm(x, eps=eps)
    torch.testing.assert_close(y.mean((0, 2)), torch.zeros(channels, dtype=F64), rtol=0, atol=1e-8)
    torch.testing.assert_close(y.var((0, 2), correction=0), var / (var + eps), rtol=1e-8, atol=0)
    torch.testing.assert_close(mean, x.mean((0, 2)))
    torch.testing.assert_close(var, x.var((0, 2), correction=0))


def test_groups_are_a_loop_over_groups():
    x, weight, bias, mask, _ = inputs("groups, mask")
    weight, bias = torch.randn(2, 2, 2, dtype=F64)
    grouped = ops.batch_norm(x, weight, bias, mask=mask, grouped=True)
    for group in range(2):
        alone = ops.batch_norm(x[group], weight[group], bias[group], mask=mask[group])
        torch.testing.assert_close(tuple(value[group] for value in grouped), alone)


def test_a_mask_computes_as_if_only_the_selected_positions_were_there():
    x, mask = torch.randn(6, 3, dtype=F64, requires_grad=True), torch.tensor([1, 0, 1, 1, 0, 1]).bool()
    part = x.detach()[mask].requires_grad_()
    y, mean, var = ops.batch_norm(x, mask=mask)
    expected, *statistics = ops.batch_norm(part)
    torch.testing.assert_close([y[mask], mean, var], [expected, *statistics])
    y[mask].pow(3).sum().backward()
    expected.pow(3).sum().backward()
    torch.testing.assert_close(x.grad[mask], part.grad)
    assert torch.equal(x.grad[~mask], torch.zeros(2, 3, dtype=F64))


def test_an_integer_mask_counts_its_nonzero_positions():
    x = torch.randn(4, 3)
    mask = torch.tensor([255, 0, 2, 1], dtype=torch.uint8)
    torch.testing.assert_close(ops.batch_norm(x, mask=mask), ops.batch_norm(x, mask=mask.bool()))


def test_statistics_carry_no_gradient():
    y, mean, var = ops.batch_norm(torch.randn(4, 3, requires_grad=True))
    assert y.requires_grad
    assert not mean.requires_grad
    assert not var.requires_grad


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (4, 0)])
def test_nothing_gives_nothing(shape):
    x = torch.randn(shape, requires_grad=True)
    y, mean, var = ops.batch_norm(x, torch.ones(shape[1]), torch.zeros(shape[1]))
    y.sum().backward()
    assert y.shape == x.grad.shape == shape
    assert torch.equal(mean, torch.zeros(shape[1]))
    assert torch.equal(var, torch.zeros(shape[1]))


def test_the_memory_format_of_the_input_does_not_show_in_the_result():
    x = torch.randn(4, 3, 6, 5)
    expected = ops.batch_norm(x)
    found = ops.batch_norm(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected)
    assert found[0].is_contiguous(memory_format=torch.channels_last)
    scattered = torch.empty(8, 3, 6, 10)[::2, :, :, ::2].copy_(x)
    torch.testing.assert_close(ops.batch_norm(scattered), expected)


def test_errors(refuses):
    x = torch.zeros(4, 3)
    with refuses(ShapeError, "x.shape=(4,) has no channel dimension: expected (N, C, *)."):
        ops.batch_norm(x[:, 0])
    with refuses(ShapeError, "x.shape=(4, 3) has no channel dimension: expected (groups, N, C, *)."):
        ops.batch_norm(x, grouped=True)
    with refuses(ShapeError, "weight.shape=(4,) does not fit x.shape=(4, 3): expected (3,)."):
        ops.batch_norm(x, torch.ones(4))
    with refuses(ShapeError, "bias.shape=(1, 3) does not fit x.shape=(4, 3): expected (3,)."):
        ops.batch_norm(x, None, torch.ones(1, 3))
    with refuses(
        ShapeError,
        "mask.shape=(3,) of torch.bool does not fit x.shape=(4, 3): expected a boolean mask of shape (4,), True where a "
        "position counts.",
    ):
        ops.batch_norm(x, mask=torch.ones(3, dtype=torch.bool))
    with refuses(
        ArgumentTypeError,
        "x.dtype=torch.int64 is not supported: expected float32, float64, bfloat16 or float16. Convert it with x.float().",
    ):
        ops.batch_norm(x.long())


def test_compiled_it_gives_the_same(compiled):
    def function(x, weight, mask):
        y, mean, var = ops.batch_norm(x.exp(), weight, mask=mask)
        z, _, _ = ops.batch_norm(y.unsqueeze(0), grouped=True)
        return z.square().sum() + (y * 2).pow(3).sum(), mean + var

    x = torch.randn(4, 3, 5, 6).to(memory_format=torch.channels_last)
    weight, mask = torch.rand(3), torch.rand(4, 5, 6) < 0.7
    found = []
    for call in (function, compiled(function)):
        leaf = x.clone().requires_grad_()
        loss, statistics = call(leaf, weight, mask)
        loss.backward()
        found.append((loss.detach(), statistics, leaf.grad))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)
