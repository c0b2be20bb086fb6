import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from PIL import Image


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
    message = f"{path}: there is no column 'size': expected one of sise, wings. Did you mean 'sise'?"
    assert run("predict", folder, path) == (2, "", f"dropnorm: {message}\n")
    message = f"{tmp_path}: holds no model. Expected the folder of a finished `dropnorm study` (its --out)."
    assert run("predict", tmp_path, path) == (2, "", f"dropnorm: {message}\n")


def test_uncertainty_is_told_and_repeats_by_its_seed(finished, csv, run):
    folder = finished[3]
    words = ("predict", folder, csv, "--uncertainty", "--arm", "dropout", "--samples", "20")
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    told = pl.read_csv(out.encode())
    classes = ["probability_ant", "probability_bee", "probability_cat"]
    parts = ["mutual_information_between_nets", "mutual_information_within_nets"]
    assert told.columns == ["prediction", *classes, "predictive_entropy", "mutual_information", *parts]
    assert (told.select(parts).to_numpy() > 0).all()
    assert run(*words, "--seed", "0")[1] == out
    assert run(*words, "--seed", "1")[1] != out


def test_an_arm_is_chosen(finished, csv, run):
    folder = finished[3]
    predicted = {arm: run("predict", folder, csv, "--arm", arm)[1] for arm in ("plain", "dropout", "batch_norm")}
    assert len(set(predicted.values())) == 3
    code, out, _ = run("predict", folder, csv, "--arm", "plain", "--uncertainty")
    assert code == 0
    told = pl.read_csv(out.encode())
    assert (told["mutual_information_within_nets"] == 0.0).all()
    assert (told["mutual_information"] == told["mutual_information_between_nets"]).all()


def test_a_single_net_is_chosen_by_its_number(finished, csv, run):
    folder = finished[3]
    predicted = {net: run("predict", folder, csv, "--net", net)[1] for net in (0, 1, 2)}
    assert len(set(predicted.values())) == 3
    message = (
        "uncertainty is asked for of a single net of the arm 'plain', which has no dropout whose masks could be sampled: "
        "expected several nets, or one with dropout. Leave net out, or name one of an arm with dropout."
    )
    assert run("predict", folder, csv, "--net", 0, "--uncertainty") == (2, "", f"dropnorm: {message}\n")
    message = "arm='plain' and net=0 are both given: expected one of them, as a net is of one arm. Leave one out."
    assert run("predict", folder, csv, "--net", 0, "--arm", "plain") == (2, "", f"dropnorm: {message}\n")


@pytest.mark.parametrize("option", ["--samples", "--seed"])
def test_options_of_uncertainty_without_it(option, finished, csv, run):
    message = f"{option} is given without --uncertainty, of which it is an option. Give both, or leave it out."
    assert run("predict", finished[3], csv, option, 5) == (2, "", f"dropnorm: {message}\n")


def test_an_unknown_ending_is_refused_before_anything_is_predicted(finished, run, tmp_path):
    code, _, err = run("predict", finished[3], "nothing.csv", "--out", tmp_path / "out.xlsx")
    assert code == 2
    assert err.startswith(
        f"dropnorm: {tmp_path}/out.xlsx: files that end with .xlsx are not written. Expected one of .csv,"
    )


def test_broken_images_are_left_out(run, tmp_path):
    for index in range(40):
        (tmp_path / "pets" / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 1), 6 * index).save(tmp_path / "pets" / "ab"[index % 2] / f"{index}.png")
    quick = ["--seeds", "2", "--epochs", "1", "--hidden", "4", "--batch-size", "8", "--arms", "dropout"]
    assert run("study", tmp_path / "pets", *quick, "--out", tmp_path / "run")[0] == 0
    (tmp_path / "pets" / "a" / "x.png").write_bytes(b"")
    code, _, err = run("predict", tmp_path / "run", tmp_path / "pets")
    assert code == 2
    assert "leave them out with --skip-broken" in err
    code, out, _ = run("predict", tmp_path / "run", tmp_path / "pets", "--skip-broken")
    assert code == 0
    assert pl.read_csv(out.encode()).height == 40


def test_a_pipe_and_a_file_hold_the_same_bytes(csv, run, tmp_path):
    evil = "\x1b[31mant :x:"
    table = pl.read_csv(csv).with_columns(pl.col("kind").replace("ant", evil))
    table.write_csv(tmp_path / "evil.csv")
    words = [
        "--target",
        "kind",
        "--ignore",
        "note",
        "--seeds",
        "2",
        "--epochs",
        "1",
        "--hidden",
        "4",
        "--out",
        tmp_path / "run",
    ]
    assert run("study", tmp_path / "evil.csv", *words)[0] == 0
    assert run("predict", tmp_path / "run", tmp_path / "evil.csv", "--out", tmp_path / "p.csv")[0] == 0
    done = subprocess.run(
        [Path(sys.executable).with_name("dropnorm"), "predict", tmp_path / "run", tmp_path / "evil.csv"],
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == (tmp_path / "p.csv").read_bytes()
    assert evil.encode() in done.stdout


def test_columns_are_kept_beside_the_predictions(finished, csv, run):
    code, out, _ = run("predict", finished[3], csv, "--keep", "note,size", "--keep", "kind")
    assert code == 0
    assert out.splitlines()[0].startswith("note,size,kind,prediction,")
    assert out.splitlines()[1].startswith("note 0,0.0,ant,")


def test_how_a_file_is_read_can_be_said(finished, run, tmp_path):
    path = tmp_path / "new.txt"
    path.write_bytes("size~wings~note\n1~two~ü\n2~four~ö\n".encode("latin-1"))
    code, out, err = run(
        "predict", finished[3], path, "--separator", "~", "--encoding", "latin-1", "--header", "yes", "--keep", "note"
    )
    assert (code, err) == (0, "")
    assert out.splitlines()[1].startswith("ü,")
    code, _, err = run("predict", finished[3], path, "--encoding", "nope")
    assert code == 2
    assert "encoding='nope' is not known" in " ".join(err.split())
