import polars as pl
import pytest


def test_predictions_go_to_standard_output_as_csv(finished, csv, run):
    folder = finished[3]
    code, out, err = run("predict", folder, csv)
    assert (code, err) == (0, "")
    predictions = pl.read_csv(out.encode())
    assert predictions.columns == ["prediction", "probability_ant", "probability_bee", "probability_cat"]
    assert predictions.height == 90


@pytest.mark.parametrize("name", ["predictions.csv", "predictions.parquet"])
def test_predictions_go_to_a_file(name, finished, csv, run, tmp_path):
    folder = finished[3]
    without_target = tmp_path / "new.csv"
    pl.read_csv(csv).drop("kind", "note").write_csv(without_target)
    path = tmp_path / name
    assert run("predict", folder, without_target, "--out", path) == (0, f"90 predictions: {path}\n", "")
    _, out, _ = run("predict", folder, csv)
    written = pl.read_parquet(path) if name.endswith("parquet") else pl.read_csv(path)
    assert written["prediction"].equals(pl.read_csv(out.encode())["prediction"])


def test_mistakes_when_predicting(finished, run, tmp_path, write_csv):
    folder, path = finished[3], write_csv("sise,wings\n1,two\n")
    message = f"{path}: there is no column 'size'. Did you mean 'sise'? The columns are: sise, wings."
    assert run("predict", folder, path) == (2, "", f"dropnorm: {message}\n")
    message = f"{tmp_path}: holds no model. Expected the folder of a finished `dropnorm study` (its --out)."
    assert run("predict", tmp_path, path) == (2, "", f"dropnorm: {message}\n")
