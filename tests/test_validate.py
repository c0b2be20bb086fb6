import fractions
import math

import numpy as np
import pytest

from dropnorm._validate import Real, choice, closest, number, probability, shown, whole
from dropnorm.errors import ArgumentError, ArgumentTypeError


@pytest.mark.parametrize("value", [0, 1, 0.25, np.float32(0.25), np.float64(1.0), fractions.Fraction(1, 4)])
def test_a_probability_is_returned_as_a_python_float(value):
    checked = probability(value)
    assert type(checked) is float
    assert checked == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.2, "p=1.2 is not a probability: expected 0 <= p <= 1. To drop 1.2 % of the units use p=0.012."),
        (20, "p=20 is not a probability: expected 0 <= p <= 1. To drop 20 % of the units use p=0.2."),
        (
            100,
            "p=100 is not a probability: expected 0 <= p <= 1. To drop 100 % of the units use p=1.",
        ),
        (101, "p=101 is not a probability: expected 0 <= p <= 1. Give p such a number."),
        (-0.1, "p=-0.1 is not a probability: expected 0 <= p <= 1. Give p such a number."),
        (math.nan, "p=nan is not a probability: expected 0 <= p <= 1. Give p such a number."),
        (math.inf, "p=inf is not a probability: expected 0 <= p <= 1. Give p such a number."),
        (math.nextafter(1.0, 2.0), None),
    ],
)
def test_what_is_no_probability_is_refused(refuses, value, message):
    with refuses(ArgumentError, message) if message else pytest.raises(ArgumentError):
        probability(value)


def test_a_probability_is_named_as_its_caller_names_it(refuses):
    with refuses(
        ArgumentError, "rate=50 is not a probability: expected 0 <= rate <= 1. To drop 50 % of the units use rate=0.5."
    ):
        probability(50, "rate")


@pytest.mark.parametrize(
    ("value", "kind"), [("half", "str"), (None, "NoneType"), (True, "bool"), (1j, "complex"), ([0.5], "list")]
)
def test_what_is_no_number_is_refused(refuses, value, kind):
    with refuses(
        ArgumentTypeError, f"p={value!r} is not a number: expected a real number, got {kind}. Give a float or an int."
    ):
        number(value, "p")
    for check in (probability, Real(0.0, closed="neither").check):
        with pytest.raises(ArgumentTypeError):
            check(value, "p")


POSITIVE = Real(0.0, closed="neither")


def test_a_positive_number_is_any_finite_one_above_zero():
    assert POSITIVE.check(5e-324, "learning_rate") == 5e-324
    assert type(POSITIVE.check(3, "learning_rate")) is float


@pytest.mark.parametrize("value", [0.0, -0.0, -1, math.inf, math.nan])
def test_zero_the_negative_and_the_infinite_are_not_positive(refuses, value):
    message = (
        f"learning_rate={value!r} is out of range: expected a finite number above 0. Give learning_rate such a number."
    )
    with refuses(ArgumentError, message):
        POSITIVE.check(value, "learning_rate")


def test_whole_takes_its_least_value():
    assert whole(2, "seeds", at_least=2) == 2


def test_whole_refuses_what_is_too_small(refuses):
    with refuses(ArgumentError, "seeds=1 is too small: expected at least 2 (one seed has no deviation). Use seeds=2."):
        whole(1, "seeds", at_least=2, why="one seed has no deviation")
    with refuses(ArgumentError, "seeds=1 is too small: expected at least 2. Use seeds=2."):
        whole(1, "seeds", at_least=2)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (2.0, " Use seeds=2."),
        ("2", " Use seeds=2."),
        (True, " Use seeds=1."),
        (None, " Use seeds=1."),
        ("x", " Use seeds=1."),
    ],
)
def test_whole_refuses_what_only_looks_like_an_int(refuses, value, hint):
    with refuses(ArgumentTypeError, f"seeds={value!r} is not a whole number: expected an int of at least 1.{hint}"):
        whole(value, "seeds", at_least=1)


FIRST = " Use nonfinite='raise'."


def test_choice_returns_one_of_the_allowed():
    assert choice("skip", "nonfinite", ("raise", "skip")) == "skip"


@pytest.mark.parametrize(
    ("value", "hint"), [("rasie", " Did you mean 'raise'?"), ("stop", FIRST), (None, FIRST), (["raise"], FIRST)]
)
def test_choice_refuses_others_and_names_the_nearest(refuses, value, hint):
    with refuses(ArgumentError, f"nonfinite={value!r} is unknown: expected one of 'raise', 'skip'.{hint}"):
        choice(value, "nonfinite", ("raise", "skip"))


def test_choice_reads_an_iterator_of_names_once(refuses):
    with refuses(
        ArgumentError, "arm='dropuot' is unknown: expected one of 'plain', 'dropout'. Did you mean 'dropout'?"
    ):
        choice("dropuot", "arm", iter(("plain", "dropout")))


def test_closest_finds_the_name_that_was_meant_or_nothing():
    assert closest("trian", ("test", "train", "validation")) == "train"
    assert closest("zzz", ("test", "train")) is None


def test_whole_takes_numpys_integers_and_gives_an_int():
    taken = whole(np.int64(3), "seeds", at_least=2)
    assert taken == 3
    assert type(taken) is int


def test_a_long_value_is_shown_in_short_and_on_one_line():
    assert len(shown(list(range(1000)))) == 80
    assert shown(np.zeros((2, 2))) == "array([[0., 0.], [0., 0.]])"

    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert shown(Broken()) == "<Broken>"
