"""Runs that version 0.1.0 wrote, of schema 3: read, shown, compared, exported, predicted with, and gone on with."""

import json
import shutil
import sqlite3
import tarfile
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from sklearn.datasets import load_diabetes, load_iris

import dropnorm as dn
from dropnorm.errors import RunError
from dropnorm.study.design import configure
from dropnorm.study.older_schemas import as_this_version, before_options, config_of, summary_from_3, with_options_of
from dropnorm.study.records import StudyIdentity
from dropnorm.study.runs.exporting import export_csv
from dropnorm.study.runs.loading import load_summary
from dropnorm.study.runs.store import Store
from dropnorm.study.settings import Settings
from dropnorm.study.statistics.arms import summarize_arms
from dropnorm.study.statistics.catalogue import statistics_of
from dropnorm.study.statistics.choice import choose_nets
from dropnorm.study.statistics.comparisons import interactions
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import TASKS

DATA = Path(__file__).parents[1] / "data" / "runs_of_schema_3"
FINISHED = {"classification": "iris", "regression": "diabetes"}
ARMS = ["dropout", "batch_norm", "dropout+batch_norm", "weight_decay"]
OF_IRIS = {"arms": ARMS, "hidden": (8,), "seeds": 2, "dropout": (0.2, 0.5), "epochs": 4, "batch_size": 32}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The folder of all runs, which tests leave as they are."""
    folder = tmp_path_factory.mktemp("older")
    for packed in sorted(DATA.glob("*.tar.xz")):
        with tarfile.open(packed) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # which Python 3.11 has from 3.11.4 on
            archive.extractall(folder)
    return folder


@pytest.fixture
def copied(unpacked, tmp_path):
    """A copy of a run by its name."""
    return lambda name: shutil.copytree(unpacked / name, tmp_path / name)


def raw(folder):
    return json.loads((folder / "summary.json").read_bytes())


@pytest.mark.parametrize("name", FINISHED)
def test_every_number_of_a_summary_is_kept(name, unpacked):
    before, summary = raw(unpacked / name), load_summary(unpacked / name)
    assert before["schema_version"] == 3
    assert summary.schema_version == 4
    now = json.loads(summary.model_dump_json())
    for field in ("dropnorm_version", "steps_per_epoch", "parameters", "verdict"):
        assert now[field] == before[field], field
    for field in ("data", "config"):
        # What that version did not know is beside it.
        assert {name: now[field][name] for name in before[field]} == before[field], field
    assert now["limits"] == {name: now["config"][name] for name in ("epochs", "patience")} | {
        "growth": 0.0,
        "progress": 0.0,
        "drops": 0,
        "drop_to": 1.0,
        "stop_by": "loss",
    }
    assert {name: now["config"][name] for name in ("scaling", "schedule", "patience_growth")} == {
        "scaling": "each",
        "schedule": "constant",
        "patience_growth": 0.0,
    }
    assert now["state"] == before["state"] | {"drop": None}
    assert now["learning_curve"] == [point | {"p_holm": None} for point in before["learning_curve"]]
    for arm, old in zip(now["arms"], before["arms"], strict=True):
        comparisons = arm.pop("comparisons")
        for one, other in zip(comparisons, old.pop("comparisons"), strict=True):
            assert one.pop("statistic").removeprefix("test_") == other.pop("measure")
            assert one == other
        assert {**arm.pop("statistics"), **arm} == {name: value for name, value in old.items() if value is not None} | {
            "selection": old["selection"]
        }
    for one, other in zip(now["interactions"], before["interactions"], strict=True):
        assert one.pop("statistic").removeprefix("test_") == other.pop("measure")
        assert one == other


@pytest.mark.parametrize("name", FINISHED)
def test_the_arm_that_was_recommended_is_the_advised_one(name, unpacked):
    advice, recommended = load_summary(unpacked / name).advice, raw(unpacked / name)["recommendation"]
    told = {field: recommended[field] for field in ("arm", "rate", "weight_decay")}
    assert advice.model_dump() == told | {"units": 2, "evidence": ()}


@pytest.mark.parametrize(("given", "units"), [({"splits": 3}, 3), ({"splits": 1}, 2), ({"splits": None}, 2)])
def test_what_a_conclusion_rests_on_is_counted_as_now(given, units, unpacked):
    before = raw(unpacked / "classification")
    before["config"] |= given
    assert summary_from_3(before)["advice"]["units"] == units


def within_bounds(arm, task):
    """An arm as an older version told it, its intervals cut off where no difference can be, as now."""

    def cut(comparison):
        span, interval = statistics_of(task)[comparison.statistic].span, comparison.interval
        ends = {"low": max(interval.low, -span), "high": min(interval.high, span)}
        return comparison.model_copy(update={"interval": interval.model_copy(update=ends)})

    return arm.model_copy(update={"comparisons": tuple(cut(one) for one in arm.comparisons)})


@pytest.mark.parametrize("name", FINISHED)
def test_the_nets_lead_to_the_same_conclusions_as_then(name, unpacked):
    run = dn.load_run(unpacked / name)
    summary, data, task = run.summary, run.summary.data, TASKS[run.summary.data.task]
    arms, resampling = [arm.name for arm in summary.config.arms], Resampling.of(data, summary.config)
    resolution = task.metric.resolution(data.test_rows)
    found = summarize_arms(run.nets, run.epochs, arms, task, resampling, summary.steps_per_epoch, resolution)
    for arm, old in zip(found, summary.arms, strict=True):
        assert alike(arm.model_dump(), within_bounds(old, task).model_dump(), rel=1e-9)
    both = interactions({arm: choose_nets(run.nets, arm, task.metric) for arm in arms}, task, resampling, resolution)
    assert alike([one.model_dump() for one in both], [one.model_dump() for one in summary.interactions], rel=1e-9)


def alike(found, expected, rel, abs=1e-12):
    """Whether nested values are the same, numbers to rounding; a score of few rows may be one row off."""
    found, expected = flat(found), flat(expected)
    assert found.keys() == expected.keys()
    return all(
        found[path] == pytest.approx(value, rel=rel, abs=0.04 if rel > 1e-6 and path.endswith("_score") else abs)
        if isinstance(value, int | float)
        else found[path] == value
        for path, value in expected.items()
    )


def flat(value, path=""):
    """Everything in nested values by its path."""
    if isinstance(value, dict):
        return {key: one for name, part in value.items() for key, one in flat(part, f"{path}.{name}").items()}
    if isinstance(value, list | tuple):
        return {key: one for index, part in enumerate(value) for key, one in flat(part, f"{path}.{index}").items()}
    return {path: value}


@pytest.mark.parametrize(("name", "counts"), [("classification", (18, 72, 0, 8)), ("regression", (18, 54, 36, 6))])
def test_records_of_the_store_are_read(name, counts, unpacked):
    run = dn.load_run(unpacked / name)
    assert tuple(map(len, (run.nets, run.epochs, run.curve_nets, run.unit_inputs))) == counts
    assert run.pictures.activity
    assert run.timing.threads == 1
    assert run.command.startswith(f"dropnorm study {FINISHED[name]} ")
    with closing(sqlite3.connect(unpacked / name / "study.sqlite")) as database:
        database.row_factory = sqlite3.Row
        for net, row in zip(run.nets, database.execute("SELECT * FROM nets ORDER BY net"), strict=True):
            kept = net.model_dump(exclude={"reliability"})
            assert kept == {field: row[field] for field in kept}


@pytest.mark.parametrize("name", FINISHED)
def test_a_run_is_drawn_exported_listed_and_compared(name, unpacked, tmp_path):
    run = dn.load_run(unpacked / name)
    dn.write_report(run, tmp_path / "report.html")
    assert run.summary.verdict[0].split(":")[0] in (tmp_path / "report.html").read_text(encoding="utf-8")
    nets = pl.read_csv(export_csv(run, tmp_path)[0])
    assert nets["test_score"].to_list() == [net.test_score for net in run.nets]
    assert "generalization_gap" in nets.columns
    (overview,) = dn.list_runs(unpacked / name)
    assert (overview.state, overview.done, overview.advised) == ("finished", 1.0, run.summary.advice.arm)
    assert overview.plain == run.summary.arms[0].test_score
    comparison = dn.compare_runs(run, run)
    assert (comparison.settings, comparison.units) == ((), 2)


def test_an_interaction_that_was_found_is_told_as_it_was(unpacked):
    """By seeds enough, since of few none is told; no evidence on arms was kept from which to doubt it."""
    from dropnorm.report.tables import interaction_sentence

    before = raw(unpacked / "classification")
    before["interactions"][0] |= {"interval": {"mean": 0.2, "low": 0.1, "high": 0.3}, "p_value": 0.01}
    before["config"]["seeds"] = 10
    summary = dn.load_run(unpacked / "classification").summary
    older = type(summary).model_validate(summary_from_3(before))
    assert interaction_sentence(older)[0].startswith("Yes")


def test_a_net_predicts_as_its_weights_say(unpacked):
    """An independent pass through the two layers of plain's net."""
    folder = unpacked / "classification"
    described, weights = json.loads((folder / "model.json").read_bytes()), load_file(folder / "model.safetensors")
    assert (described["schema_version"], described["arm"]["name"]) == (3, "plain")
    (first, first_bias), (second, second_bias) = (
        (weights[f"{layer}.weight"], weights[f"{layer}.bias"]) for layer in ("0", "2")
    )
    x = (load_iris().data - np.array(described["mean"])) / np.array(described["scale"])
    outputs = np.maximum(x @ first.T + first_bias, 0.0) @ second.T + second_bias
    probabilities = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    told = dn.load_model(folder).predict("iris")
    assert told.select(pl.col("^probability_.*$")).to_numpy() == pytest.approx(probabilities, abs=1e-5)


@pytest.mark.parametrize("name", FINISHED)
def test_nets_of_other_arms_predict_and_tell_how_sure_they_are(name, unpacked):
    model = dn.load_model(unpacked / name, "dropout")
    X = load_iris().data if name == "classification" else load_diabetes().data
    assert model.predict(FINISHED[name]).height == len(X)
    assert model.predict(FINISHED[name], uncertainty=True).height == len(X)


def test_an_unfinished_study_is_listed(unpacked):
    (overview,) = dn.list_runs(unpacked / "unfinished")
    assert (overview.state, overview.data, overview.nets, overview.nets_finished) == ("unfinished", "iris", 18, 6)
    assert overview.done == 0.5
    with pytest.raises(RunError, match="its study is not finished"):
        dn.load_run(unpacked / "unfinished")


def test_an_unfinished_study_goes_on_and_ends_with_the_numbers_of_then(copied, unpacked):
    folder = copied("unfinished")
    with closing(Store(folder / "study.sqlite", read_only=True)) as store:
        begun, epochs = store.nets(), store.epochs()
    study = dn.run_study("iris", out=folder, **OF_IRIS)
    expected = dn.load_run(unpacked / "classification")
    # What was finished is kept as it was, and the rest is trained as then, to rounding on another machine.
    assert [net for net in study.run.nets if net in begun] == list(begun)
    assert set(epochs) <= set(study.run.epochs)
    for got, then in zip(study.run.nets, expected.nets, strict=True):
        hidden = {"reliability", "calibration_error"}
        assert alike(got.model_dump(exclude=hidden), then.model_dump(exclude=hidden), rel=1e-3)
    for got, then in zip(study.run.epochs, expected.epochs, strict=True):
        assert alike(got.model_dump(), then.model_dump(), rel=1e-3)
    again = dn.load_run(folder)
    assert again == study.run
    assert again.summary.schema_version == 4
    with closing(Store(folder / "study.sqlite", read_only=True)) as store:
        assert store.get("schema_version") == 4
    assert dn.run_study("iris", out=folder, **OF_IRIS).run == again


def test_a_finished_study_that_is_started_again_concludes_anew_without_training(copied):
    folder = copied("classification")
    before = dn.load_run(folder)
    study = dn.run_study("iris", out=folder, **OF_IRIS)
    assert (study.run.nets, study.run.epochs) == (before.nets, before.epochs)
    task = TASKS["classification"]
    assert study.summary.arms == tuple(within_bounds(arm, task) for arm in before.summary.arms)
    assert len(study.summary.advice.evidence) == 4
    assert json.loads((folder / "summary.json").read_bytes())["schema_version"] == 4
    assert json.loads((folder / "model.json").read_bytes())["schema_version"] == 4


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"epochs": 5}, "epochs"),
        ({"hidden": (9,), "batch_size": 16}, "hidden, batch_size"),
        ({"arms": ["dropout"]}, "arms"),
    ],
)
def test_another_study_is_refused_and_the_older_one_stays_as_it_was(given, changed, copied, refuses):
    folder = copied("unfinished")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    message = f"{folder}: holds another study, of other {changed}. Name another folder with --out, or remove this one."
    with refuses(RunError, message):
        dn.run_study("iris", out=folder, **OF_IRIS | given)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_version_that_trains_otherwise_is_not_gone_on_with(copied, refuses):
    folder = copied("unfinished")
    with sqlite3.connect(folder / "study.sqlite") as database:
        database.execute("""UPDATE meta SET value = replace(value, '"0.1.0"', '"0.0.9"') WHERE name = 'study'""")
    database.close()
    message = f"{folder}: holds another study, of other version. Name another folder with --out, or remove this one."
    with refuses(RunError, message):
        dn.run_study("iris", out=folder, **OF_IRIS)


def test_an_older_version_that_trains_the_same_nets_is_as_good_as_this_one():
    begun = StudyIdentity(config=configure().kept() | {"version": "0.1.0", "code": "f"}, data="d")
    assert as_this_version(begun, "9.0").config == begun.config | {"version": "9.0"}
    other = begun.model_copy(update={"config": begun.config | {"version": "0.0.1"}})
    assert as_this_version(other, "9.0") == other


@pytest.fixture
def newer_option():
    """As though there had been no activation, and all nets had had tanh."""
    option = get_args(next(one.type for one in fields(Settings) if one.name == "activation"))[1]
    before = option.before
    object.__setattr__(option, "before", "tanh")
    yield
    object.__setattr__(option, "before", before)


def without(config, *names):
    return {name: value for name, value in config.kept().items() if name not in names}


def test_an_option_that_was_not_there_has_the_value_of_what_was_done(newer_option):
    begun = StudyIdentity(config=without(configure(), "activation") | {"version": "0.1.0"}, data="d")
    assert config_of(begun).activation == "tanh"
    assert as_this_version(begun, "1").config["activation"] == "tanh"
    assert with_options_of(begun, configure()).activation == "tanh"
    # What is given now is another study, and what was there then stays.
    assert with_options_of(begun, configure(activation="gelu")).activation == "gelu"
    known = StudyIdentity(config=configure().kept(), data="d")
    assert with_options_of(known, configure()).activation == "relu"
    assert as_this_version(known, "1").config["activation"] == "relu"


def test_a_study_is_gone_on_with_by_the_options_of_then(newer_option, copied, refuses):
    folder = copied("unfinished")
    with closing(Store(folder / "study.sqlite")) as store:
        study = store.get("study")
        del study["config"]["activation"]
        store.put(study=study)
    message = f"{folder}: holds another study, of other activation. Name another folder with --out, or remove this one."
    with refuses(RunError, message):
        dn.run_study("iris", out=folder, activation="gelu", **OF_IRIS)
    done = dn.run_study("iris", out=folder, **OF_IRIS)
    assert done.summary.config.activation == "tanh"
    assert done.model.description.architecture.activation == "tanh"
    assert 'activation = "tanh"' in (folder / "study.toml").read_text()


def test_what_was_given_to_this_version_is_not_what_an_older_one_did():
    begun = StudyIdentity(config=configure(patience=10).kept(), data="d")
    assert with_options_of(begun, configure()) == configure()
    assert with_options_of(begun, configure(patience=10)) == configure(patience=10)
    as_then = StudyIdentity(config=configure(**before_options()).kept(), data="d")
    assert with_options_of(as_then, configure(seeds=3)) == configure(seeds=3, **before_options())
    assert with_options_of(as_then, configure(epochs=7)).epochs == 7


def test_settings_that_cannot_be_read_are_named(copied):
    folder = copied("unfinished")
    with closing(Store(folder / "study.sqlite")) as store:
        study = store.get("study")
        study["config"]["epochs"] = "many"
        store.put(study=study)
    with pytest.raises(
        RunError, match=r": is damaged \(meta\.study\.config\.epochs: .*integer.*\)\. Name another folder"
    ):
        dn.run_study("iris", out=folder, **OF_IRIS)
    (overview,) = dn.list_runs(folder)
    assert overview.state == "unreadable"


@pytest.mark.parametrize("schema", [1, 2, 5])
@pytest.mark.parametrize("file", ["summary.json", "model.json", "study.sqlite"])
def test_other_schemas_are_refused_as_ever(file, schema, copied):
    folder = copied("classification")
    if file == "study.sqlite":
        with closing(Store(folder / file)) as store:
            store.put(schema_version=schema)
    else:
        text = (folder / file).read_text()
        (folder / file).write_text(text.replace('"schema_version": 3', f'"schema_version": {schema}'))
    by = "a newer" if schema == 5 else "an older"
    with pytest.raises(
        RunError, match=rf"{file}: was written by {by} dropnorm \(schema {schema}, where this one reads 3 to 4\)"
    ):
        dn.load_model(folder) if file == "model.json" else dn.load_run(folder)


def paths(value, path=()):
    """Where everything in nested values is."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*path, key) for key, _ in parts] + [one for key, part in parts for one in paths(part, (*path, key))]


def changed(fields, path, value):
    """A copy in which one place has another value, or nothing if that is `...`."""
    copy = json.loads(json.dumps(fields))
    *above, last = path
    place = copy
    for key in above:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return copy


@pytest.mark.parametrize("schema", [3, 4])
def test_a_summary_with_anything_missing_or_of_another_kind_is_read_or_refused(schema, copied):
    """Each field of schema 3, and of 4, once without, once with something else: no error but RunError."""
    folder = copied("classification")
    path = folder / "summary.json"
    fields = json.loads(path.read_bytes()) if schema == 3 else json.loads(load_summary(folder).model_dump_json())
    fields["arms"], fields["config"]["arms"] = fields["arms"][:2], fields["config"]["arms"][:2]
    refused = []
    for number, place in enumerate(paths(fields)):
        for value in (..., (None, [], {}, "text", -1, True)[number % 6]):
            path.write_text(json.dumps(changed(fields, place, value)))
            try:
                load_summary(folder)
            except RunError as error:
                refused.append(str(error))
    assert len(refused) > 100
    assert all(message.startswith(f"{path}: ") for message in refused)
