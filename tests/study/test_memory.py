import pytest

from dropnorm.errors import DataError, RunError
from dropnorm.study import memory
from dropnorm.study.memory import available_memory, check_fits


def test_some_memory_is_free():
    free = available_memory()
    assert free is None or free > 1 << 20


def test_a_refusal_names_both_sizes(monkeypatch, refuses):
    monkeypatch.setattr(memory, "available_memory", lambda: 2 * 10**9)
    check_fits("data.npz", "the array 'X'", 2 * 10**9)
    message = (
        "data.npz: the array 'X' takes 8,000,000.0 GB of memory, where 2.0 GB are free: expected what fits. Use fewer rows, "
        "or a machine with more memory."
    )
    with refuses(DataError, message):
        check_fits("data.npz", "the array 'X'", 8 * 10**15)
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    with pytest.raises(RunError, match="2,100"):
        check_fits("model.json", "the file", 2100 * 10**9, RunError)


def test_where_nothing_says_how_much_is_free_all_is_read(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    check_fits("data.npz", "the array 'X'", 10**30)
