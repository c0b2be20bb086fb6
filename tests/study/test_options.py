import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import dropnorm as dn
from dropnorm._options import options_of
from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.study.options import (
    PANELS,
    CallOptions,
    DataName,
    DataOptions,
    DesignOptions,
    NetOrFactory,
    PlanOptions,
    StudyOptions,
)
from dropnorm.study.run import plan_study

OPTIONS = options_of(StudyOptions)


def test_all_options_are_those_of_the_parts():
    parts = [*options_of(DataOptions), *options_of(DesignOptions)]
    assert list(options_of(PlanOptions)) == parts
    assert list(options_of(CallOptions)) == [*parts, "trust"]
    assert list(OPTIONS) == [*parts, "trust", "out", "progress"]


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_declared_whole(name):
    option = OPTIONS[name]
    assert option.panel in PANELS
    assert option.help[0].isupper()
    assert not option.help.endswith(".")


@pytest.mark.parametrize("call", [dn.run_study, plan_study])
def test_an_unknown_name_is_met_with_the_closest_one(call):
    with pytest.raises(
        ArgumentTypeError, match=rf"\Aseedz=3 is no option of {call.__name__}: .* Did you mean 'seeds'\?\Z"
    ):
        call("iris", seedz=3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target": ["kind"]}, "target=['kind'] is no text: expected the name of a column, such as target='kind'."),
        (
            {"skip_broken": 1},
            "skip_broken=1 is no truth value: expected True or False. Use skip_broken=True, or leave skip_broken out.",
        ),
        ({"ignore": 3.5}, "ignore=3.5 is no text: expected the name of a column, such as ignore='kind'."),
        ({"group": Path("a")}, f"group={Path('a')!r} is no text: expected the name of a column, such as group='kind'."),
        ({"arms": 3}, "arms=3 is no list of arms: expected one such as ['dropout', 'batch_norm']."),
        ({"out": 3}, "out=3 is no path: expected a folder, as a text or a Path. Use out='my-run'."),
        ({"progress": 3}, "progress=3 is no function: expected one that takes a Progress. Leave progress out."),
    ],
)
def test_values_of_another_type(given, message, refuses):
    with refuses(ArgumentTypeError, message):
        dn.run_study("iris", **given)


@pytest.mark.parametrize("name", [name for name in OPTIONS if name not in ("X", "y")])
@pytest.mark.parametrize("value", [object(), 1j, b"x", float("nan"), {1}, [[]]], ids=lambda value: type(value).__name__)
def test_no_value_makes_an_error_from_within(name, value, tmp_path, monkeypatch):
    """A value of a strange type is refused by us, whichever option it is given to."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(dn.errors.DropnormError):
        dn.run_study("iris", **{name: value})
    assert list(tmp_path.iterdir()) == []


def test_a_path_names_data_as_well_as_a_text(tmp_path):
    name = DataName("a path", "a.csv")
    assert name.check(tmp_path, "X") is tmp_path
    assert name.check("a", "X") == "a"
    assert os.fspath(DataOptions(tmp_path).X) == str(tmp_path)


def test_a_net_is_one_of_ours_or_a_factorys_name(refuses):
    net = NetOrFactory(("dense", "conv"))
    assert [net.check(name, "net") for name in ("conv", "nets:small")] == ["conv", "nets:small"]
    assert net.allowed() == "dense, conv or module:function"
    with refuses(ArgumentError, "net='con' is unknown: expected one of 'dense', 'conv'. Did you mean 'conv'?"):
        net.check("con", "net")


def test_a_device_may_be_torchs():
    assert plan_study("iris", device=torch.device("cpu")).config.device == "cpu"


def test_options_load_no_torch():
    code = "import sys, dropnorm.study.options; print(*{'torch', 'numpy', 'polars', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
