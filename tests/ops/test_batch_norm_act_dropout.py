import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

from dropnorm import ops
from dropnorm.errors import ArgumentError, ArgumentTypeError, ShapeError
from dropnorm.kernels.reference import ACTIVATIONS

F64 = torch.float64
EPS = 1e-5
KEY = torch.tensor(23)
KEYS = torch.tensor([23, -5])
ROWS = torch.tensor([3, 2**40, 0, 7, 1])

TORCHS = {
    "identity": lambda z: z,
    "relu": F.relu,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.3),
    "gelu": F.gelu,
    "silu": F.silu,
}


def positions(*shape):
    """A mask that leaves a third out, and never all."""
    mask = torch.ones(shape, dtype=torch.bool)
    mask.flatten()[1::3] = False
    return mask


# name -> (shape of x, affine, p, key, mask, rows, channelwise)
CASES = {
    "plain": ((5, 3), False, [0.4], KEY, None, None, False),
    "affine, rows": ((5, 3), True, [0.4], KEY, None, ROWS, False),
    "mask, channels": ((5, 2, 3), True, [0.4], KEY, positions(5, 3), None, True),
    "groups": ((2, 5, 3), True, [0.4, 0.0], KEYS, None, None, False),
    "groups, mask, rows": ((2, 5, 2, 2), True, [0.4, 0.7], KEYS, positions(2, 5, 2), ROWS, False),
}


def inputs(case, dtype=F64):
    shape, affine, p, key, mask, rows, channelwise = CASES[case]
    channels = (shape[0], shape[2]) if key.ndim else shape[1:2]
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    weight, bias = (
        (torch.randn(channels, dtype=dtype, requires_grad=True) for _ in range(2)) if affine else (None, None)
    )
    return x, weight, bias, p, key, {"mask": mask, "rows": rows, "channelwise": channelwise}


@pytest.mark.parametrize("case", CASES)
def test_the_operation_is_registered_as_torch_expects(case):
    x, weight, bias, p, key, options = inputs(case, torch.float32)
    args = (x, weight, bias, options["mask"], EPS, "silu", 0.3, p, key, 0, options["rows"], options["channelwise"])
    torch.library.opcheck(torch.ops.dropnorm.batch_norm_act_dropout.default, (*args, key.ndim == 1))


@pytest.mark.parametrize("case", ["affine, rows", "groups, mask, rows"])
def test_the_operation_of_the_gradient_is_registered_as_torch_expects(case):
    x, weight, bias, p, key, options = inputs(case)
    _, mean, var = (value.detach() for value in ops.batch_norm_act_dropout(x, weight, bias, p, key, **options))
    grad = torch.randn_like(x, requires_grad=True)
    rest = ("silu", 0.3, p, key, 0, options["rows"], options["channelwise"], key.ndim == 1)
    args = (grad, x, weight, bias, mean, var, options["mask"], EPS, *rest)
    # The second derivative counts what the statistics carry, which to opcheck are inputs of their own.
    utilities = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.dropnorm.batch_norm_act_dropout_backward.default, args, test_utils=utilities)


@pytest.mark.parametrize(
    ("case", "activation"), [*((case, "silu") for case in CASES), *(("affine, rows", other) for other in ACTIVATIONS)]
)
def test_first_and_second_derivatives(case, activation):
    x, weight, bias, p, key, options = inputs(case)
    leaves = (x,) if weight is None else (x, weight, bias)

    def function(x, weight=None, bias=None):
        return ops.batch_norm_act_dropout(
            x, weight, bias, p, key, activation=activation, negative_slope=0.3, site=2, **options
        )[0]

    assert gradcheck(function, leaves)
    assert gradgradcheck(function, leaves)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(63, 65), (1023, 2), (4, 3, 5), (2, 3, 7, 5)])
def test_it_is_torchs_batch_norm_and_activation_and_then_dropout(shape, activation):
    leaves = [torch.randn(shape, dtype=F64), *torch.randn(2, shape[1], dtype=F64)]
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]
    y, mean, var = ops.batch_norm_act_dropout(
        *leaves, 0.3, KEY, activation=activation, negative_slope=0.3, eps=1e-3, site=4
    )
    z = F.batch_norm(leaves[0], None, None, *leaves[1:], training=True, eps=1e-3)
    expected = ops.dropout(TORCHS[activation](z), 0.3, KEY, site=4)
    torch.testing.assert_close(y, expected, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close((mean, var), ops.batch_norm(leaves[0])[1:])
    grad = torch.randn(shape, dtype=F64)
    found, wanted = (torch.autograd.grad(value, leaves, grad) for value in (y, expected))
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def test_unless_told_otherwise_it_is_relu_with_torchs_eps():
    x = torch.randn(9, 4, dtype=F64)
    expected = ops.dropout(F.relu(F.batch_norm(x, None, None, training=True)), 0.3, KEY)
    torch.testing.assert_close(ops.batch_norm_act_dropout(x, None, None, 0.3, KEY)[0], expected)
    leaky = ops.batch_norm_act_dropout(x, None, None, 0.0, KEY, activation="leaky_relu")[0]
    torch.testing.assert_close(leaky, F.leaky_relu(F.batch_norm(x, None, None, training=True)))


# One rounding at the end: half a unit in the last place, 2**-8 and 2**-11 of the value, and float32's own errors before.
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.bfloat16, 1.01 * 2.0**-8), (torch.float16, 1.01 * 2.0**-11)])
def test_sixteen_bit_types_are_rounded_once_at_the_end(dtype, rtol):
    x, weight, bias = (t.to(dtype) for t in (torch.randn(63, 65), torch.randn(65), torch.randn(65)))
    y, mean, var = ops.batch_norm_act_dropout(x, weight, bias, 0.3, KEY, activation="gelu")
    exact, *_ = ops.batch_norm_act_dropout(x.double(), weight.double(), bias.double(), 0.3, KEY, activation="gelu")
    assert (y.dtype, mean.dtype, var.dtype) == (dtype, torch.float32, torch.float32)
    torch.testing.assert_close(y.double(), exact, rtol=rtol, atol=1e-5)


def test_groups_are_a_loop_over_groups():
    x, weight, bias, p, keys, options = inputs("groups, mask, rows")
    grouped = ops.batch_norm_act_dropout(x, weight, bias, p, keys, **options)
    for group in range(2):
        alone = ops.batch_norm_act_dropout(
            x[group], weight[group], bias[group], p[group], keys[group], mask=options["mask"][group], rows=ROWS
        )
        torch.testing.assert_close(tuple(value[group] for value in grouped), alone)


def test_a_mask_of_positions_computes_as_if_the_others_were_not_there():
    x, mask = torch.randn(5, 3, dtype=F64), positions(5)
    y, mean, var = ops.batch_norm_act_dropout(x, None, None, 0.5, KEY, mask=mask)
    rows = torch.arange(5)[mask]
    expected = ops.batch_norm_act_dropout(x[mask], None, None, 0.5, KEY, rows=rows)
    torch.testing.assert_close((y[mask], mean, var), expected)


@pytest.mark.parametrize("layout", ["channels_last", "scattered", "bfloat16", "float64"])
def test_a_mask_of_units_depends_on_neither_memory_format_nor_type(layout):
    x = torch.randn(4, 3, 6, 5)
    other = {
        "channels_last": lambda: x.to(memory_format=torch.channels_last),
        "scattered": lambda: torch.empty(8, 3, 6, 10)[::2, :, :, ::2].copy_(x),
        "bfloat16": lambda: x.bfloat16(),
        "float64": lambda: x.double(),
    }[layout]()
    zeros = [ops.batch_norm_act_dropout(t, None, None, 0.5, KEY, activation="identity")[0] == 0 for t in (x, other)]
    assert torch.equal(*zeros)


def test_p_of_one_gives_zeros():
    x = torch.randn(5, 3, requires_grad=True)
    y, mean, _ = ops.batch_norm_act_dropout(x, None, None, 1.0, KEY)
    y.sum().backward()
    assert torch.equal(y, torch.zeros(5, 3))
    assert torch.equal(x.grad, torch.zeros(5, 3))
    torch.testing.assert_close(mean, x.detach().mean(0))


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4)])
def test_nothing_gives_nothing(shape):
    x = torch.randn(shape, requires_grad=True)
    y, mean, var = ops.batch_norm_act_dropout(x, None, None, 0.5, KEY)
    y.sum().backward()
    assert y.shape == x.grad.shape == shape
    assert torch.equal(mean + var, torch.zeros(3))


def test_of_all_that_is_as_large_as_the_input_only_the_input_is_saved():
    saved = []
    x, weight, bias = (torch.randn(shape, requires_grad=True) for shape in ((200, 30), (30,), (30,)))
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):
        ops.batch_norm_act_dropout(x, weight, bias, 0.5, KEY, activation="silu")
    large = [tensor for tensor in saved if tensor.numel() > 30]
    assert [tensor.data_ptr() for tensor in large] == [x.data_ptr()]


def test_errors(refuses):
    x = torch.zeros(4, 3)
    with refuses(
        ArgumentError,
        "activation='rleu' is unknown: expected one of 'identity', 'relu', 'leaky_relu', 'gelu', 'silu'. "
        "Did you mean 'relu'?",
    ):
        ops.batch_norm_act_dropout(x, None, None, 0.5, KEY, activation="rleu")
    with refuses(ArgumentError, "p=-1 is not a probability: expected 0 <= p <= 1. Give p such a number."):
        ops.batch_norm_act_dropout(x, None, None, -1, KEY)
    with refuses(
        ArgumentError,
        "site=2147483648 is out of range: expected 0 <= site < 2**31. Number the dropouts that share a key from 0.",
    ):
        ops.batch_norm_act_dropout(x, None, None, 0.5, KEY, site=2**31)
    with refuses(ShapeError, "x.shape=(4, 3) has no channel dimension: expected (groups, N, C, *)."):
        ops.batch_norm_act_dropout(x, None, None, 0.5, KEYS)
    with refuses(ShapeError, "weight.shape=(4,) does not fit x.shape=(4, 3): expected (3,)."):
        ops.batch_norm_act_dropout(x, torch.ones(4), None, 0.5, KEY)
    with refuses(ShapeError, "rows.shape=(5,) does not fit x.shape=(4, 3): expected one row index per sample."):
        ops.batch_norm_act_dropout(x, None, None, 0.5, KEY, rows=ROWS)
    with refuses(
        ArgumentTypeError, "key.dtype=torch.float32 is not supported: expected torch.int64. Convert it with key.long()."
    ):
        ops.batch_norm_act_dropout(x, None, None, 0.5, KEY.float())


def test_compiled_it_gives_the_same(compiled):
    def function(x, weight, key):
        y, mean, var = ops.batch_norm_act_dropout(x.exp(), weight, None, 0.4, key, activation="gelu")
        return y.square().sum(), mean + var

    x, weight = torch.randn(4, 3, 5, 6).to(memory_format=torch.channels_last), torch.rand(3)
    found = []
    for call in (function, compiled(function)):
        leaf = x.clone().requires_grad_()
        loss, statistics = call(leaf, weight, KEY)
        loss.backward()
        found.append((loss.detach(), statistics, leaf.grad))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channelwise", [False, True])
def test_compiled_the_gradient_has_the_mask_of_a_key_that_the_graph_moves_on(channelwise, compiled):
    state, rows = KEY.clone(), torch.arange(6)

    def function(x, key, rows):
        y, _, _ = ops.batch_norm_act_dropout(
            x, None, None, 0.5, key * 3, rows=rows, activation="silu", channelwise=channelwise
        )
        return y

    def moving(x):
        y = function(x, state, rows)
        state.add_(1)
        rows.add_(6)
        return y

    fast, grad = compiled(moving), torch.randn(6, 5, 8)
    for step in range(3):
        x, found = torch.randn(6, 5, 8), []
        for call in (fast, lambda x, step=step: function(x, KEY + step, torch.arange(6) + 6 * step)):
            leaf = x.clone().requires_grad_()
            y = call(leaf)
            y.backward(grad)
            found.append((y.detach(), leaf.grad))
        torch.testing.assert_close(*found)
