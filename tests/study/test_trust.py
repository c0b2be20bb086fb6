"""What a run or a study file names is not imported, and not called, without leave; what the user names is."""

import json
import shutil
import sys
from contextlib import closing

import pytest

import dropnorm as dn
from dropnorm.errors import ArgumentTypeError, DataError, RunError
from dropnorm.study.runs.store import Store
from dropnorm.study.trust import check_trusted

CALLED = "CALLED"
SOURCE = f"""
from pathlib import Path
from torch import nn
Path({CALLED!r}).touch()

def net(features, outputs):
    return nn.Sequential(nn.Linear(features, 4), nn.ReLU(), nn.Linear(4, outputs))
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with a module that leaves a trace when it is imported, and is not yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "traps.py").write_text(SOURCE)
    yield tmp_path
    sys.modules.pop("traps", None)


@pytest.fixture
def run(here, quick):
    """A finished study of that module's net; nothing of it is imported any more."""
    given = {key: value for key, value in quick.items() if key != "hidden"}
    dn.run_study("iris", net="traps:net", arms=["dropout"], out="run", **given)
    sys.modules.pop("traps")
    (here / CALLED).unlink()
    return here / "run"


def message(source):
    return (
        f"{source}: names the function 'traps:net', which makes its nets and would be imported and called: expected nets of "
        f"dropnorm's own, or a function that you trust. Read that function first, then allow it with --trust (trust=True in "
        f"Python)."
    )


def test_what_is_trusted_is_allowed():
    check_trusted("model.json", "os:abort", trust=True)


@pytest.mark.parametrize("which", [{}, {"arm": "plain"}, {"arm": "dropout"}, {"net": 0}])
def test_a_model_calls_no_function_without_leave(which, run, here, refuses):
    with refuses(RunError, message(run / "model.json")):
        dn.load_model(run, **which)
    assert not (here / CALLED).exists()
    assert "traps" not in sys.modules
    assert dn.load_model(run, trust=True, **which).predict("iris").height == 150
    assert (here / CALLED).exists()


def test_reading_a_run_of_it_calls_nothing(run, here):
    from dropnorm.report import write_report

    one = dn.load_run(run)
    write_report(one, here / "report.html")
    dn.compare_runs(one, one)
    assert dn.list_runs(run)[0].state == "finished"
    assert not (here / CALLED).exists()


def test_leave_is_true_or_false(run):
    with pytest.raises(ArgumentTypeError, match="trust='yes' is no truth value"):
        dn.load_model(run, trust="yes")


def test_a_dense_model_that_was_made_to_name_a_function(finished, tmp_path, here):
    folder = shutil.copytree(finished.folder, tmp_path / "dense")
    fields = json.loads((folder / "model.json").read_text())
    size = {key: fields["architecture"][key] for key in ("features", "outputs")}
    fields["architecture"] = {"factory": "traps:net"} | size
    (folder / "model.json").write_text(json.dumps(fields))
    with pytest.raises(RunError, match=r"model\.json: names the function 'traps:net'"):
        dn.load_model(folder)
    assert not (here / CALLED).exists()


def test_a_model_within_a_store_of_schema_3(finished, tmp_path, here):
    """The description of another arm lies in the store, and could name what model.json does not."""
    folder = shutil.copytree(finished.folder, tmp_path / "old")
    fields = json.loads((folder / "model.json").read_text())
    (member, *_) = fields.pop("members")
    fields |= {name: member[name] for name in ("mean", "scale", "target_mean", "target_scale")} | {"schema_version": 3}
    (folder / "model.json").write_text(json.dumps(fields))
    size = {key: fields["architecture"][key] for key in ("features", "outputs")}
    trap = fields | {"architecture": {"factory": "traps:net"} | size}
    other = next(arm.arm for arm in finished.summary.arms if arm.arm != fields["arm"]["name"])
    with closing(Store(folder / "study.sqlite")) as store:
        store.put(models={other: {"description": trap, "net": 0}})
    with pytest.raises(RunError, match=r"study\.sqlite: names the function 'traps:net'"):
        dn.load_model(folder, other)
    assert not (here / CALLED).exists()


def test_a_study_file_calls_no_function_without_leave(here, quick, refuses):
    (here / "study.toml").write_text('data = "iris"\nnet = "traps:net"\narms = ["dropout"]\nseeds = 2\nepochs = 2\n')
    with refuses(RunError, message("study.toml")):
        dn.run_study("study.toml")
    assert not (here / CALLED).exists()
    assert dn.run_study("study.toml", trust=True).run.nets
    assert dn.run_study("study.toml", net="traps:net").run.nets


def test_a_study_file_cannot_give_the_leave_itself(here):
    (here / "study.toml").write_text('data = "iris"\nnet = "traps:net"\ntrust = true\n')
    with pytest.raises(DataError, match="the key 'trust' is unknown"):
        dn.run_study("study.toml")
    assert not (here / CALLED).exists()


def test_the_command_that_repeats_a_study_names_its_function(here, quick):
    given = {key: value for key, value in quick.items() if key != "hidden"}
    study = dn.run_study("iris", net="traps:net", arms={"mine": {"dropout": (0.2,)}}, out="custom", **given)
    assert study.run.command == "dropnorm study custom/study.toml --net traps:net"
