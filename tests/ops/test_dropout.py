import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from dropnorm import ops
from dropnorm.errors import ArgumentError, ArgumentTypeError, ShapeError
from dropnorm.random import keep_mask

KEY = torch.tensor(17)
KEYS = torch.tensor([17, -2, 2**40])
ROWS = torch.tensor([7, 2**33, 0, 1])
F64 = torch.float64

# name -> (shape of x, p, key, rows, channelwise)
CASES = {
    "units": ((4, 6), [0.4], KEY, None, False),
    "rows": ((4, 6), [0.4], KEY, ROWS, False),
    "channels": ((4, 3, 2, 2), [0.4], KEY, None, True),
    "groups": ((3, 4, 6), [0.4, 0.0, 1.0], KEYS, None, False),
    "groups, rows, channels": ((3, 4, 2, 3), [0.4, 0.2, 0.3], KEYS, ROWS, True),
}


@pytest.mark.parametrize("case", CASES)
def test_the_operation_is_registered_as_torch_expects(case):
    shape, p, key, rows, channelwise = CASES[case]
    x = torch.randn(shape, requires_grad=True)
    torch.library.opcheck(torch.ops.dropnorm.dropout.default, (x, p, key, 0, rows, channelwise))


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_the_operation_is_registered_with_the_memory_format_it_returns(layout):
    x = torch.randn(2, 3, 4, 4).to(memory_format=layout)
    torch.library.opcheck(torch.ops.dropnorm.dropout.default, (x, [0.5], KEY, 0, None, False))


@pytest.mark.parametrize("case", CASES)
def test_first_and_second_derivatives(case):
    shape, p, key, rows, channelwise = CASES[case]
    x = torch.randn(shape, dtype=F64, requires_grad=True)

    def function(x):
        return ops.dropout(x, p, key, rows=rows, channelwise=channelwise)

    assert gradcheck(function, x)
    assert gradgradcheck(function, x)


@pytest.mark.parametrize("shape", [(1, 1), (0, 5), (5, 0), (3,), (63, 65), (2, 1023), (4, 3, 5)])
def test_units_are_dropped_by_the_contracts_mask_and_the_others_scaled(shape):
    x = torch.randn(shape, dtype=F64)
    y = ops.dropout(x, 0.25, KEY, site=3)
    columns = x[0].numel() if len(x) else x.numel()
    kept = keep_mask(KEY, torch.arange(len(x)), columns, [0.25], 3).reshape(shape)
    torch.testing.assert_close(y, torch.where(kept, x / 0.75, 0.0), rtol=1e-15, atol=0)


def test_the_gradient_has_the_mask_of_the_output():
    x = torch.ones(63, 65, requires_grad=True)
    y = ops.dropout(x, 0.5, KEY)
    y.sum().backward()
    assert torch.equal(x.grad, y)


def zero_pattern(x):
    return ops.dropout(x, 0.5, KEY).ne(0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_mask_does_not_depend_on_the_type(dtype):
    x = torch.ones(33, 7, 5)
    assert torch.equal(zero_pattern(x.to(dtype)), zero_pattern(x))
    assert ops.dropout(x.to(dtype), 0.5, KEY).dtype == dtype


def test_a_mask_does_not_depend_on_the_memory_format():
    x = torch.ones(6, 5, 7, 9)
    expected = zero_pattern(x)
    assert torch.equal(zero_pattern(x.to(memory_format=torch.channels_last)), expected)
    assert torch.equal(zero_pattern(torch.ones(6, 5, 9, 7).transpose(2, 3)), expected)
    assert torch.equal(zero_pattern(torch.ones(12, 5, 7, 18)[::2, :, :, ::2]), expected)
    assert torch.equal(zero_pattern(torch.ones(1, 1, 1, 1).expand(6, 5, 7, 9)), expected)


# The product is made in float32 and rounded to nearest once: at most half a unit in the last place, that is 2**-8 of the
# value for bfloat16's 8 bits and 2**-11 for float16's 11; a hundredth for the two roundings in float32, which are all of
# float32's own. Scaling in the
# 16-bit type rounds 1 / (1 - p) too, for up to twice as much.
@pytest.mark.parametrize(
    ("dtype", "half_ulp"), [(torch.bfloat16, 2.0**-8), (torch.float16, 2.0**-11), (torch.float32, 2.0**-23)]
)
@pytest.mark.parametrize("p", [0.1, 0.3, 0.7])
def test_a_result_is_rounded_once(dtype, half_ulp, p):
    x = torch.rand(500, 100).add(0.5).to(dtype)
    y = ops.dropout(x, p, KEY)
    exact = torch.where(y != 0, x.double() / (1 - p), 0.0)
    torch.testing.assert_close(y.double(), exact, rtol=half_ulp * 1.01, atol=0)


def test_groups_are_a_loop_over_groups():
    x, p = torch.randn(3, 4, 6), [0.4, 0.0, 1.0]
    y = ops.dropout(x, p, KEYS, rows=ROWS)
    for group in range(3):
        assert torch.equal(y[group], ops.dropout(x[group], p[group], KEYS[group], rows=ROWS))


def test_a_channel_is_dropped_as_a_whole_and_by_one_column_of_the_mask():
    y = ops.dropout(torch.ones(8, 5, 3, 4), 0.5, KEY, channelwise=True)
    kept = keep_mask(KEY, torch.arange(8), 5, [0.5])
    assert torch.equal(y, kept[:, :, None, None] * torch.full_like(y, 2.0))


def test_parts_of_a_batch_are_dropped_as_the_whole():
    x = torch.randn(10, 33)
    whole, rows = ops.dropout(x, 0.5, KEY), torch.arange(10)
    parts = [ops.dropout(x[part], 0.5, KEY, rows=rows[part]) for part in (slice(0, 3), slice(3, 10))]
    assert torch.equal(torch.cat(parts), whole)


def test_sites_and_keys_tell_dropouts_apart():
    x = torch.ones(16, 64)
    masks = [ops.dropout(x, 0.5, KEY), ops.dropout(x, 0.5, KEY, site=1), ops.dropout(x, 0.5, KEY + 1)]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        agree = (masks[i] == masks[j]).double().mean()
        # 1024 fair coins; six deviations of 1 / 64 are 2e-9 of bad luck.
        assert abs(agree - 0.5) < 6 / 64


def test_p_of_one_gives_zeros_and_no_gradient():
    x = torch.full((4, 5), torch.inf, requires_grad=True)
    y = ops.dropout(x, 1.0, KEY)
    y.sum().backward()
    assert torch.equal(y, torch.zeros(4, 5))
    assert torch.equal(x.grad, torch.zeros(4, 5))


def test_p_of_zero_gives_the_input_in_a_tensor_of_its_own():
    x = torch.randn(4, 5)
    y = ops.dropout(x, 0.0, KEY)
    assert torch.equal(y, x)
    assert y.data_ptr() != x.data_ptr()


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_a_dropped_unit_is_zero_whatever_it_was(value):
    y = ops.dropout(torch.full((20, 20), value), 0.5, KEY)
    kept = keep_mask(KEY, torch.arange(20), 20, [0.5])
    assert torch.equal(y[~kept], torch.zeros(int((~kept).sum())))
    assert not y[kept].isfinite().any()


def test_nothing_but_the_key_and_the_rows_is_saved():
    saved = []
    x = torch.randn(200, 300, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):
        ops.dropout(x, 0.5, KEY)
        ops.dropout(x, 0.5, KEY, rows=torch.arange(200))
    assert sorted(tensor.numel() for tensor in saved) == [1, 1, 200]


def test_the_mean_is_kept():
    # Each of the n = 2**20 units is 0 or 1 / (1 - p): the mean's deviation is sqrt(p / (1 - p) / n), and six of them 2e-9
    # of bad luck.
    y = ops.dropout(torch.ones(1024, 1024, dtype=F64), 0.3, KEY)
    assert abs(float(y.mean()) - 1.0) < 6 * (0.3 / 0.7 / 2**20) ** 0.5


def test_errors(refuses):
    x = torch.zeros(4, 3)
    with refuses(
        ArgumentError, "p=30 is not a probability: expected 0 <= p <= 1. To drop 30 % of the units use p=0.3."
    ):
        ops.dropout(x, 30, KEY)
    with refuses(
        ArgumentError,
        "site=-1 is out of range: expected 0 <= site < 2**31. Number the dropouts that share a key from 0.",
    ):
        ops.dropout(x, 0.0, KEY, site=-1)
    with refuses(
        ShapeError,
        "key.shape=(3,) does not fit x.shape=(4, 3): expected a key of shape (), or (groups,) for an x of shape "
        "(groups, N, *).",
    ):
        ops.dropout(x, 0.5, KEYS)
    with refuses(ShapeError, "rows.shape=(3,) does not fit x.shape=(4, 3): expected one row index per sample."):
        ops.dropout(x, 0.5, KEY, rows=torch.arange(3))
    with refuses(
        ArgumentTypeError,
        "x.dtype=torch.int64 is not supported: expected float32, float64, bfloat16 or float16. Convert it with x.float().",
    ):
        ops.dropout(x.long(), 0.5, KEY)
    with refuses(
        ArgumentTypeError, "key.dtype=torch.int32 is not supported: expected torch.int64. Convert it with key.long()."
    ):
        ops.dropout(x, 0.5, KEY.int())


def test_compiled_it_gives_the_same_to_the_bit(compiled):
    def function(x, key, rows):
        grouped = ops.dropout(x, [0.2, 0.0, 0.5, 0.9], torch.stack((key, key + 1, key, key - 1)))
        return ops.dropout(x.exp(), 0.3, key, rows=rows).sum(1) + grouped.sum(1)

    x, fast = torch.randn(4, 5, 3), compiled(function)
    twin = x.clone().requires_grad_()
    x.requires_grad_()
    for key in (KEY, KEY + 5):
        slow, quick = function(x, key, ROWS), fast(twin, key, ROWS)
        torch.testing.assert_close(slow, quick)
        slow.sum().backward()
        quick.sum().backward()
        torch.testing.assert_close(x.grad, twin.grad)


@pytest.mark.parametrize("drop", [ops.dropout, lambda x, *args, **more: ops.dropout_(x * 1, *args, **more)])
def test_compiled_the_gradient_has_the_mask_of_a_key_and_rows_that_the_graph_moves_on(drop, compiled):
    # Of a view a compiler keeps nothing: it takes it again in the backward pass.
    state, rows = torch.tensor([0, 5]), torch.arange(6)

    def function(x):
        y = drop(x, 0.5, state[1], rows=rows[1:5])
        state.add_(2)
        rows.add_(4)
        return y

    fast = compiled(function)
    for step in range(3):
        x = torch.ones(4, 40, requires_grad=True)
        y = fast(x)
        y.sum().backward()
        expected = keep_mask(torch.tensor(5 + 2 * step), torch.arange(4) + 4 * step + 1, 40, [0.5])
        assert torch.equal(y.detach(), 2.0 * expected)
        assert torch.equal(x.grad, 2.0 * expected)


@pytest.mark.parametrize("format_", [torch.contiguous_format, torch.channels_last])
def test_in_place_is_the_same_in_the_tensor_itself(format_):
    x = torch.randn(4, 3, 5, 6).to(memory_format=format_)
    expected, before = ops.dropout(x, 0.5, KEY, site=2), x._version
    assert ops.dropout_(x, 0.5, KEY, site=2) is x
    assert torch.equal(x, expected)
    assert x._version > before  # autograd must notice that a value which it keeps has changed


def test_in_place_takes_no_memory_of_the_size_of_its_input(monkeypatch):
    monkeypatch.setattr(torch, "empty_like", None)
    ops.dropout_(torch.ones(40, 50), 0.5, KEY)
    leaf = torch.ones(40, 50, requires_grad=True)
    ops.dropout_(leaf * 2, 0.5, KEY)


def test_in_place_on_a_view_changes_what_it_looks_at():
    leaf = torch.ones(4, 6, requires_grad=True)
    whole = leaf * 3
    ops.dropout_(whole[1:3], 0.5, KEY)
    expected = torch.cat(
        (torch.full((1, 6), 3.0), ops.dropout(torch.full((2, 6), 3.0), 0.5, KEY), torch.full((1, 6), 3.0))
    )
    assert torch.equal(whole.detach(), expected)
    whole.sum().backward()
    assert torch.equal(leaf.grad, expected)


def test_in_place_leaves_a_parameter_as_it_was():
    leaf = torch.ones(4, 6, requires_grad=True)
    with pytest.raises(RuntimeError, match="in-place operation"):
        ops.dropout_(leaf, 0.5, KEY)
    assert torch.equal(leaf.detach(), torch.ones(4, 6))
