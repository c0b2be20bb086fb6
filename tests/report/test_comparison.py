import pytest

import dropnorm as dn
from dropnorm.report.comparison import differences_table, pairs_table, run_in_short
from dropnorm.study.arms import named_arm
from dropnorm.study.runs.comparing import Difference, RunComparison


def rows(table):
    return [dict(zip((column.header for column in table.columns), row, strict=True)) for row in table.rows]


@pytest.fixture
def paired(make_run):
    """Two made-up runs of the same rows, the second without batch norm alone."""

    def on_rows(run, rows):
        data = run.summary.data.model_copy(update={"rows_fingerprint": rows})
        return run.model_copy(update={"summary": run.summary.model_copy(update={"data": data})})

    return on_rows(make_run(), "same"), on_rows(make_run(arms=("plain", "dropout", "dropout+batch_norm")), "same")


def test_a_run_is_told_in_a_line(make_run):
    assert run_in_short(make_run()) == (
        "digits, 3 seeds, each with its own split, 24 nets, 1 min 23 s; advises dropout+batch_norm"
    )
    assert ", 24 nets; advises" in run_in_short(make_run(timing=False))


def test_pairs_have_scores_and_differences(paired):
    comparison = dn.compare_runs(*paired)
    table = pairs_table(comparison, *(run.summary for run in paired))
    plain = comparison.arms[0]
    low, mean, high = (100 * getattr(plain.first, which) for which in ("low", "mean", "high"))
    found = {row["arm"]: row for row in rows(table)}
    assert found["plain"]["A: test accuracy, %"] == f"{mean:.1f} ({low:.1f} to {high:.1f})"
    change = plain.comparison_in("test_score").interval
    assert found["plain"]["B less A, pp"].startswith(f"{100 * change.mean:+.1f} (".replace("-", "−"))
    assert found["batch_norm"]["B: test accuracy, %"] == found["batch_norm"]["p (Holm)"] == "–"


def test_runs_of_other_rows_have_no_differences_and_each_its_own_unit(make_run, regression):
    one = make_run()
    table = pairs_table(dn.compare_runs(one, regression), one.summary, regression.summary)
    assert [column.header for column in table.columns] == ["arm", "A: test accuracy, %", "B: test RMSE"]
    assert rows(table)[0]["B: test RMSE"] == "54.32 (48.89 to 59.75)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        ((), "–"),
        (True, "yes"),
        (1797, "1,797"),
        (0.001, "0.001"),
        (named_arm("dropout+batch_norm", (0.1, 0.3)), "dropout at rate 0.1 or 0.3, batch norm"),
        ((128, 64), "128, 64"),
        (tuple("abcdefghijk"), "a, b, c, d, e, f, g, h and 3 more"),
        ("relu", "relu"),
    ],
)
def test_what_differs_is_written_as_it_is_given(value, text):
    difference = Difference(name="batch_size", first=value, second=None)
    comparison = RunComparison(
        data=(difference,), settings=(), units=0, unit="splits", not_paired="x", arms=(), verdict=()
    )
    assert rows(differences_table(comparison)) == [{"what differs": "batch size", "A": text, "B": "–"}]
