"""Options declared once: what functions, checks, docstrings and type checkers make of the declaration."""

import inspect
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

from dropnorm._constraints import Each, Flag, Text
from dropnorm._options import EMPTY, Option, Options, by_panel, checked_call, options_of, with_options
from dropnorm._validate import Constraint, Real, Whole
from dropnorm.errors import ArgumentError, ArgumentTypeError

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Base(Options):
    X: Annotated[Any, Option(Text("a path", "a.csv"), "what to read", panel="Data", in_memory=True, alias="data")]
    y: Annotated[Any, Option(Constraint(), "Labels", panel="Data")] = None
    _: KW_ONLY
    count: Annotated[int, Option(Whole(1, 9), "How many", unit="things", panel="More")] = 3


@dataclass(frozen=True, kw_only=True)
class Call(Base):
    widths: Annotated[Sequence[int], Option(Each(Whole(1, 99), (8, 8), most=3), "Widths", panel="Data")] = (4,)
    rate: Annotated[float | None, Option(Real(0.0, 1.0), "Rate", panel="More", default_words="what fits")] = None
    on: Annotated[bool, Option(Flag(), "Whether it does", label="Does it")] = False
    off: Annotated[bool, Option(Flag(), "Whether it does not")] = True
    plain: int = 0


@with_options(Call)
def call(options: Call) -> Call:
    """Do it.

    Args:        {options}
    Raises:      nothing.
    """
    return options


def test_the_fields_are_the_options_with_their_names_types_and_defaults():
    found = options_of(Call)
    assert list(found) == ["X", "y", "count", "widths", "rate", "on", "off"]
    assert [option.name for option in found.values()] == list(found)
    assert (found["X"].default, found["count"].default, found["rate"].default) == (EMPTY, 3, None)
    assert (found["count"].type, found["widths"].type) == (int, Sequence[int])


def test_a_function_takes_the_options_as_its_arguments():
    options = call([[1.0]], count=np.int64(5), widths=[7])
    assert options == Call([[1.0]], count=5, widths=(7,))
    assert options.given == {"X", "count", "widths"}
    assert options.given_of(Base) == {"X": [[1.0]], "count": 5}
    assert call("a.csv", [1]).y == [1]


def test_an_argument_that_is_none_is_not_given():
    options = call("a.csv", count=None, rate=None)
    assert (options.count, options.rate, options.given) == (3, None, {"X"})


def test_a_declaration_made_by_hand_is_checked_too(refuses):
    with refuses(ArgumentError, "count=10 is too large: expected 1 to 9. Use count=9."):
        Call("a.csv", count=10)
    assert Call("a.csv", widths=7).widths == (7,)


def test_the_signature_has_the_names_types_and_defaults():
    signature = inspect.signature(call)
    assert str(signature) == (
        "(X: Any, y: Any = None, *, count: int = 3, widths: collections.abc.Sequence[int] = (4,), rate: float | None = None, "
        "on: bool = False, off: bool = True, plain: int = 0) -> tests.test_options.Call"
    ).replace("tests.test_options.Call", f"{Call.__module__}.Call")
    assert call.__name__ == "call"


def test_the_docstring_describes_each_option():
    assert " ".join(call.__doc__.split()) == (
        "Do it. Args: X: what to read; y: Labels; count: How many (1 to 9 things; default 3); widths: Widths (1 to 99 each, at "
        "most 3 of them; default 4); rate: Rate (0 to 1; default what fits); on: Whether it does; off: Whether it does not "
        "(default true). Raises: nothing."
    )
    lines = call.__doc__.splitlines()
    assert max(map(len, lines)) <= 120
    assert all(line.startswith(" " * 17) for line in lines[3:-2])


@pytest.mark.parametrize(
    ("args", "named", "message"),
    [
        (
            ("a.csv",),
            {"cuont": 3},
            "cuont=3 is no option of call: expected one of y, count, widths, rate, on, off. Did you mean 'count'?",
        ),
        (
            ("a.csv",),
            {"zzz": 10**5000},
            "zzz=<int> is no option of call: expected one of y, count, widths, rate, on, off.",
        ),
        (
            ("a.csv", None, 3),
            {},
            "call is given 3 arguments without a name: expected X, y alone, and each other one by its name. Write, for "
            "example, count=.",
        ),
        (("a.csv",), {"X": "b.csv"}, "X is given twice, by its place and by its name: expected once. Leave one out."),
        ((), {}, "X is not given: expected what to read. Call call(X, ...)."),
        ((None,), {}, "X is not given: expected what to read. Call call(X, ...)."),
        (
            ("a.csv",),
            {"on": "yes"},
            "on='yes' is no truth value: expected True or False. Use on=True, or leave on out.",
        ),
    ],
)
def test_arguments_that_do_not_fit(args, named, message, refuses):
    with refuses(ArgumentTypeError, message):
        call(*args, **named)


def test_values_in_memory_are_left_to_a_later_step(refuses):
    values = np.zeros(3)
    assert call(values).X is values
    with refuses(ArgumentError, "X='' is empty: expected a path, such as 'a.csv'. Write one, or leave X out."):
        call("")


def test_an_option_in_words():
    found = options_of(Call)
    assert (found["X"].key, found["X"].flag, found["count"].flag) == ("data", "--data", "--count")
    assert (found["on"].flag, found["off"].flag) == ("--on", "--no-off")
    assert (found["on"].told_as, found["count"].told_as) == ("Does it", "Count")
    assert [name for name, option in found.items() if not option.in_words] == ["y"]
    assert [found[name].default_text for name in ("X", "count", "rate", "on", "off")] == [
        "",
        "3",
        "what fits",
        "",
        "true",
    ]
    assert found["widths"].read("1,2") == (1, 2)
    assert (found["on"].read(True), found["off"].read(True)) == (True, False)


def test_a_value_as_a_report_tells_it():
    found = options_of(Call)
    assert found["count"].tell(1000) == "1,000 things"
    assert found["count"].tell(1) == "1 thing"
    assert found["widths"].tell((1000, 2)) == "1,000, 2"
    assert Option(Each(Real(), (0.1,)), "Shares").tell((0.1, 2.0)) == "0.1, 2.0"
    assert found["rate"].tell(None) == "what fits"
    assert found["rate"].tell(1e-05) == "1e-05"
    assert (found["on"].tell(True), found["on"].tell(False)) == ("yes", "no")


def test_options_are_listed_by_panel():
    listed = by_panel(options_of(Call).values(), ["More", "Data"])
    assert {panel: [option.name for option in options] for panel, options in listed.items()} == {
        "More": ["count", "rate"],
        "Data": ["X", "y", "widths"],
    }


def test_a_call_may_be_made_from_a_mapping():
    assert checked_call(Call, "it", (), {"X": "a.csv", "count": 4}) == call("a.csv", count=4)
    assert {one.name for one in fields(Call)} - set(options_of(Call)) == {"plain"}


def test_type_checkers_see_every_name_type_and_default(tmp_path):
    """What is right passes; each wrong name and each wrong type is an error in its own line."""
    right = """
        import dropnorm as dn
        from dropnorm.study.design import configure
        from dropnorm.study.run import plan_study

        reveal_type(dn.run_study)
        study = dn.run_study("iris", seeds=3, hidden=[16], dropout=0.2, arms={"a": {"max_norm": 3.0}}, out="x", device="cpu")
        reveal_type(study)
        dn.run_study([[1.0]], [0], arms=["dropout", dn.Arm(name="b", batch_norm=True)], net=lambda features: None, splits=None)
        plan_study("iris", activation="gelu")
        reveal_type(plan_study("iris").config.hidden)
        reveal_type(configure(epochs=3))
    """
    wrong = """
        dn.run_study("iris", seedz=3)
        dn.run_study("iris", seeds="3")
        dn.run_study("iris", activation="rellu")
        dn.run_study("iris", None, "kind")
        dn.run_study()
        dn.run_study("iris", progress=print, task="guess")
        plan_study("iris", seedz=3)
        configure(seedz=3)
        configure(hidden=16)
        plan_study("iris", progress=None)
    """
    first, second = (textwrap.dedent(text).strip().splitlines() for text in (right, wrong))
    path = tmp_path / "snippet.py"
    path.write_text("\n".join(first + second) + "\n")
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--follow-imports=silent", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    lines = done.stdout.splitlines()
    bad = sorted({int(line.split(":")[1]) for line in lines if ": error: " in line})
    assert bad == list(range(len(first) + 1, len(first) + len(second) + 1)), done.stdout
    notes = [line for line in lines if "Revealed type" in line]
    for shown in ("def (X: Any, y: Any =, *, target: str | None =", "seeds: int =", "hidden: typing.Sequence[int] ="):
        assert shown in notes[0]
    assert '"dropnorm.study.run.Study"' in notes[1]
