"""Two runs held against each other: what differs, what is paired, and what is said."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import dropnorm as dn
from dropnorm.errors import ArgumentTypeError
from dropnorm.study.statistics.intervals import interval, p_value


@pytest.fixture(scope="module")
def study(quick, blobs):
    """A quick study of the same made-up rows, otherwise as given."""
    X, y = blobs(rows=150, apart=2.0)

    def run(X=X, y=y, **given):
        return dn.run_study(X, y, **(quick | {"arms": ["dropout"], "epochs": 4} | given)).run

    return run


@pytest.fixture(scope="module")
def first(study):
    return study(seeds=4)


def names(differences):
    return [one.name for one in differences]


def test_a_run_does_not_differ_from_itself(first):
    same = dn.compare_runs(first, first)
    assert isinstance(same, dn.RunComparison)
    assert same.data == same.settings == ()
    assert (same.units, same.unit, same.not_paired) == (4, "splits", "")
    assert same.verdict[0] == "Nothing differs in data and settings."
    assert [arm.comparison_in("test_score").p_holm for arm in same.arms] == [1.0, 1.0]


def test_scores_are_paired_split_by_split(first, study):
    second = study(seeds=3, hidden=(64,), learning_rate=1e-2)
    got = dn.compare_runs(first, second)
    assert names(got.settings) == ["seeds", "hidden", "learning_rate", "parameters of a plain net"]
    assert (got.units, got.unit) == (3, "splits")
    a, b = ({net.seed: net.test_score for net in run.nets if net.arm == "plain"} for run in (first, second))
    differences = [b[seed] - a[seed] for seed in range(3)]
    data = first.summary.data
    share, resolution = data.test_rows / (data.train_rows + data.validation_rows), 1 / data.test_rows
    plain = got.arms[0].comparison_in("test_score")
    assert plain.differences == pytest.approx(differences)
    assert plain.interval == interval(differences, share, resolution)
    assert plain.p_value == p_value(differences, share, resolution)
    assert (got.arms[0].first, got.arms[0].second) == tuple(run.summary.arms[0].test_score for run in (first, second))


def test_what_surely_differs_is_said(study):
    slow, good = study(seeds=6, epochs=1, learning_rate=1e-5), study(seeds=6, epochs=30, learning_rate=1e-2)
    got = dn.compare_runs(slow, good)
    change = got.arms[0].comparison_in("test_score")
    assert change.p_holm < 0.05, "nets that learn nothing, and nets that do"
    assert got.verdict[0].startswith(
        f"B is better in test accuracy with the plain net by {100 * change.interval.mean:.1f}"
    )
    assert dn.compare_runs(good, slow).verdict[0].startswith("B is worse in test accuracy with the plain net by ")
    assert got.verdict[-1] == "The tests rest on the 6 splits that both have."


def test_of_few_splits_the_words_are_cautious_and_of_many_arms_the_largest_change_is_told(study):
    arms = "dropout,batch_norm,max_norm,weight_decay"
    slow, good = (study(seeds=4, arms=arms, epochs=e, learning_rate=rate) for e, rate in ((1, 1e-5), (30, 1e-2)))
    got = dn.compare_runs(slow, good)
    changes = [arm.comparison_in("test_score").interval.mean for arm in got.arms]
    sure = [arm for arm in got.arms if arm.comparison_in("test_score").p_holm < 0.05]
    assert len(sure) > 3, "nets that learn nothing, and nets that do"
    assert got.verdict[0].startswith(f"B seems better in test accuracy with {len(sure)} arms, most of all with ")
    assert f"by {100 * max(changes):.1f} points" in got.verdict[0]
    assert "4 splits are too few to be sure of any difference: take at least 5." in got.verdict


def test_arms_of_one_run_alone_stand_there_without_a_difference(first, study):
    got = dn.compare_runs(first, study(seeds=4, arms=["batch_norm"]))
    by_name = {(arm.first_arm, arm.second_arm): arm for arm in got.arms}
    assert by_name["dropout", None].second is None
    assert by_name["dropout", None].comparisons == ()
    assert by_name[None, "batch_norm"].first is None
    assert by_name["plain", "plain"].comparison_in("test_score").interval.mean == 0.0
    assert names(got.settings) == ["arm dropout", "arm batch_norm"]
    assert (got.settings[0].first.dropout, got.settings[0].second) == ((0.2, 0.5), None)


def test_what_each_advises_is_compared_where_it_differs(first):
    other = first.summary.advice.model_copy(update={"arm": "dropout"})
    plain = other.model_copy(update={"arm": "plain"})
    one, two = (
        first.model_copy(update={"summary": first.summary.model_copy(update={"advice": each})})
        for each in (plain, other)
    )
    last = dn.compare_runs(one, two).arms[-1]
    assert (last.first_arm, last.second_arm) == ("plain", "dropout")
    assert last.comparison_in("test_score").differences == pytest.approx(first.summary.arms[1].comparison.differences)


def test_where_features_alone_differ_the_rows_are_paired(first, study, blobs):
    X, y = blobs(rows=150, apart=2.0)
    got = dn.compare_runs(first, study(X[:, :2], y, seeds=4))
    assert names(got.data) == ["columns", "features", "fingerprint"]
    assert got.units == 4
    assert got.verdict[-1].endswith("The features differ; that the rows are the same is read from their targets.")


def test_how_columns_were_encoded_is_said_by_their_number_and_fingerprint(first):
    data = first.summary.data.model_copy(update={"columns_encoded": ()})
    older = first.model_copy(update={"summary": first.summary.model_copy(update={"data": data})})
    assert dn.compare_runs(first, older).data == ()


def test_the_same_data_are_known_without_a_fingerprint_of_their_rows(first):
    data = first.summary.data.model_copy(update={"rows_fingerprint": ""})
    older = first.model_copy(update={"summary": first.summary.model_copy(update={"data": data})})
    assert dn.compare_runs(older, first).units == 4


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda X, y: (X[:140], y[:140]),
            r"A and B are of other rows or targets \(data, 150 rows, .*; data, 140 rows, ",
        ),
        (lambda X, y: (X[::-1], y[::-1]), r"A and B are of other rows or targets"),
        (
            lambda X, _: (X, X[:, 0] + 0.1 * np.random.default_rng(0).random(150)),
            r"A and B are of other rows or targets",
        ),
    ],
    ids=["fewer rows", "another order", "another task"],
)
def test_other_data_are_not_compared(change, why, first, study, blobs):
    got = dn.compare_runs(first, study(*change(*blobs(rows=150, apart=2.0)), seeds=4))
    assert got.units == 0
    assert all(arm.comparisons == () for arm in got.arms)
    assert [arm.first for arm in got.arms] == [arm.test_score for arm in first.summary.arms]
    assert got.verdict == (got.not_paired,)
    with pytest.raises(ValueError, match=why):
        raise ValueError(got.not_paired)


def test_rows_that_are_split_otherwise_are_not_paired(first, study):
    got = dn.compare_runs(first, study(seeds=4, test_size=0.3))
    assert got.units == 0
    assert "split the same rows otherwise (test_size 0.2 and 0.3)" in got.not_paired


def test_on_one_split_the_seeds_are_paired_and_other_rows_not_spoken_of(study, blobs):
    X, y = blobs(rows=150, apart=2.0)
    test = (X[100:], y[100:])
    one, other = (study(X[:100], y[:100], test=test, splits=1, seeds=seeds) for seeds in (3, 2))
    got = dn.compare_runs(one, other)
    assert (got.units, got.unit) == (2, "seeds")
    assert got.verdict[-2:] == (
        "2 seeds are too few to be sure of any difference: take at least 5.",
        "The tests rest on the 2 seeds that both have, and say nothing of other rows.",
    )
    alone = study(X[:100], y[:100], test=test, seeds=3)
    assert "have a single net of an arm on the same rows" in dn.compare_runs(one, alone).not_paired


def test_settings_that_a_kind_of_net_does_not_have_are_left_out(first, study):
    images = np.random.default_rng(0).random((150, 4, 4))
    y = np.arange(150) % 3
    dense = study(images, y)
    conv = study(images, y, net="conv", channels=(2,))
    differing = names(dn.compare_runs(dense, conv).settings)
    assert differing == ["net", "parameters of a plain net", "channels"]
    other = replace(dense.summary.config, channels=(3,))
    changed = dense.model_copy(update={"summary": dense.summary.model_copy(update={"config": other})})
    assert dn.compare_runs(dense, changed).settings == ()


def test_what_is_no_run_is_refused(first):
    with pytest.raises(ArgumentTypeError, match=r"second=DataFrame is no run: expected what load_run gives"):
        dn.compare_runs(first, pl.DataFrame())


def test_comparing_loads_no_torch(finished):
    code = (
        f"import sys, dropnorm as dn; run = dn.load_run({str(finished.folder)!r}); dn.compare_runs(run, run); "
        f"import dropnorm.report.comparison; print(*{{'torch', 'sklearn', 'polars', 'plotly'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
