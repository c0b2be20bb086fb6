import ctypes

import numpy as np
import pytest

from dropnorm.kernels import blas


@pytest.fixture
def addresses():
    found = blas.addresses()
    if found is None:
        pytest.skip("this torch is built without MKL")
    return found


def test_the_function_found_is_the_matrix_product(addresses):
    pointer = ctypes.c_void_p
    gemm = ctypes.CFUNCTYPE(None, *[pointer] * 13)(addresses[0])
    a, b = (np.random.default_rng(seed).normal(size=shape).astype("f") for seed, shape in enumerate([(4, 3), (3, 5)]))
    c, one, zero = np.full((4, 5), np.nan, "f"), ctypes.c_float(1), ctypes.c_float(0)
    m, n, k = (ctypes.c_int64(size) for size in (5, 4, 3))

    # Row by row, C = A B is the transposed of B' A' column by column.
    transposed = ctypes.create_string_buffer(b"N")
    at = ctypes.addressof
    gemm(
        *(at(transposed), at(transposed), at(m), at(n), at(k), at(one), b.ctypes.data, at(m), a.ctypes.data, at(k)),
        *(at(zero), c.ctypes.data, at(m)),
    )
    np.testing.assert_allclose(c, a @ b, rtol=1e-6)


def test_the_number_of_threads_is_the_calling_threads_and_can_be_put_back(addresses):
    set_threads = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(addresses[1])
    before = set_threads(1)
    assert set_threads(before) == 1


def test_a_torch_without_it_has_none(monkeypatch, tmp_path):
    monkeypatch.setattr(blas.torch, "__file__", str(tmp_path / "__init__.py"))
    blas.addresses.cache_clear()
    try:
        assert blas.addresses() is None
    finally:
        monkeypatch.undo()
        blas.addresses.cache_clear()
