import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dropnorm.kernels import cpu, instruction_sets, reference

NATIVE = [name for name in instruction_sets.available() if name != instruction_sets.REFERENCE]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
KEY = torch.tensor(-0x123456789ABCDEF)

COMPILER = shutil.which("c++")

pytestmark = pytest.mark.skipif(not NATIVE and not COMPILER, reason="no C++ kernels, and no compiler to build them")


def test_where_a_compiler_is_the_kernels_are_built():
    # An installation without them is quiet, and would leave every test below with nothing to run.
    assert NATIVE


def assert_same(x, p, key=KEY, site=0, rows=None, channelwise=False):
    """To the bit, NaN being NaN: one multiplication and one rounding leave no room for a tolerance."""
    expected = reference.dropout(x, p, key, site, rows, channelwise)
    got = cpu.dropout(x, p, key, site, rows, channelwise)
    torch.testing.assert_close(got, expected, rtol=0, atol=0, equal_nan=True)
    assert got.stride() == expected.stride()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 63), (5, 65), (65, 1023), (7, 300), (2, 128), (9,), (4, 3, 17), (0, 5), (3, 0)]
)
def test_it_is_the_reference_to_the_bit(native, dtype, shape):
    torch.manual_seed(0)
    x = torch.randn(shape).to(dtype)
    # 0.3 leaves ties to settle, 0.5 none; then rare drops, rare units kept, and what rounds to never and to always
    for p in (0.0, 0.3, 0.5, 1.0, 1e-6, 1 - 1e-6, 2.0**-52, 1 - 2.0**-52):
        assert_same(x, [p], site=5)


def test_ties_are_settled_as_the_reference_does(native):
    # With p = 2**-17 a unit is dropped only if its first draw ties, which 2**-16 of them do, and its second is low enough.
    x = torch.ones(300, 2000)
    dropped = int((cpu.dropout(x, [2.0**-17], KEY, 0, None, False) == 0).sum())
    assert dropped > 0
    assert_same(x, [2.0**-17])
    assert_same(x, [0.3 + 2.0**-17])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_is_not_a_number_or_not_normal(native, dtype):
    info = torch.finfo(dtype)
    values = [float("nan"), float("inf"), float("-inf"), info.max, info.tiny, info.tiny / 4, -0.0, 0.0]
    assert_same(torch.tensor(values * 20, dtype=dtype).reshape(4, 40), [0.4])


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_the_number_of_threads_changes_nothing(native, threads):
    x = torch.randn(700, 129)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert_same(x, [0.3])
    finally:
        torch.set_num_threads(before)


def test_groups_have_a_key_and_a_rate_each(native):
    keys = torch.tensor([1, 2, 1, -4])
    assert_same(torch.randn(4, 50, 200), [0.0, 0.2, 1.0, 0.7], keys)
    assert_same(torch.randn(4, 50, 6, 3), [0.1, 0.2, 0.3, 0.7], keys, channelwise=True)
    assert_same(torch.randn(8, 50, 200)[::2], [0.5] * 4, torch.tensor([1, 9, 2, 9, 3, 9, 4, 9])[::2])


def test_rows_and_sites_choose_the_mask(native):
    rows = torch.tensor([5, 0, 2**40, 2**32, 7])[::2]
    assert_same(torch.randn(3, 150), [0.3], rows=rows, site=2**31 - 1)


@pytest.mark.parametrize("channelwise", [False, True])
def test_memory_formats_and_strides_change_nothing(native, channelwise):
    x = torch.randn(6, 10, 4, 5)
    channels_last = x.to(memory_format=torch.channels_last)
    for strided in (x, channels_last, x.transpose(2, 3), x[::2], x[:, 1:7], x[:, :1].expand(-1, 9, -1, -1)):
        assert_same(strided, [0.3], channelwise=channelwise)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("shape", "channelwise"),
    [
        ((4100, 4096), False),
        ((167000, 101), False),
        ((16500, 1023), False),
        ((4, 64, 260, 256), True),
        ((4, 64, 260, 256), False),
    ],
    ids=str,
)
def test_outputs_that_go_past_the_caches_are_what_the_portable_kernels_store(forced, shape, channelwise, dtype):
    # Rows of 101 and 1023 values begin where no vector may.
    x = torch.arange(shape[0] * shape[1]).remainder(251).to(dtype).reshape(shape[:2])
    x = x if len(shape) == 2 else x[:, :, None, None].expand(shape).contiguous()
    assert x.nbytes >= 2**25
    for strided in (x, x.to(memory_format=torch.channels_last)) if x.ndim == 4 else (x,):
        found = []
        for name in NATIVE:
            with forced(name):
                found.append(cpu.dropout(strided, [0.3], KEY, 0, None, channelwise))
        assert all(torch.equal(other, found[0]) for other in found[1:])


def test_an_input_is_left_as_it_was(native):
    x = torch.randn(40, 200)
    before = x.clone()
    cpu.dropout(x, [0.5], KEY, 0, None, False)
    assert torch.equal(x, before)


@settings(deadline=None, max_examples=60)
@given(
    shape=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    dtype=st.sampled_from(DTYPES),
    p=st.floats(0, 1),
    key=st.integers(-(2**63), 2**63 - 1),
    site=st.integers(0, 2**31 - 1),
    channelwise=st.booleans(),
    transposed=st.booleans(),
)
def test_any_shape_and_rate(shape, dtype, p, key, site, channelwise, transposed):
    x = torch.randn(shape).to(dtype)
    x = x.transpose(0, -1) if transposed else x
    assert_same(x, [p], torch.tensor(key), site, channelwise=channelwise)
