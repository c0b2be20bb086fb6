import shlex
from pathlib import Path

import pytest

from dropnorm.study.design import configure
from dropnorm.study.options import DataOptions
from dropnorm.study.runs.command import command_of


@pytest.mark.parametrize(
    ("data", "given", "command"),
    [
        ({"X": "iris"}, {}, "dropnorm study iris"),
        ({"X": "a b.csv", "target": "y"}, {"seeds": 3}, "dropnorm study 'a b.csv' --target y --seeds 3"),
        ({"X": "iris"}, {"arms": "batch_norm"}, "dropnorm study iris --arms batch_norm"),
        ({"X": "iris"}, {"dropout": (0.2, 0.4)}, "dropnorm study iris --dropout 0.2,0.4"),
        (
            {"X": "x", "ignore": ["a", "b"], "skip_broken": True},
            {},
            "dropnorm study x --ignore a --ignore b --skip-broken",
        ),
        ({"X": None, "target": "y"}, {"epochs": 3}, "dropnorm.run_study(X, target='y', epochs=3)"),
        ({"X": None}, {"arms": "dropout"}, "dropnorm.run_study(X, y, arms=('dropout',))"),
        ({"X": "x.csv", "group": [1, 2]}, {}, "dropnorm.run_study('x.csv', group=group)"),
        ({"X": "iris"}, {"arms": {"mine": {"dropout": 0.2, "max_norm": 1}}}, "dropnorm study runs/1/study.toml"),
    ],
)
def test_the_command(data, given, command):
    assert command_of(DataOptions(**data), configure(device="cpu", **given), Path("runs/1")) == command


def test_arms_without_names_are_given_in_python_if_there_is_no_folder():
    command = command_of(DataOptions(None), configure(arms={"mine": {"dropout": 0.2}}, device="cpu"), None)
    assert command.startswith("dropnorm.run_study(X, y, arms=[Arm(name='plain', ")


def test_a_command_line_is_split_as_it_was_joined():
    command = command_of(DataOptions("it's.csv", target="a b"), configure(device="cpu"), None)
    assert shlex.split(command) == ["dropnorm", "study", "it's.csv", "--target", "a b"]
