import sys

import pytest
import torch

from dropnorm.errors import ArgumentError
from dropnorm.kernels import cpu, instruction_sets


def test_the_best_runs_unless_another_is_forced(monkeypatch, forced):
    monkeypatch.delenv("DROPNORM_CPU", raising=False)
    instruction_sets.choose_again()
    assert instruction_sets.chosen() == instruction_sets.available()[0] != instruction_sets.REFERENCE
    assert instruction_sets.kernels() is not None
    with forced("reference"):
        assert instruction_sets.kernels() is None
        assert instruction_sets.chosen() == instruction_sets.REFERENCE
        assert cpu.dropout(torch.ones(2, 3), [0.5], torch.tensor(1), 0, None, False).shape == (2, 3)


def test_what_cannot_be_forced(monkeypatch, forced, refuses):
    with (
        forced("avx513"),
        refuses(
            ArgumentError,
            "DROPNORM_CPU='avx513' is unknown: expected one of 'avx512', 'avx2', 'portable', 'reference'. "
            "Did you mean 'avx512'?",
        ),
    ):
        instruction_sets.chosen()
    monkeypatch.setattr(instruction_sets, "available", lambda: ("portable", "reference"))
    with (
        forced("avx512"),
        refuses(ArgumentError, "DROPNORM_CPU='avx512' is not to be had here: expected one of 'portable', 'reference'."),
    ):
        instruction_sets.chosen()


def test_without_the_compiled_module_it_says_so_once_and_runs(monkeypatch, recwarn):
    monkeypatch.delenv("DROPNORM_CPU", raising=False)
    monkeypatch.setitem(sys.modules, "dropnorm.kernels._cpu", None)
    monkeypatch.delattr("dropnorm.kernels._cpu", raising=False)
    instruction_sets._module.cache_clear()
    instruction_sets.choose_again()
    try:
        with pytest.warns(RuntimeWarning, match="without its C\\+\\+ kernels .* install a C\\+\\+17 compiler"):
            assert instruction_sets.chosen() == instruction_sets.REFERENCE
        for _ in range(2):
            assert instruction_sets.available() == ("reference",)
            assert cpu.dropout(torch.ones(3, 5), [0.5], torch.tensor(1), 0, None, False).shape == (3, 5)
        assert not recwarn.list
    finally:
        instruction_sets._module.cache_clear()
