import pytest

from dropnorm.errors import ArgumentError, RunError
from dropnorm.study.runs.damage import told_as_damage


@pytest.mark.parametrize(
    "error", [KeyError("plain"), ZeroDivisionError("by zero"), TypeError("no"), RecursionError("deep")]
)
def test_whatever_records_make_fail_is_told_as_damage(error):
    with (
        pytest.raises(
            RunError, match=rf"\Arun: is damaged, since .* \({type(error).__name__}: .*remove the folder\.\Z"
        ),
        told_as_damage("run"),
    ):
        raise error


def test_errors_of_ours_and_interruptions_stay():
    for error in (ArgumentError("a"), KeyboardInterrupt(), MemoryError()):
        with pytest.raises(type(error)), told_as_damage("run"):
            raise error
