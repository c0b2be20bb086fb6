"""Every constraint, those of numbers and names too, in what all of them promise."""

import fractions
import math

import numpy as np
import pytest

from dropnorm._constraints import Each, FilePath, Flag, Function, Text
from dropnorm._validate import Constraint, OneOf, Probability, Real, Whole
from dropnorm.errors import ArgumentError, ArgumentTypeError


@pytest.mark.parametrize(
    ("constraint", "values"),
    [
        (Whole(2, 10), [2, 10, np.int64(3), np.uint8(9)]),
        (Real(0.0, 10.0, closed="right"), [10, 5e-324, np.float32(0.5), fractions.Fraction(1, 4)]),
        (Real(-1.0, 1.0, closed="left"), [-1, 0.999]),
        (Probability(closed="neither"), [0.5, np.float64(1e-9)]),
        (OneOf(("a", "b")), ["a", np.str_("b")]),
        (Text("a name", "x"), ["x", "x y"]),
    ],
)
def test_what_is_allowed_is_returned_in_one_form(constraint, values):
    for value in values:
        checked = constraint.check(value, "name")
        assert checked == value
        assert type(checked) is constraint.form
        assert constraint.check(checked, "name") == checked


@pytest.mark.parametrize(
    ("value", "checked"),
    [
        ((1, 2), (1, 2)),
        ([3], (3,)),
        (range(1, 4), (1, 2, 3)),
        (np.array([1, 2]), (1, 2)),
        (7, (7,)),
        (np.int32(7), (7,)),
    ],
)
def test_a_list_is_a_tuple_whatever_it_came_as(value, checked):
    found = Each(Whole(1, 9), (1, 2), least=1).check(value, "hidden")
    assert found == checked
    assert all(type(one) is int for one in found)


def test_one_text_alone_is_a_list_of_it_and_not_of_its_letters():
    names = Each(Text("a name", "id", numbered=True), ("id",), repeated=True)
    assert names.check("kind", "ignore") == ("kind",)
    assert names.check(["a", 3], "ignore") == ("a", "3")


def test_a_truth_value_may_be_numpys():
    assert Flag().check(np.True_, "flag") is True
    assert Flag().check(False, "flag") is False


def test_a_path_is_a_text_or_a_path(tmp_path):
    assert FilePath("a folder").check(str(tmp_path), "out") == FilePath("a folder").check(tmp_path, "out") == tmp_path


def test_a_function_is_what_can_be_called():
    assert Function("one").check(print, "progress") is print


HUGE = 10**5000
CASES = [
    (Whole(2, 10, "why"), 1, ArgumentError, "n=1 is too small: expected 2 to 10 (why). Use n=2."),
    (Whole(2, 10_000, "why"), 10**20, ArgumentError, f"n={10**20} is too large: expected 2 to 10,000. Use n=10000."),
    (Whole(2, 10), HUGE, ArgumentError, "n=<int> is too large: expected 2 to 10. Use n=10."),
    (Whole(2), -HUGE, ArgumentError, "n=<int> is too small: expected at least 2. Use n=2."),
    (Whole(2, 10), 2.7, ArgumentTypeError, "n=2.7 is not a whole number: expected an int from 2 to 10. Use n=3."),
    (Whole(2, 10), math.nan, ArgumentTypeError, "n=nan is not a whole number: expected an int from 2 to 10. Use n=2."),
    (
        Whole(2, 10),
        np.True_,
        ArgumentTypeError,
        f"n={np.True_!r} is not a whole number: expected an int from 2 to 10. Use n=2.",
    ),
    (Whole(2, 10), [3], ArgumentTypeError, "n=[3] is not a whole number: expected an int from 2 to 10. Use n=2."),
    (
        Real(0.0, 10.0, closed="right"),
        HUGE,
        ArgumentError,
        "n=<int> is out of range: expected a number above 0 and at most 10. Give n such a number.",
    ),
    (
        Real(0.0, 10.0),
        -HUGE,
        ArgumentError,
        "n=<int> is out of range: expected a number from 0 to 10. Give n such a number.",
    ),
    (
        Real(0.0),
        math.nan,
        ArgumentError,
        "n=nan is out of range: expected a finite number of at least 0. Give n such a number.",
    ),
    (
        Real(0.0, 0.5, closed="neither", noun="a fraction", remedy="Use {name}=0.2."),
        0.5,
        ArgumentError,
        "n=0.5 is out of range: expected a fraction above 0 and below 0.5. Use n=0.2.",
    ),
    (Real(), "1e-3", ArgumentTypeError, "n='1e-3' is not a number: expected a real number, got str. Use n=0.001."),
    (
        Probability(closed="neither", remedy="Leave n out."),
        0,
        ArgumentError,
        "n=0 is not a rate to try: expected 0 < n < 1. Leave n out.",
    ),
    (
        Probability(closed="left"),
        30,
        ArgumentError,
        "n=30 is not a probability: expected 0 <= n < 1. To drop 30 % of the units use n=0.3.",
    ),
    (
        Probability(closed="left"),
        100,
        ArgumentError,
        "n=100 is not a probability: expected 0 <= n < 1. Give n such a number.",
    ),
    (
        OneOf(("red", "green")),
        "gren",
        ArgumentError,
        "n='gren' is unknown: expected one of 'red', 'green'. Did you mean 'green'?",
    ),
    (
        OneOf(("red", "green")),
        np.array(["red", "red"]),
        ArgumentError,
        "n=array(['red', 'red'], dtype='<U3') is unknown: expected one of 'red', 'green'. Use n='red'.",
    ),
    (Flag(), 1, ArgumentTypeError, "n=1 is no truth value: expected True or False. Use n=True, or leave n out."),
    (Flag(), None, ArgumentTypeError, "n=None is no truth value: expected True or False. Use n=True, or leave n out."),
    (Text("a name", "x"), 3, ArgumentTypeError, "n=3 is no text: expected a name, such as n='x'."),
    (Text("a name", "x", numbered=True), True, ArgumentTypeError, "n=True is no text: expected a name, such as n='x'."),
    (Text("a name", "x"), "", ArgumentError, "n='' is empty: expected a name, such as 'x'. Write one, or leave n out."),
    (
        FilePath("a folder"),
        3,
        ArgumentTypeError,
        "n=3 is no path: expected a folder, as a text or a Path. Use n='my-run'.",
    ),
    (
        FilePath("a folder"),
        b"x",
        ArgumentTypeError,
        "n=b'x' is no path: expected a folder, as a text or a Path. Use n='my-run'.",
    ),
    (FilePath("a folder"), "", ArgumentError, "n='' is empty: expected a folder. Name one, or leave n out."),
    (Function("one that draws"), 3, ArgumentTypeError, "n=3 is no function: expected one that draws. Leave n out."),
    (
        Each(Whole(1, 9), (4, 2), most=3),
        "4,2",
        ArgumentTypeError,
        "n='4,2' is no list of numbers: expected numbers, 1 to 9 each, at most 3 of them. Use n=(4, 2).",
    ),
    (
        Each(Whole(1, 9), (4, 2)),
        {4: 2},
        ArgumentTypeError,
        "n={4: 2} is no list of numbers: expected numbers, 1 to 9 each. Use n=(4, 2).",
    ),
    (
        Each(Whole(1, 9), (4, 2), least=1, empty="leaves nothing"),
        [],
        ArgumentError,
        "n=() leaves nothing: expected at least one, such as 4. Leave n out for the default.",
    ),
    (
        Each(Whole(1, 9), (4, 2), most=3),
        [1, 2, 3, 4],
        ArgumentError,
        "n has 4 values: expected at most 3, as in n=(4, 2). Leave some out.",
    ),
    (Each(Whole(1, 9), (4, 2)), (4, 0), ArgumentError, "n=0 is too small: expected 1 to 9. Use n=1."),
    (
        Each(Whole(1, 9), (4, 2)),
        True,
        ArgumentTypeError,
        "n=True is not a whole number: expected an int from 1 to 9. Use n=1.",
    ),
    (
        Each(Whole(1, 9), (4, 2)),
        np.ones((1, 2), int),
        ArgumentTypeError,
        "n=[1, 1] is not a whole number: expected an int from 1 to 9. Use n=1.",
    ),
]


@pytest.mark.parametrize(("constraint", "value", "error", "message"), CASES, ids=[case[-1] for case in CASES])
def test_what_is_not_allowed_is_refused_in_three_parts(constraint, value, error, message, refuses):
    with refuses(error, message):
        constraint.check(value, "n")


@pytest.mark.parametrize(
    "constraint", {type(case[0]): case[0] for case in CASES}.values(), ids=lambda one: type(one).__name__
)
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        HUGE,
        math.nan,
        math.inf,
        1j,
        "",
        "x",
        b"x",
        [],
        [None],
        {},
        {1},
        object(),
        int,
        np.zeros((2, 2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_value_makes_another_error_than_ours(constraint, value):
    refused = ""
    try:
        constraint.check(value, "n")
    except (ArgumentError, ArgumentTypeError) as error:
        refused = str(error)
    assert not refused or (refused.startswith("n") and ": expected " in refused)


def test_a_constraint_without_bounds_allows_everything():
    value = object()
    assert Constraint().check(value, "y") is value
    assert (Constraint().form, Constraint().allowed()) == (None, "")


@pytest.mark.parametrize(
    ("constraint", "unit", "words"),
    [
        (Whole(2, 10_000), "", "2 to 10,000"),
        (Whole(1), "epochs", "at least 1 epochs"),
        (Real(0.0, 10.0, closed="right"), "", "above 0 and at most 10"),
        (Real(0.0, 1.0), "nats", "0 to 1 nats"),
        (Real(0.5, closed="left"), "", "at least 0.5"),
        (OneOf(("a",)), "", "a"),
        (OneOf(("a", "b", "c")), "", "a, b or c"),
        (Each(Whole(1, 9), (1,), most=4), "units", "1 to 9 units each, at most 4 of them"),
        (Each(Text("a name", "x"), ("x",)), "", ""),
        (Flag(), "", ""),
    ],
)
def test_what_is_allowed_in_words(constraint, unit, words):
    assert constraint.allowed(unit) == words


@pytest.mark.parametrize(
    ("constraint", "value", "words"),
    [
        (Whole(2, 10), 3, ["--n", "3"]),
        (Real(), 1e-05, ["--n", "1e-05"]),
        (Flag(), True, ["--n"]),
        (Text("a name", "x"), "a b", ["--n", "a b"]),
        (Each(Real(), (0.1,)), (0.1, 0.25), ["--n", "0.1,0.25"]),
        (Each(Text("a name", "x"), ("x",), repeated=True), ("a", "b,c"), ["--n", "a", "--n", "b,c"]),
    ],
)
def test_a_value_is_written_as_the_command_line_reads_it(constraint, value, words):
    assert constraint.spell("--n", value) == words
    if len(words) == 2 and isinstance(constraint, Each):
        assert constraint.read(words[1], "--n") == value


def test_numbers_are_separated_by_commas():
    assert Each(Whole(1), (128, 128)).read("128, 64", "--hidden") == (128, 64)
    assert Each(Real(), (0.1, 0.3)).read("0.1,0.3", "--dropout") == (0.1, 0.3)
    assert Each(Whole(1), (128, 128)).read("7", "--hidden") == (7,)


@pytest.mark.parametrize("text", ["", "a", "1,,2", "1;2"])
def test_what_is_no_list_of_numbers(text, refuses):
    message = f"--dropout {text!r} is no list of numbers: expected numbers with commas, such as 0.1,0.3."
    with refuses(ArgumentError, message):
        Each(Real(), (0.1, 0.3)).read(text, "--dropout")
