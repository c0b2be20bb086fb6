import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from dropnorm.errors import StorageError
from dropnorm.study.records import Summary
from dropnorm.study.run import PlannedStudy


def test_json_goes_to_standard_output_alone(finished):
    code, stdout, _, folder = finished
    assert code == 0
    assert Summary.model_validate_json(stdout).data.name == "insects"
    assert json.loads(stdout) == json.loads((folder / "summary.json").read_text())


def test_a_study_leaves_exactly_these_files(finished):
    _, _, _, folder = finished
    expected = ["model.json", "model.safetensors", "report.html", "study.sqlite", "study.toml", "summary.json"]
    assert sorted(path.name for path in folder.iterdir()) == expected


def test_without_out_the_study_has_a_folder_of_its_own(study_of, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = study_of("--arms", "dropout")
    folders = set()
    for _ in range(2):
        code, out, _ = run(*arguments)
        assert code == 0
        folders.add(out.rpartition("Predict: dropnorm predict ")[2].split()[0])
    (folder,) = folders
    assert Path(folder).parent == Path("dropnorm-runs")
    assert (tmp_path / folder / "summary.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["dropnorm-runs"]


def test_every_option_reaches_the_study(csv, run, monkeypatch, tmp_path):
    planned = []

    def carry_out(self, folder, *_):
        planned.append((self, folder))
        raise KeyboardInterrupt

    monkeypatch.setattr(PlannedStudy, "carry_out", carry_out)
    options = ["--arms", "dropout,batch_norm", "--seeds", "3", "--epochs", "4", "--dropout", "0.25", "--hidden", "9,8"]
    options += [
        "--batch-size",
        "10",
        "--learning-rate",
        "0.02",
        "--patience",
        "6",
        "--device",
        "cpu",
        "--learning-curve",
    ]
    run("study", csv, "--target", "kind", "--ignore", "note", "--ignore", "wings", *options, "--out", tmp_path / "x")
    (plan, folder), config = planned[0], planned[0][0].config
    assert folder == tmp_path / "x"
    assert [column.name for column in plan.dataset.encoding.columns] == ["size"]
    assert [arm.name for arm in config.arms] == ["plain", "dropout", "batch_norm"]
    assert (config.seeds, config.epochs, config.arms[1].dropout, config.hidden) == (3, 4, (0.25,), (9, 8))
    assert config.learning_curve
    assert (config.batch_size, config.learning_rate, config.patience, config.device) == (10, 0.02, 6, "cpu")
    # The command that the run keeps repeats it.
    run(*shlex.split(plan.command)[1:])
    assert planned[1][0].default_folder == plan.default_folder
    run("study", "wine")
    assert planned[2][1] == planned[2][0].default_folder
    assert planned[2][0].nets == 80
    by_group = ["--group", "note", "--test-size", "0.25", "--validation-size", "0.1", "--batch-size", "10"]
    run("study", csv, "--target", "kind", *by_group)
    plan = planned[3][0]
    assert (plan.config.test_size, plan.config.validation_size, plan.dataset.order.group) == (0.25, 0.1, "note")
    run(*shlex.split(plan.command)[1:])
    assert planned[4][0].default_folder == plan.default_folder
    run("study", csv, "--target", "kind", "--ignore", "note", "--time", "size", "--batch-size", "10")
    assert planned[5][0].dataset.order.time == "size"
    test = tmp_path / "test.csv"
    pl.concat([pl.read_csv(csv)[:5], pl.read_csv(csv)[:4].with_columns(size=pl.lit(9.0))]).write_csv(test)
    _, _, err = run("study", csv, "--target", "kind", "--ignore", "note", "--test", test, "--batch-size", "10")
    assert planned[6][0].dataset.given_test == 9
    assert err.splitlines()[1] == "Careful: 5 of the 9 rows of the test part are among the rows to learn from too."


def test_rows_without_a_target_are_told(write_csv, run, monkeypatch):
    monkeypatch.setattr(PlannedStudy, "carry_out", interrupt)
    path = write_csv("size,kind\n" + "".join(f"{row}.5,{'ab'[row % 2]}\n" for row in range(60)) + "3.5,\n" * 4)
    _, _, err = run("study", path, "--target", "kind", "--batch-size", "16", "--out", path.parent / "run")
    assert err.splitlines()[:2] == [
        "data: 60 rows, 1 features, 2 classes; training 80 nets.",
        "Rows left out, without a value of kind: 4.",
    ]


def test_a_quantity_is_studied_and_predicted(run, csv, quick, tmp_path):
    out = tmp_path / "run"
    code, table, err = run("study", csv, "--target", "size", "--ignore", "note", *quick, "--out", out)
    assert code == 0
    assert err.splitlines()[0] == "insects: 90 rows, 6 features, a quantity to predict; training 12 nets."
    assert "epoch 1 of 2, 6 nets in training, 0 of 12 finished; validation RMSE: plain " in err
    assert "test RMSE" in table
    assert "test R²" in table
    assert "its RMSE is " in table
    code, predictions, _ = run("predict", out, csv)
    assert code == 0
    assert pl.read_csv(predictions.encode()).schema == {"prediction": pl.Float64}
    code, _, err = run("study", csv, "--target", "kind", "--task", "regression")
    assert (code, err) == (
        2,
        f"dropnorm: {csv}: the target 'kind' holds String: expected numbers for a regression. Name another --target, or use "
        f"--task classification.\n",
    )


def test_images_that_are_left_out_are_told(run, monkeypatch, tmp_path):
    monkeypatch.setattr(PlannedStudy, "carry_out", interrupt)
    for index in range(80):
        (tmp_path / "ab"[index % 2]).mkdir(exist_ok=True)
        Image.new("L", (2, 1), index).save(tmp_path / "ab"[index % 2] / f"{index}.png")
    (tmp_path / "a" / "x.png").write_bytes(b"")
    code, _, err = run("study", tmp_path, "--batch-size", "16", "--out", tmp_path / "run")
    assert (code, err) == (
        2,
        f"dropnorm: {tmp_path}: 1 of its 81 images is broken: a/x.png (no image that can be read). Mend or remove them, or "
        f"leave them out with --skip-broken (skip_broken=True in Python).\n",
    )
    _, _, err = run("study", tmp_path, "--batch-size", "16", "--skip-broken", "--out", tmp_path / "run")
    assert err.splitlines()[:2] == [
        f"{tmp_path.name}: 80 rows, 2 features, 2 classes; training 80 nets.",
        "Images left out, broken or of another size than most: 1.",
    ]


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_study_keeps_what_is_finished_and_goes_on_with_the_command_it_names(number, csv, run, tmp_path):
    long = ["study", csv, "--target", "kind", "--ignore", "note", "--seeds", "2", "--hidden", "8", "--dropout", "0.5"]
    long += ["--epochs", "100", "--patience", "100", "--batch-size", "16"]
    folder = tmp_path / "interrupted here"
    command = [Path(sys.executable).with_name("dropnorm"), *map(str, long), "--out", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = [process.stderr.readline(), process.stderr.readline()]
        assert "epoch 1 of 100" in lines[1]
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (130, "")
    *_, ending, interrupted, again = stderr.splitlines()
    assert ending == "Ending after this epoch, which is kept. Press Ctrl-C again to end at once."
    assert interrupted == f"Interrupted. What is finished is kept in {folder}. Go on with:"
    assert "Traceback" not in stderr
    assert sorted(path.name for path in folder.iterdir()) == ["study.sqlite", "study.toml"]
    code, resumed, told = run(*shlex.split(again)[1:], "--json")
    assert code == 0
    assert "epoch 1 of 100" not in told.splitlines()[1], "it goes on where it was"
    code, whole, _ = run(*long, "--out", tmp_path / "whole", "--json")
    assert resumed == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dropout", "a,b"], "--dropout 'a,b' is no list of numbers: expected numbers with commas, such as 0.1,0.3."),
        (["--hidden", "8.5"], "--hidden '8.5' is no list of numbers: expected numbers with commas, such as 128,128."),
        (["--hidden", ""], "--hidden '' is no list of numbers: expected numbers with commas, such as 128,128."),
        (["--seeds", "1"], "seeds=1 is too small: expected at least 2 (one seed has no interval). Use seeds=2."),
        (
            ["--arms", "dropuot"],
            "arms='dropuot' is unknown: expected one of 'plain', 'dropout', 'last_dropout', 'input_dropout', 'batch_norm', "
            "'max_norm', 'weight_decay'. Did you mean 'dropout'?",
        ),
        (
            ["--task", "clasification"],
            "task='clasification' is unknown: expected one of 'classification', 'regression'. Did you mean 'classification'?",
        ),
        (["--device", "tpu"], "device='tpu' is unknown: expected 'cpu', 'cuda' or 'auto'."),
        (["--target", "[bold]"], "iris: there is no column '[bold]': expected one of {columns}. Name one of them."),
    ],
)
def test_mistakes_in_options(arguments, message, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = "sepal length (cm), sepal width (cm), petal length (cm), petal width (cm), target"
    assert run("study", "iris", *arguments) == (2, "", f"dropnorm: {message.format(columns=columns)}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_the_file_names_file_and_line(write_csv, run):
    path = write_csv("a,b\n1,2\n1,2,3\n")
    code, _, err = run("study", path, "--target", "b")
    assert code == 2
    assert err == (
        f"dropnorm: {path}, line 3: 3 fields, where the header names 2: 1, 2, 3. Mend the line, or quote fields that "
        f"hold a comma.\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of this kind")
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_where_the_disk_is_full_the_study_stops_and_goes_on_when_there_is_room(
    share, finished, study_of, run, tmp_path
):
    """A limit on the size of files fails as a full disk does, in the store or, at the end, in other files."""
    import resource

    whole = finished[3]
    largest = max((whole / name).stat().st_size for name in ("study.sqlite", "summary.json", "model.json"))
    limit = int(share * largest)
    folder = tmp_path / "run"
    words = [Path(sys.executable).with_name("dropnorm"), *study_of("--json", "--out", folder)]
    done = subprocess.run(
        list(map(str, words)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"dropnorm: {folder}/study.sqlite: cannot be written any more (")
    assert last.endswith("What was finished before is kept: make room on the disk, and start the same command again.")
    assert "Traceback" not in done.stderr
    code, resumed, _ = run(*study_of("--json", "--out", folder))
    assert code == 0
    assert resumed == finished[1]


def test_results_are_told_before_a_report_that_cannot_be_written(study_of, finished, run, monkeypatch):
    def full(*_):
        raise StorageError("report.html: cannot be written (No space left on device).")

    monkeypatch.setattr("dropnorm.report.html.write_report", full)
    code, out, err = run(*study_of("--out", finished[3]))
    assert code == 2
    assert "test accuracy, %" in out
    assert err.endswith("dropnorm: report.html: cannot be written (No space left on device).\n")
