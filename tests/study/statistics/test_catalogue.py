"""The table of statistics, and that nothing beside it must know of a new one."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import dropnorm as dn
from dropnorm.report.effects import effect_table
from dropnorm.report.tables import arm_table
from dropnorm.study.records import ArmResult, Summary
from dropnorm.study.runs.comparing import compare_runs
from dropnorm.study.runs.exporting import export_csv
from dropnorm.study.statistics import catalogue
from dropnorm.study.statistics.catalogue import Statistic, statistics_of
from dropnorm.study.statistics.intervals import interval
from dropnorm.study.task import TASKS, Notation

CLASSES, QUANTITY = TASKS["classification"], TASKS["regression"]


@pytest.fixture
def net(make_net):
    """A net whose every number is another."""
    return make_net(
        0,
        train_loss=0.25,
        train_score=0.96875,
        validation_loss=0.5,
        validation_score=0.8125,
        test_loss=0.75,
        test_score=0.78125,
        test_r2=0.375,
        calibration_error=0.0625,
    )


def test_every_statistic_of_a_net_is_read_from_its_record(net):
    same = {
        "train_score": 0.96875,
        "validation_score": 0.8125,
        "test_score": 0.78125,
        "test_loss": 0.75,
        "calibration_error": 0.0625,
        "test_r2": 0.375,
        "loss_gap": 0.5,
    }
    for task, gap in ((CLASSES, 0.1875), (QUANTITY, -0.1875)):
        values = {name: one.value(net) for name, one in statistics_of(task).items()}
        assert values == same | {"generalization_gap": gap}


def test_what_a_task_does_not_have_is_none(make_net):
    for task in TASKS.values():
        values = {name: one.value(make_net(0)) for name, one in statistics_of(task).items()}
        assert {name for name, value in values.items() if value is None} == {"test_r2", "calibration_error"}


def test_entries_are_told_apart_by_name_and_by_label():
    for task in TASKS.values():
        table = statistics_of(task)
        assert [one.name for one in table.values()] == list(table)
        assert len({one.label for one in table.values()}) == len(table)
        assert table is statistics_of(task)


def test_what_the_code_names_is_in_the_table():
    for task in TASKS.values():
        named = {name for name, value in vars(ArmResult).items() if isinstance(value, property)}
        assert named & set(statistics_of(task)) == {
            "train_score",
            "validation_score",
            "test_score",
            "generalization_gap",
        }


def test_arms_are_compared_only_in_what_can_be_better():
    for task in TASKS.values():
        for statistic in statistics_of(task).values():
            assert statistic.higher_is_better is not None or not statistic.compared
            assert statistic.compared or not statistic.interaction
            assert statistic.part == "test" or not statistic.in_steps


@pytest.mark.parametrize(
    ("task", "name", "gain"),
    [
        (CLASSES, "test_score", 0.25),
        (QUANTITY, "test_score", -0.25),
        (CLASSES, "test_loss", -0.25),
        (CLASSES, "calibration_error", -0.25),
        (QUANTITY, "generalization_gap", -0.25),
        (QUANTITY, "test_r2", 0.25),
    ],
)
def test_a_gain_is_in_the_direction_that_is_better(task, name, gain):
    assert statistics_of(task)[name].gain(0.75, 0.5) == gain


def test_labels_have_the_units_of_values_and_of_differences():
    def headers(task):
        return {
            name: (one.notation.headed(one.label), one.notation.labelled(one.label))
            for name, one in statistics_of(task).items()
        }

    assert headers(CLASSES) == {
        "train_score": ("train accuracy, %", "train accuracy, pp"),
        "validation_score": ("validation accuracy, %", "validation accuracy, pp"),
        "test_score": ("test accuracy, %", "test accuracy, pp"),
        "test_loss": ("test log loss, nats", "test log loss, nats"),
        "calibration_error": ("calibration error, pp", "calibration error, pp"),
        "generalization_gap": ("generalization gap, pp", "generalization gap, pp"),
        "test_r2": ("test R²", "test R²"),
        "loss_gap": ("log loss, test less train, nats", "log loss, test less train, nats"),
    }
    assert {header for pair in headers(QUANTITY).values() for header in pair} == {
        "train RMSE",
        "validation RMSE",
        "test RMSE",
        "test loss",
        "calibration error, pp",
        "generalization gap",
        "test R²",
        "loss, test less train",
    }


DROP = Statistic(
    name="validation_to_test",
    label="validation less test accuracy",
    value=lambda net: net.validation_score - net.test_score,
    notation=replace(CLASSES.metric, unit="pp"),
    part="test",
    higher_is_better=False,
    compared=True,
    interaction=True,
    in_arm_table=True,
)


@pytest.fixture
def with_drop(monkeypatch):
    """The table with an entry more."""
    known = catalogue._entries
    monkeypatch.setattr(catalogue, "_entries", lambda task: (*known(task), DROP))
    statistics_of.cache_clear()
    yield
    monkeypatch.undo()
    statistics_of.cache_clear()


def test_an_entry_is_all_that_a_new_statistic_takes(with_drop, finished, tmp_path):
    """From the summary to the tables and the export, and in comparisons of two runs."""
    study = dn.run_study("iris", seeds=2, epochs=2, hidden=(4,), batch_size=16, out=tmp_path / "run")
    summary = Summary.model_validate_json((tmp_path / "run" / "summary.json").read_bytes())
    nets = {net.net: net for net in study.run.nets}
    for arm in summary.arms:
        values = [DROP.value(nets[net]) for net in arm.nets]
        expected = interval(values, 30 / 120)
        found = arm.statistics["validation_to_test"]
        assert (found.mean, found.low, found.high) == pytest.approx((expected.mean, expected.low, expected.high))
        compared = arm.comparison_in("validation_to_test")
        assert (compared is None) == (arm.arm == "plain")
    assert [one.statistic for one in summary.interactions] == ["test_score", "test_loss", "validation_to_test"]
    assert "validation less test accuracy, pp" in [column.header for column in arm_table(summary).columns]
    assert "validation less test accuracy, pp" in [row[1] for row in effect_table(summary).rows]
    rows = pl.read_csv(export_csv(study.run, tmp_path)[0])
    assert rows["validation_to_test"].to_list() == [DROP.value(net) for net in study.run.nets]
    between = compare_runs(study.run, study.run).arms[1].comparison_in("validation_to_test")
    assert set(between.differences) == {0.0}
    # A run that was written before has its nets, and says that it has no more.
    assert dn.load_run(finished.folder) == finished.run
    headers = [column.header for column in arm_table(finished.summary).columns]
    assert "validation less test accuracy, pp" not in headers
    assert "validation_to_test" in pl.read_csv(export_csv(finished.run, tmp_path / "before")[0]).columns


def test_a_statistic_that_a_later_version_knew_is_kept_and_not_told(finished):
    found = json.loads(finished.summary.model_dump_json())
    for arm in found["arms"]:
        arm["statistics"]["luck"] = {"mean": 0.5, "low": 0.4, "high": 0.6}
        arm["comparisons"] += [one | {"statistic": "luck"} for one in arm["comparisons"][:1]]
    summary = Summary.model_validate(found)
    assert summary.arms[0].statistics["luck"].mean == 0.5
    assert arm_table(summary) == arm_table(finished.summary)
    assert effect_table(summary) == effect_table(finished.summary)


def test_a_field_of_a_net_that_a_statistic_needs_is_there(net):
    """Lambdas name fields; this sees that none names another."""
    for task in TASKS.values():
        for statistic in statistics_of(task).values():
            assert isinstance(statistic.value(net), float)
            assert statistic.lowest <= statistic.value(net) <= statistic.highest


def test_an_entry_without_a_direction_tells_what_is_higher():
    neither = Statistic(name="epochs", label="epochs", value=lambda net: net.epochs, notation=Notation(decimals=0))
    assert (neither.gain(3, 1), neither.lowest, neither.highest) == (2, -math.inf, math.inf)


def test_the_documentation_tells_every_statistic_and_which_are_compared():
    text = (Path(__file__).parents[3] / "docs" / "study.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| `")]
    told = {name: "yes" in compared for names, _, compared in rows for name in re.findall(r"`(\w+)`", names)}
    for task in TASKS.values():
        for name, statistic in statistics_of(task).items():
            assert told[name] == statistic.compared
