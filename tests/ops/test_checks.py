import numpy as np
import pytest
import torch

from dropnorm.errors import ArgumentError, ArgumentTypeError, ShapeError
from dropnorm.ops import _checks

KEY = torch.tensor(1)
X = torch.zeros(4, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_floating_point_is_taken(dtype):
    _checks.floating(torch.zeros(2, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_what_is_not_floating_point_is_refused(refuses, dtype):
    message = (
        f"x.dtype={dtype} is not supported: expected float32, float64, bfloat16 or float16. Convert it with x.float()."
    )
    with refuses(ArgumentTypeError, message):
        _checks.floating(torch.zeros(2, 3, dtype=dtype))
    with refuses(ArgumentTypeError, message):
        _checks.channels(torch.zeros(2, 3, dtype=dtype), None, None, None, False)


@pytest.mark.parametrize("p", [1, 0.5, np.float32(0.5), [0.5], (0.5,), np.array([0.5]), iter([0.5])])
def test_one_rate_is_a_number_or_one_of_a_kind(p):
    rates = _checks.rates(X, p, KEY, 0, None)
    assert rates in ([1.0], [0.5])
    assert type(rates[0]) is float


def test_one_number_serves_all_groups():
    keys = torch.arange(4)
    assert _checks.rates(X, 0.5, keys, 0, None) == [0.5] * 4
    assert _checks.rates(X, [0.0, 0.1, 0.2, 1], keys, 0, None) == [0.0, 0.1, 0.2, 1.0]


@pytest.mark.parametrize(("p", "count", "groups"), [([0.1, 0.2], 2, 1), ([], 0, 1), ([0.1] * 3, 3, 4)])
def test_the_number_of_rates_must_be_the_number_of_groups(refuses, p, count, groups):
    key = KEY if groups == 1 else torch.arange(groups)
    with refuses(ArgumentError, f"p has {count} values for {groups} groups: expected one number, or one per group."):
        _checks.rates(X, p, key, 0, None)


def test_each_rate_must_be_a_probability(refuses):
    with refuses(ArgumentError, "p=2 is not a probability: expected 0 <= p <= 1. To drop 2 % of the units use p=0.02."):
        _checks.rates(X, [0.1, 2, 0.1, 0.1], torch.arange(4), 0, None)
    with refuses(ArgumentTypeError, "p='0.5' is not a number: expected a real number, got str. Use p=0.5."):
        _checks.rates(X, "0.5", KEY, 0, None)
    with refuses(
        ArgumentTypeError, "p=True is not a number: expected a real number, got bool. Give a float or an int."
    ):
        _checks.rates(X, True, KEY, 0, None)


@pytest.mark.parametrize(
    ("key", "x"),
    [(torch.arange(3), X), (torch.zeros(1, 1, dtype=torch.int64), X), (torch.arange(4), torch.zeros(4))],
)
def test_a_key_must_be_one_or_one_per_group(refuses, key, x):
    message = (
        f"key.shape={tuple(key.shape)} does not fit x.shape={tuple(x.shape)}: expected a key of shape (), or "
        f"(groups,) for an x of shape (groups, N, *)."
    )
    with refuses(ShapeError, message):
        _checks.rates(x, 0.5, key, 0, None)


@pytest.mark.parametrize("dtype", [torch.int32, torch.float32])
def test_a_key_has_64_bits_and_rows_too(refuses, dtype):
    with refuses(
        ArgumentTypeError, f"key.dtype={dtype} is not supported: expected torch.int64. Convert it with key.long()."
    ):
        _checks.rates(X, 0.5, KEY.to(dtype), 0, None)
    with refuses(
        ArgumentTypeError, f"rows.dtype={dtype} is not supported: expected torch.int64. Convert it with rows.long()."
    ):
        _checks.rates(X, 0.5, KEY, 0, torch.arange(4).to(dtype))


@pytest.mark.parametrize(("rows", "key"), [(3, KEY), (0, KEY), (3, torch.arange(4)), ((4, 1), KEY), ((), KEY)])
def test_there_must_be_one_row_index_per_sample(refuses, rows, key):
    x = torch.zeros(4, 5, 2)
    rows = torch.zeros(rows, dtype=torch.int64)
    message = f"rows.shape={tuple(rows.shape)} does not fit x.shape=(4, 5, 2): expected one row index per sample."
    with refuses(ShapeError, message):
        _checks.rates(x, 0.5, key, 0, rows)


def test_rows_count_samples_and_not_groups():
    x = torch.zeros(4, 5, 2)
    _checks.rates(x, 0.5, KEY, 0, torch.arange(4))
    _checks.rates(x, 0.5, torch.arange(4), 0, torch.arange(5))


@pytest.mark.parametrize("p", [0.0, 0.5])
@pytest.mark.parametrize("site", [-1, 2**31])
def test_a_site_is_checked_even_where_nothing_is_dropped(refuses, p, site):
    message = f"site={site} is out of range: expected 0 <= site < 2**31. Number the dropouts that share a key from 0."
    with refuses(ArgumentError, message):
        _checks.rates(X, p, KEY, site, None)


@pytest.mark.parametrize(
    ("shape", "grouped", "layout"),
    [((4,), False, "(N, C, *)"), ((), False, "(N, C, *)"), ((4, 3), True, "(groups, N, C, *)")],
)
def test_there_must_be_a_channel_dimension(refuses, shape, grouped, layout):
    with refuses(ShapeError, f"x.shape={shape} has no channel dimension: expected {layout}."):
        _checks.channels(torch.zeros(shape), None, None, None, grouped)


@pytest.mark.parametrize("name", ["weight", "bias"])
@pytest.mark.parametrize(
    ("x", "parameter", "grouped", "expected"),
    [((4, 3), (4,), False, (3,)), ((4, 3, 9), (9,), False, (3,)), ((2, 4, 3), (3,), True, (2, 3))],
)
def test_a_parameter_must_have_one_value_per_channel(refuses, name, x, parameter, grouped, expected):
    given = {"weight": None, "bias": None, name: torch.zeros(parameter)}
    with refuses(ShapeError, f"{name}.shape={parameter} does not fit x.shape={x}: expected {expected}."):
        _checks.channels(torch.zeros(x), mask=None, grouped=grouped, **given)


@pytest.mark.parametrize(
    ("x", "mask", "dtype", "grouped", "positions"),
    [
        ((4, 3), (3,), torch.bool, False, (4,)),
        ((4, 3, 5), (4,), torch.bool, False, (4, 5)),
        ((2, 4, 3), (4,), torch.bool, True, (2, 4)),
        ((4, 3), (4,), torch.float32, False, (4,)),
        ((4, 3), (4,), torch.complex64, False, (4,)),
    ],
)
def test_a_mask_must_be_boolean_and_have_one_value_per_position(refuses, x, mask, dtype, grouped, positions):
    message = (
        f"mask.shape={mask} of {dtype} does not fit x.shape={x}: expected a boolean mask of shape {positions}, "
        f"True where a position counts."
    )
    with refuses(ShapeError, message):
        _checks.channels(torch.zeros(x), None, None, torch.ones(mask, dtype=dtype), grouped)


def test_whatever_fits_is_taken():
    _checks.channels(torch.zeros(4, 3, 5), torch.zeros(3), torch.zeros(3), torch.ones(4, 5, dtype=torch.bool), False)
    _checks.channels(torch.zeros(2, 4, 3), torch.zeros(2, 3), None, torch.ones(2, 4, dtype=torch.uint8), True)
