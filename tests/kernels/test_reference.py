import pytest
import torch
import torch.nn.functional as F

from dropnorm.kernels import reference

EPS = 1e-5
F64 = torch.float64


def key_of(groups: int | None) -> torch.Tensor:
    return torch.tensor(3) if groups is None else torch.arange(3, 3 + groups)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.float64, torch.float64),
        (torch.float32,) * 2,
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
    ],
)
def test_sums_have_at_least_the_digits_of_float32(dtype, expected):
    x = torch.zeros(2, 3, dtype=dtype)
    assert reference.accumulation_dtype(x) == expected
    y, mean, var = reference.batch_norm(x, None, None, None, EPS, False)
    assert (y.dtype, mean.dtype, var.dtype) == (dtype, expected, expected)


@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
def test_activations_are_torchs(activation):
    z = torch.linspace(-6, 6, 101, dtype=F64)
    torchs = {
        "identity": torch.nn.Identity(),
        "relu": torch.nn.ReLU(),
        "leaky_relu": torch.nn.LeakyReLU(0.3),
        "gelu": torch.nn.GELU(),
        "silu": torch.nn.SiLU(),
    }
    assert torch.equal(reference.activate(z, activation, 0.3), torchs[activation](z))


# --- Dropout ---------------------------------------------------------------------------------------------------------


def test_dropout_scales_what_it_keeps_by_the_inverse_of_what_is_kept():
    x = torch.randn(50, 40, dtype=F64)
    y = reference.dropout(x, [0.3], key_of(None), 0, None, False)
    kept = y != 0
    assert 0.5 < kept.double().mean() < 0.9
    torch.testing.assert_close(y[kept], x[kept] / 0.7, rtol=1e-15, atol=0)


def test_the_rows_of_a_mask_are_counted_from_zero_unless_given():
    x = torch.ones(6, 5)
    whole = reference.dropout(x, [0.5], key_of(None), 0, None, False)
    part = reference.dropout(x[:2], [0.5], key_of(None), 0, torch.tensor([4, 1]), False)
    assert torch.equal(part, whole[[4, 1]])


@pytest.mark.parametrize("p", [[0.0, 0.5, 0.0, 0.9], [0.0] * 4, [0.5, 0.4, 0.3, 1.0], [1.0] * 4])
@pytest.mark.parametrize("channelwise", [False, True])
def test_groups_that_drop_nothing_ride_along_with_groups_that_do(p, channelwise):
    x, keys = torch.randn(4, 3, 7, 5), key_of(4)
    y = reference.dropout(x, p, keys, 2, None, channelwise)
    for group in range(4):
        alone = reference.dropout(x[group], [p[group]], keys[group], 2, None, channelwise)
        assert torch.equal(y[group], alone)


def test_channelwise_drops_a_channel_of_a_sample_as_a_whole():
    x = torch.ones(8, 6, 3, 4)
    y = reference.dropout(x, [0.5], key_of(None), 0, None, True)
    by_unit = reference.dropout(x[:, :, 0, 0], [0.5], key_of(None), 0, None, False)
    assert torch.equal(y, by_unit[:, :, None, None].expand_as(y))


def test_a_single_number_is_dropped_as_the_first_unit_of_the_first_row():
    x = torch.tensor(2.0)
    outcomes = {float(reference.dropout(x, [0.5], torch.tensor(key), 0, None, False)) for key in range(30)}
    assert outcomes == {0.0, 4.0}
    for key in range(30):
        alone = reference.dropout(x, [0.5], torch.tensor(key), 0, None, False)
        assert alone == reference.dropout(x.reshape(1, 1), [0.5], torch.tensor(key), 0, None, False)
        row = torch.tensor(9)
        assert reference.dropout(x, [0.5], torch.tensor(key), 0, row, False) == reference.dropout(
            x.reshape(1, 1), [0.5], torch.tensor(key), 0, row.reshape(1), False
        )


# --- Batch normalization ---------------------------------------------------------------------------------------------

SHAPES = [(2, 1), (63, 3), (65, 2), (1023, 1), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 2, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_is_torchs(shape):
    x = torch.randn(shape, dtype=F64) * 3 + 1
    weight, bias = torch.randn(2, shape[1], dtype=F64)
    y, mean, var = reference.batch_norm(x, weight, bias, None, EPS, False)
    torch.testing.assert_close(y, F.batch_norm(x, None, None, weight, bias, True, 0.0, EPS), rtol=1e-12, atol=1e-12)
    values = x.transpose(0, 1).flatten(1)
    torch.testing.assert_close(mean, values.mean(1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(var, values.var(1, correction=0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shift", [1e4, -1e4, 1e6])
def test_a_large_mean_does_not_swallow_a_deviation_of_one(shift):
    x = torch.randn(4095, 100) + shift
    _, mean, var = reference.batch_norm(x, None, None, None, EPS, False)
    exact = x.double()
    # The variance is summed from differences to the mean, each exact to 2**-24 of itself; a one-pass E[x**2] - E[x]**2
    # in float32 would be off by 2**-24 * shift**2, that is by 6 and more.
    torch.testing.assert_close(var.double(), exact.var(0, correction=0), rtol=1e-5, atol=0)
    # Half a unit in the last place: what the rounded sum of the first pass left, the second has taken out.
    torch.testing.assert_close(mean.double(), exact.mean(0), rtol=1.01 * 2.0**-24, atol=0)


def test_a_constant_channel_has_no_variance_and_gives_zeros():
    x = torch.tensor([0.1, 1e4, -1e8, 0.0]).expand(1023, 4)
    y, _, var = reference.batch_norm(x, None, None, None, EPS, False)
    assert (var >= 0).all()
    assert (y.abs() <= 1e-2).all()


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 7), (3, 2, 4, 5)])
def test_only_what_the_mask_selects_counts_but_all_is_normalized(shape):
    x = torch.randn(shape, dtype=F64)
    mask = torch.rand(shape[0], *shape[2:]) < 0.6
    mask.flatten()[:2] = True
    y, mean, var = reference.batch_norm(x, None, None, mask, EPS, False)
    selected = x.movedim(1, -1)[mask]  # (count, C)
    torch.testing.assert_close(mean, selected.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(var, selected.var(0, correction=0), rtol=1e-12, atol=1e-12)
    by_hand = (x.movedim(1, -1) - mean) / (var + EPS).sqrt()
    torch.testing.assert_close(y.movedim(1, -1), by_hand, rtol=1e-12, atol=1e-12)


def test_what_is_masked_out_may_hold_anything():
    x = torch.randn(6, 3)
    x[4:] = torch.nan
    mask = torch.tensor([True] * 4 + [False] * 2)
    y, mean, var = reference.batch_norm(x, None, None, mask, EPS, False)
    expected = reference.batch_norm(x[:4], None, None, None, EPS, False)
    torch.testing.assert_close((y[:4], mean, var), expected)


@pytest.mark.parametrize("x", [torch.zeros(0, 3), torch.zeros(2, 3, 0)])
def test_a_count_of_zero_gives_mean_zero_and_variance_zero(x):
    y, mean, var = reference.batch_norm(x, None, None, None, EPS, False)
    assert y.shape == x.shape
    assert torch.equal(mean, torch.zeros(3))
    assert torch.equal(var, torch.zeros(3))


def test_a_mask_that_selects_nothing_gives_mean_zero_and_variance_zero():
    _, mean, var = reference.batch_norm(torch.randn(4, 3), None, None, torch.zeros(4, dtype=torch.bool), EPS, False)
    assert torch.equal(mean, torch.zeros(3))
    assert torch.equal(var, torch.zeros(3))


# --- Gradients -------------------------------------------------------------------------------------------------------


def composed(x, weight, bias, mask, activation, p, key, channelwise, grouped):
    """The fused operation from torch's own, for torch to differentiate. Groups are a loop."""
    if grouped:
        each = [
            composed(
                *(None if t is None else t[g] for t in (x, weight, bias, mask)),
                activation,
                [p[g]],
                key[g],
                channelwise,
                False,
            )
            for g in range(len(p))
        ]
        return torch.stack(each)
    counted = x.movedim(1, -1)
    selected = counted.flatten(0, -2) if mask is None else counted[mask]
    z = (counted - selected.mean(0)) / (selected.var(0, correction=0) + EPS).sqrt()
    z = (z * weight + bias) if weight is not None else z
    kept = reference.dropout(torch.ones_like(x), p, key, 1, None, channelwise)
    return reference.activate(z.movedim(-1, 1), activation, 0.3) * kept


@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("groups", [None, 2])
@pytest.mark.parametrize("affine", [False, True])
def test_the_fused_operation_and_its_gradient_are_those_of_its_parts(activation, masked, groups, affine):
    outer = () if groups is None else (groups,)
    x = torch.randn(*outer, 5, 3, 4, dtype=F64, requires_grad=True)
    weight, bias = (torch.randn(*outer, 3, dtype=F64, requires_grad=True) for _ in range(2)) if affine else (None, None)
    mask = (torch.rand(*outer, 5, 4) < 0.7) if masked else None
    p, key, grouped = ([0.4] if groups is None else [0.4, 0.0]), key_of(groups), groups is not None
    rest = (activation, 0.3, p, key, 1, None, True, grouped)

    y, mean, var = reference.batch_norm_act_dropout(x, weight, bias, mask, EPS, *rest)
    expected = composed(x, weight, bias, mask, activation, p, key, True, grouped)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)

    grad = torch.randn_like(y)
    found = reference.batch_norm_act_dropout_backward(grad, x, weight, bias, mean, var, mask, EPS, *rest)
    leaves = [x, weight, bias] if affine else [x]
    for one, other in zip(found, torch.autograd.grad(expected, leaves, grad), strict=False):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_of_batch_norm_is_torchs_through_each_step(masked):
    x = torch.randn(6, 3, 5, dtype=F64, requires_grad=True)
    weight, bias = (torch.randn(3, dtype=F64, requires_grad=True) for _ in range(2))
    mask = (torch.rand(6, 5) < 0.7) if masked else None
    y, mean, var = reference.batch_norm(x, weight, bias, mask, EPS, False)
    grad = torch.randn_like(y)
    found = reference.batch_norm_backward(grad, x, weight, mean, var, mask, EPS, False)
    expected = torch.autograd.grad(y, (x, weight, bias), grad)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


# --- Layout ----------------------------------------------------------------------------------------------------------


def laid_out(layout: str) -> torch.Tensor:
    return {
        "contiguous": lambda: torch.randn(4, 3, 5, 6),
        "channels_last": lambda: torch.randn(4, 3, 5, 6).to(memory_format=torch.channels_last),
        "transposed": lambda: torch.randn(3, 4, 5, 6).transpose(0, 1),
        "every second": lambda: torch.randn(8, 3, 5, 12)[::2, ..., ::2],
        "expanded": lambda: torch.randn(1, 3, 5, 6).expand(4, 3, 5, 6),
    }[layout]()


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed", "every second", "expanded"])
@pytest.mark.parametrize("masked", [False, True])
def test_results_have_the_memory_format_of_the_input_whatever_that_of_the_gradient(layout, masked):
    # torch.compile plans with the strides that the fake kernels promise, those of empty_like.
    x, grad = laid_out(layout), torch.randn(4, 3, 5, 6)
    promised, mask = torch.empty_like(x).stride(), (torch.ones(4, 5, 6, dtype=torch.bool) if masked else None)
    rest = ("relu", 0.0, [0.5], key_of(None), 0, None, False, False)
    y, mean, var = reference.batch_norm(x, None, None, mask, EPS, False)
    fused, *_ = reference.batch_norm_act_dropout(x, None, None, mask, EPS, *rest)
    grad_x, *_ = reference.batch_norm_backward(grad, x, None, mean, var, mask, EPS, False)
    fused_grad_x, *_ = reference.batch_norm_act_dropout_backward(grad, x, None, None, mean, var, mask, EPS, *rest)
    dropped = reference.dropout(x, [0.5], key_of(None), 0, None, False)
    for result in (y, fused, grad_x, fused_grad_x, dropped):
        assert result.stride() == promised
