"""The matrix product that torch brings, for the native kernels."""

import ctypes
import functools
from pathlib import Path

import torch


@functools.cache
def addresses() -> tuple[int, int] | None:
    """Where `sgemm` and `MKL_Set_Num_Threads_Local` are in torch's own library; None if it is built without MKL."""
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        loaded = ctypes.CDLL(str(library))
        functions = loaded.sgemm_, loaded.MKL_Set_Num_Threads_Local
    except (OSError, AttributeError):
        return None
    gemm, set_threads = (ctypes.cast(function, ctypes.c_void_p).value for function in functions)
    return (gemm, set_threads) if gemm and set_threads else None
