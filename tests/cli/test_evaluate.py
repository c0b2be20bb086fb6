import json

import polars as pl


def test_scores_and_a_sentence_are_printed(finished, csv, run):
    code, out, err = run("evaluate", finished[3], csv)
    assert (code, err) == (0, "")
    assert "90 rows" in out
    for word in ("Accuracy", "Log loss", "95 % interval", "recall", "as ant"):
        assert word in out
    assert "On these 90 rows the model's accuracy is" in " ".join(out.split())


def test_json_has_the_record(finished, csv, run):
    code, out, _ = run("evaluate", finished[3], csv, "--json", "--arm", "plain")
    assert code == 0
    record = json.loads(out)
    assert (record["rows"], record["target"], record["expected_score"]) == (90, "kind", None) or record[
        "expected_score"
    ]


def test_rows_without_a_target_and_unlike_ones_are_told(finished, csv, run, tmp_path):
    frame = pl.read_csv(csv)
    path = tmp_path / "odd.csv"
    frame.with_columns(kind=pl.when(pl.int_range(pl.len()) > 4).then("kind"), size=pl.lit(1e9)).write_csv(path)
    code, out, err = run("evaluate", finished[3], path)
    assert code == 0
    told = " ".join(err.split())
    assert "Rows left out, without a value of kind: 5." in told
    assert "size: numbers of 85 rows, such as 1e+09, are far beyond the studied" in told
    assert "85 rows" in out


def test_a_file_without_the_target(finished, csv, run, tmp_path):
    path = tmp_path / "new.csv"
    pl.read_csv(csv).drop("kind").write_csv(path)
    code, out, err = run("evaluate", finished[3], path)
    assert (code, out) == (2, "")
    assert "there is no column 'kind'" in " ".join(err.split())
