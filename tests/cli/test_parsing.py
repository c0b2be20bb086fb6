import pytest

from dropnorm.cli.parsing import numbers
from dropnorm.errors import ArgumentError


def test_numbers_are_separated_by_commas():
    assert numbers("128,64", "hidden", int) == (128, 64)
    assert numbers("0.1, 0.3", "dropout", float) == (0.1, 0.3)
    assert numbers("7", "hidden", int) == (7,)


@pytest.mark.parametrize("text", ["", "a", "1,,2", "1;2"])
def test_what_is_no_list_of_numbers(text, refuses):
    message = f"--dropout {text!r} is no list of numbers: expected numbers with commas, such as 0.1,0.3."
    with refuses(ArgumentError, message):
        numbers(text, "dropout", float)
