"""Every setting is declared whole, and is there wherever a study is given, kept or told."""

import inspect
import tomllib
from dataclasses import fields, replace

import pytest

import dropnorm as dn
from dropnorm._options import options_of
from dropnorm.report.tables import how_it_was_made
from dropnorm.study.design import configure
from dropnorm.study.options import PANELS, DataOptions, StudyOptions
from dropnorm.study.records import StudyConfig
from dropnorm.study.runs.command import command_of
from dropnorm.study.runs.study_file import read_study_file, study_file
from dropnorm.study.settings import Settings

SETTINGS = options_of(Settings)
OTHER = {
    "splits": 3,
    "seeds": 4,
    "epochs": 5,
    "hidden": (6, 7),
    "channels": (8,),
    "activation": "silu",
    "batch_size": 9,
    "learning_rate": 0.25,
    "patience": 11,
    "validation_size": 0.125,
    "test_size": 0.375,
    "copies": "apart",
    "learning_curve": True,
    "metric": "balanced_accuracy",
    "class_weight": "balanced",
    "patience_growth": 0.25,
    "schedule": "constant",
    "stop_by": "score",
    "scaling": "each",
}


def test_every_field_is_an_option():
    assert list(SETTINGS) == [one.name for one in fields(Settings)]
    assert set(SETTINGS) == set(OTHER), "a new setting has a value here that is not its default"


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_declared_whole(name):
    option = SETTINGS[name]
    assert option.help[0].isupper()
    assert not option.help.endswith(".")
    assert option.panel in PANELS
    assert option.in_words
    assert option.check(option.default) == option.default, "the default is allowed, in its one form"
    assert option.constraint.check(OTHER[name], name) == OTHER[name]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_wherever_a_study_is_given_kept_or_told(name, tmp_path, finished):
    value, option = OTHER[name], SETTINGS[name]
    assert inspect.signature(dn.run_study).parameters[name].default == option.default
    assert f"{name}: {option.help}" in " ".join(dn.run_study.__doc__.split())
    assert getattr(configure(**{name: value}), name) == value
    config = replace(configure(device="cpu"), **{name: value})
    assert getattr(StudyConfig.read(config.kept()), name) == value
    path = tmp_path / "study.toml"
    path.write_bytes(study_file(DataOptions("iris"), config, tmp_path))
    assert name in tomllib.loads(path.read_text())
    assert read_study_file(path)[name] == value
    words = option.constraint.spell(option.flag, value)
    assert command_of(DataOptions("iris"), config, None).split() == ["dropnorm", "study", "iris", *words]
    assert f"{name}={value!r}" in command_of(DataOptions(None), config, None)
    changed = replace(finished.summary.config, net="conv", **{name: value})
    run = finished.run.model_copy(update={"summary": finished.summary.model_copy(update={"config": changed})})
    assert dict(how_it_was_made(run))[option.told_as] == option.tell(value)


def test_a_study_has_the_settings_among_its_options():
    assert set(SETTINGS) < set(options_of(StudyOptions))
