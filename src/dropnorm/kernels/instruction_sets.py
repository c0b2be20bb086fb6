"""Which compiled kernels run on this processor: C++ from `cpu/`, one source compiled for several instruction sets."""

import functools
import os
import warnings
from types import ModuleType

# torch must be there first: the kernels take their threads from the OpenMP runtime that it loads.
import torch  # noqa: F401

from dropnorm._validate import choice
from dropnorm.errors import ArgumentError

REFERENCE = "reference"
NAMES = ("avx512", "avx2", "portable")


@functools.cache
def _module() -> ModuleType | None:
    """The compiled module, or None with a warning, which the cache makes the only one."""
    try:
        from dropnorm.kernels import _cpu
    except ImportError:
        warnings.warn(
            "dropnorm was installed without its C++ kernels and runs on the reference kernels: the same masks, slower. "
            "To get the fast ones, install a C++17 compiler and then dropnorm again: pip install --force-reinstall "
            "--no-deps dropnorm.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return _cpu


def available() -> tuple[str, ...]:
    """What this processor can run, the fastest first; the reference is always there."""
    module = _module()
    return (*(module.instruction_sets() if module else ()), REFERENCE)


@functools.cache
def chosen() -> str:
    """What runs: the fastest there is, or what the environment variable DROPNORM_CPU forces, read at first use.

    Raises:      ArgumentError if DROPNORM_CPU is unknown, or not to be had on this processor.
    """
    wanted = os.environ.get("DROPNORM_CPU") or None
    if wanted == REFERENCE:
        return REFERENCE
    if wanted is None:
        wanted = available()[0]
    choice(wanted, "DROPNORM_CPU", (*NAMES, REFERENCE))
    if wanted not in available():
        raise ArgumentError(
            f"DROPNORM_CPU={wanted!r} is not to be had here: expected one of {', '.join(map(repr, available()))}."
        )
    return wanted


@functools.cache
def kernels() -> ModuleType | None:
    """The compiled module, set to the chosen instruction set; None where the reference runs."""
    name = chosen()
    module = None if name == REFERENCE else _module()
    if module is not None:
        module.choose(name)
    return module


def choose_again() -> None:
    """Read DROPNORM_CPU anew at the next use."""
    chosen.cache_clear()
    kernels.cache_clear()
