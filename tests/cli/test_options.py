from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from dropnorm._constraints import Each, Flag, Text
from dropnorm._options import Option, Options, options_of
from dropnorm._validate import Real, Whole
from dropnorm.cli.options import options_for


@dataclass(frozen=True, kw_only=True)
class Words(Options):
    batch_size: Annotated[int, Option(Whole(1, 9), "How many", panel="Numbers", unit="rows")] = 3
    rate: Annotated[float, Option(Real(0.0, 1.0), "Rate", panel="Numbers")] = 0.5
    widths: Annotated[tuple[int, ...], Option(Each(Whole(1, 9), (1, 2)), "Widths", panel="Lists")] = (1,)
    names: Annotated[
        tuple[str, ...], Option(Each(Text("a name", "x"), ("x",), repeated=True), "A name", panel="Lists")
    ] = ()
    on: Annotated[bool, Option(Flag(), "Whether it does")] = False
    off: Annotated[bool, Option(Flag(), "Whether it does not")] = True


@pytest.fixture
def run():
    """Run a command of these options; returns what it was given and what was printed."""
    seen = []

    @options_for(options_of(Words).values())
    def command(
        given, data: Annotated[str, typer.Argument()] = "digits", json: Annotated[bool, typer.Option("--json")] = False
    ):
        """Do it."""
        seen.append((given, data, json))

    app = typer.Typer()
    app.command()(command)

    def call(*words):
        seen.clear()
        result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200", "TERM": "dumb"}, catch_exceptions=False)
        return (seen[0] if seen else None), result.output

    return call


def test_what_is_not_given_is_not_there(run):
    assert run()[0] == ({}, "digits", False)


def test_each_option_comes_in_the_form_that_python_takes(run):
    words = ["iris", "--batch-size", "4", "--rate", "0.25", "--widths", "2,3", "--names", "a", "--names", "b,c"]
    given, data, json = run(*words, "--on", "--no-off", "--json")[0]
    assert given == {"batch_size": 4, "rate": 0.25, "widths": (2, 3), "names": ["a", "b,c"], "on": True, "off": False}
    assert (data, json) == ("iris", True)


def test_the_help_has_panels_with_what_is_allowed_and_the_default(run):
    shown = " ".join(run("--help")[1].replace("│", " ").split())
    assert "Do it." in shown
    for told in (
        "─ Numbers ─",
        "─ Lists ─",
        "How many (1 to 9 rows; default 3).",
        "Widths (1 to 9 each; default 1).",
        "--no-off",
    ):
        assert told in shown


def test_a_word_of_another_kind_is_a_mistake(run):
    assert "should be a valid integer" in run("--batch-size", "x")[1]
