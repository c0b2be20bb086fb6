import os
import tomllib

import pytest
import tomlkit

import dropnorm as dn
from dropnorm._options import options_of
from dropnorm.errors import ArgumentError, ArgumentTypeError, DataError
from dropnorm.study.design import configure
from dropnorm.study.options import DataOptions, PlanOptions
from dropnorm.study.run import plan_study
from dropnorm.study.runs.study_file import common_rates, is_study_file, read_study_file, study_file


@pytest.fixture
def csv(table, write):
    return write(table.write_csv(), "insects.csv")


def test_every_run_writes_a_study_file_that_repeats_it_to_the_byte(csv, quick, tmp_path):
    arms = {"dropout": {}, "mine": {"dropout": 0.3, "where": "last", "max_norm": 2, "weight_decay": [0.1, 1.0]}}
    given = quick | {"epochs": 2, "arms": arms, "activation": "tanh", "test_size": 0.25}
    first = dn.run_study(csv, target="kind", ignore=["color"], **given, out=tmp_path / "first")
    dn.run_study(tmp_path / "first" / "study.toml", out=tmp_path / "again")
    assert first.summary.config.arms[2].max_norm == 2.0
    assert first.run.command == f"dropnorm study {tmp_path}/first/study.toml"
    for name in ("summary.json", "model.json", "study.toml"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_what_is_given_beside_a_study_file_goes_before_what_is_in_it(csv, write):
    path = write('data = "insects.csv"\ntarget = "kind"\nseeds = 4\nepochs = 7\nhidden = 9\n', "study.toml")
    planned = plan_study(path, seeds=3, target="color")
    assert (planned.config.seeds, planned.config.epochs, planned.config.hidden) == (3, 7, (9,))
    assert planned.dataset.encoding.target == "color"
    assert plan_study(path).dataset.encoding.target == "kind"
    assert plan_study(str(path)).dataset.name == "insects"


def test_a_learning_curve_is_asked_for_in_a_file_too(csv, write, tmp_path):
    path = write('data = "insects.csv"\ntarget = "kind"\nlearning_curve = true\nbatch_size = 16\n', "study.toml")
    planned = plan_study(path)
    assert planned.config.learning_curve
    assert planned.nets == 80 * 3, "a half and a quarter of 72 rows hold a batch"
    assert b"learning_curve = true" in study_file(planned.data, planned.config, tmp_path)
    assert planned.command.endswith("--learning-curve")


def test_a_path_is_seen_from_the_files_own_folder(csv, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "study.toml"
    path.write_text('data = "../insects.csv"\ntarget = "kind"\n')
    monkeypatch.chdir("/")
    assert plan_study(path).dataset.rows == 120
    written = study_file(DataOptions(str(csv), test="digits"), configure(), tmp_path / "runs" / "x").decode()
    assert tomllib.loads(written)["data"] == "../../insects.csv"
    assert tomllib.loads(written)["test"] == "digits"


def test_a_bundled_sets_name_is_no_path(write):
    assert read_study_file(write('data = "iris"\n', "study.toml")) == {"X": "iris"}


def test_arms_may_be_names_or_tables(csv, write):
    head = 'data = "insects.csv"\ntarget = "kind"\ndropout = 0.4\n'
    named = plan_study(write(head + 'arms = ["dropout", "batch_norm+dropout"]\n', "a.toml"))
    tables = plan_study(write(head + '[arms.dropout]\n[arms."batch_norm+dropout"]\n', "b.toml"))
    assert named.config == tables.config
    assert [arm.dropout for arm in named.config.arms] == [(), (0.4,), (0.4,)]
    assert common_rates(named.config) == (0.4,)


def test_data_in_memory_are_left_out_and_said_to_be(table, quick, tmp_path, refuses):
    planned = plan_study(table, target="kind", group=list(range(120)), **quick)
    path = tmp_path / "study.toml"
    path.write_bytes(study_file(planned.data, planned.config, tmp_path))
    assert "# Given in memory, and so not here: data, group." in path.read_text()
    with refuses(DataError, f'{path}: names no data. Add a line such as data = "train.csv", or name them in Python.'):
        read_study_file(path)


def test_an_unknown_key_is_met_with_the_closest_one(write, refuses):
    path = write('data = "iris"\nseed = 3\n', "study.toml")
    with pytest.raises(DataError) as caught:
        read_study_file(path)
    assert str(caught.value).startswith(f"{path}: the key 'seed' is unknown. Did you mean 'seeds'? Expected of data, ")
    path = write('data = "iris"\n[arms.mine]\nrate = 0.3\n', "study.toml")
    message = (
        f"{path}: the setting 'rate' of the arm 'mine' is unknown: expected one of 'dropout', 'where', "
        "'input_dropout', 'batch_norm', 'max_norm', 'weight_decay'."
    )
    with refuses(ArgumentError, message):
        plan_study(path)


def test_values_of_another_kind(write, refuses):
    path = write('data = "iris"\ntarget = [3]\n', "study.toml")
    message = f"{path}: target=[3] is no text: expected the name of a column, such as target='kind'."
    with refuses(ArgumentTypeError, message):
        read_study_file(path)
    with refuses(ArgumentError, f"{path}: net=3 is unknown: expected one of 'dense', 'conv'. Use net='dense'."):
        read_study_file(write('data = "iris"\nnet = 3\n', "study.toml"))
    message = f"{path}: seeds=1 is too small: expected at least 2 (one seed has no interval). Use seeds=2."
    with refuses(ArgumentError, message):
        plan_study(write('data = "iris"\nseeds = 1\n', "study.toml"))
    message = f"{path}: epochs=2.5 is not a whole number: expected an int from 1 to 100,000. Use epochs=2."
    with refuses(ArgumentTypeError, message):
        plan_study(write('data = "iris"\nepochs = 2.5\n', "study.toml"), epochs=3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seeds", "99999999999999999999"),
        ("seeds", "9" * 4000),
        ("seeds", '"5"'),
        ("seeds", "true"),
        ("seeds", "2024-01-01"),
        ("splits", "0x7fffffffffffffff"),
        ("epochs", "-3"),
        ("hidden", "1e3"),
        ("hidden", "[128, 1000000000]"),
        ("hidden", f"[{', '.join(['8'] * 1000)}]"),
        ("hidden", "[[8]]"),
        ("hidden", '"128,128"'),
        ("channels", "[]"),
        ("batch_size", "1000000000000"),
        ("learning_rate", "nan"),
        ("learning_rate", "inf"),
        ("learning_rate", "1e300"),
        ("learning_rate", "9" * 400),
        ("learning_rate", "true"),
        ("dropout", "[0.5, nan]"),
        ("dropout", "true"),
        ("test_size", "-inf"),
        ("learning_curve", "1"),
        ("learning_curve", '"true"'),
        ("skip_broken", '"false"'),
        ("ignore", "[true]"),
        ("ignore", "{a = 1}"),
        ("activation", "[]"),
        ("net", "{}"),
        ("task", "1"),
        ("group", "[1, 2]"),
        ("time", "2024-01-01"),
        ("test", "[[1.0]]"),
        ("device", "0"),
        ("arms", "3"),
        ("target", '""'),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_with_the_files_name(key, value, write):
    path = write(f'data = "iris"\n{key} = {value}\n', "study.toml")
    with pytest.raises((ArgumentError, ArgumentTypeError), match=r": expected ") as caught:
        plan_study(path)
    assert str(caught.value).startswith(f"{path}: {key}")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("content", ["a = " + "[" * 100_000, "a = " + "9" * 5000], ids=["deep", "many digits"])
def test_what_python_itself_refuses_to_read(content, write):
    path = write(content, "study.toml")
    with pytest.raises(DataError) as caught:
        read_study_file(path)
    assert str(caught.value).startswith(f"{path}: is no study file: ")


def test_every_option_that_words_can_give_is_a_key(write, csv):
    """Defaults, written as TOML, are read again as what they are."""
    for option in options_of(PlanOptions).values():
        if option.in_words and option.name != "X" and option.default is not None:
            default = list(option.default) if isinstance(option.default, tuple) else option.default
            path = write(tomlkit.dumps({"data": "iris", option.key: default}), "study.toml")
            assert read_study_file(path) == {"X": "iris", option.name: option.check(option.default)}


@pytest.mark.parametrize("content", [b"data = ", b"\xff\xfe"], ids=["no TOML", "no text"])
def test_a_file_that_is_no_study_file(content, write):
    path = write(content, "study.toml")
    with pytest.raises(DataError) as caught:
        read_study_file(path)
    assert str(caught.value).startswith(f"{path}: is no study file: ")
    assert str(caught.value).endswith(" Expected TOML, such as a run's study.toml.")


def test_a_file_that_is_not_there(tmp_path, refuses):
    path = tmp_path / "study.toml"
    with refuses(DataError, f"{path}: there is no such file. Expected a study file, such as one that a run wrote."):
        plan_study(path)


def test_only_toml_is_a_study_file():
    assert is_study_file("a/b.TOML")
    assert not is_study_file("toml")
    assert not is_study_file([[1.0]])


def test_every_setting_is_written(tmp_path):
    config = configure(arms="dropout+batch_norm", seeds=3)
    written = tomllib.loads(study_file(DataOptions("iris"), config, tmp_path).decode())
    # TOML has no way to say that nothing was asked for
    expected = {name: value for name, value in config.kept().items() if value is not None and name != "arms"}
    arms = written.pop("arms")
    assert arms == {"dropout+batch_norm": {"dropout": [0.1, 0.3, 0.5], "batch_norm": True}}
    assert written == {"data": "iris"} | expected


@pytest.mark.timeout(20)
def test_what_is_no_file_is_not_waited_for(tmp_path, refuses):
    path = tmp_path / "study.toml"
    message = f"{path}: is no file. Expected a study file, such as one that a run wrote. Name it."
    path.mkdir()
    with refuses(DataError, message):
        read_study_file(path)
    path.rmdir()
    os.mkfifo(path)
    with refuses(DataError, message):
        read_study_file(path)
