import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch
from PIL import Image

from dropnorm import cli
from dropnorm.kernels import instruction_sets
from dropnorm.study.records import Summary
from dropnorm.study.run import PlannedStudy

QUICK = ["--seeds", "2", "--epochs", "2", "--hidden", "8", "--dropout", "0.2,0.5", "--batch-size", "16"]


@pytest.fixture(scope="module")
def csv(tmp_path_factory) -> Path:
    """Insects of three kinds, told apart by their size, with a note that is no use."""
    rows = range(90)
    table = pl.DataFrame(
        {
            "size": [row % 3 + row * 37 % 90 / 60 for row in rows],
            "wings": [None if row % 11 == 4 else ("two", "four")[row % 2] for row in rows],
            "note": [f"note {row}" for row in rows],
            "kind": [("ant", "bee", "cat")[row % 3] for row in rows],
        }
    )
    path = tmp_path_factory.mktemp("cli") / "insects.csv"
    table.write_csv(path)
    return path


def study_of(csv: Path, *more: object) -> list[object]:
    return ["study", csv, "--target", "kind", "--ignore", "note", *QUICK, *more]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process; returns its exit code, standard output and standard error."""

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dropnorm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return command


@pytest.fixture(scope="module")
def finished(csv, tmp_path_factory):
    """A study as a user runs it, by the installed command: its exit code, standard output, standard error, and folder."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    done = dropnorm(*study_of(csv, "--json", "--out", folder))
    return done.returncode, done.stdout, done.stderr, folder


def dropnorm(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("dropnorm"), *map(str, arguments)]
    environment = os.environ | {"PYTHONWARNINGS": "error"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_json_goes_to_standard_output_alone(finished):
    code, stdout, _, folder = finished
    assert code == 0
    assert Summary.model_validate_json(stdout).data.name == "insects.csv"
    assert json.loads(stdout) == json.loads((folder / "summary.json").read_text())


def test_what_is_going_on_is_told_in_plain_lines_beside_the_results(finished):
    _, _, stderr, _ = finished
    lines = stderr.splitlines()
    assert lines[0] == "insects.csv: 90 rows, 4 features, 3 classes; training 12 nets."
    assert len(lines) == 1 + 4
    assert lines[1].startswith(" 25 %  plain and dropout: epoch 1 of 2, 6 nets, validation ")
    assert ", at most " in lines[2]
    assert lines[-1].startswith("100 %  batch_norm and dropout+batch_norm: epoch 2 of 2, 6 nets, validation ")
    assert "left" not in lines[-1]
    assert "\x1b" not in stderr


def test_on_a_terminal_a_bar_takes_the_place_of_the_lines(csv, run, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, err = run(*study_of(csv, "--arms", "dropout", "--out", tmp_path / "run", "--json"))
    assert code == 0
    assert json.loads(out)["config"]["arms"] == ["plain", "dropout"]
    assert "━" in err
    assert not any(line.startswith((" 50 %", "100 %")) for line in err.splitlines())


def test_a_study_leaves_exactly_these_files(finished):
    _, _, _, folder = finished
    expected = ["model.json", "model.safetensors", "report.html", "study.sqlite", "summary.json"]
    assert sorted(path.name for path in folder.iterdir()) == expected


def test_the_table_marks_the_recommended_arm(finished, csv, run):
    _, stdout, _, folder = finished
    summary = Summary.model_validate_json(stdout)
    code, out, err = run(*study_of(csv, "--out", folder))
    assert code == 0
    assert err == "insects.csv: 90 rows, 4 features, 3 classes; training 12 nets.\n", "nothing was left to train"
    rows = {line.split("│")[1].strip(): line for line in out.splitlines() if line.startswith("│")}
    arms = [f"→ {arm.arm}" if arm.arm == summary.recommendation.arm else arm.arm for arm in summary.arms]
    assert list(rows) == arms
    mean = 100 * summary.arms[1].test_score.mean
    assert f" {mean:.1f} (" in rows[arms[1]]
    assert "test accuracy, %" in out
    for sentence in summary.verdict:
        assert sentence in out
    assert f"\nReport: {folder / 'report.html'}\n" in out
    assert out.endswith(f"Predict: dropnorm predict {folder} DATA\n")


def test_without_out_the_study_has_a_folder_of_its_own(csv, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = study_of(csv, "--arms", "dropout")
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

    def carry_out(self, folder, progress):
        planned.append((self, folder))
        raise KeyboardInterrupt

    monkeypatch.setattr(PlannedStudy, "carry_out", carry_out)
    options = ["--arms", "dropout,batch_norm", "--seeds", "3", "--epochs", "4", "--dropout", "0.25", "--hidden", "9,8"]
    options += ["--batch-size", "10", "--learning-rate", "0.02", "--patience", "6", "--device", "cpu"]
    run("study", csv, "--target", "kind", "--ignore", "note", "--ignore", "wings", *options, "--out", tmp_path / "x")
    (plan, folder), config = planned[0], planned[0][0].config
    assert folder == tmp_path / "x"
    assert [column.name for column in plan.dataset.encoding.columns] == ["size"]
    assert config.arms == ("plain", "dropout", "batch_norm")
    assert (config.seeds, config.epochs, config.dropout, config.hidden) == (3, 4, (0.25,), (9, 8))
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
    path = write_csv("size,kind\n" + "1,a\n2,b\n" * 30 + "3,\n" * 4)
    _, _, err = run("study", path, "--target", "kind", "--batch-size", "16", "--out", path.parent / "run")
    assert err.splitlines()[:2] == [
        "data.csv: 60 rows, 1 features, 2 classes; training 80 nets.",
        "Rows left out, without a value of kind: 4.",
    ]


def test_a_quantity_is_studied_and_predicted(run, csv, tmp_path):
    out = tmp_path / "run"
    code, table, err = run("study", csv, "--target", "size", "--ignore", "note", *QUICK, "--out", out)
    assert code == 0
    assert err.splitlines()[0] == "insects.csv: 90 rows, 6 features, a quantity to predict; training 12 nets."
    assert "epoch 1 of 2, 6 nets, validation RMSE " in err
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
        f"dropnorm: {tmp_path}: 1 of its 81 images are broken: a/x.png (no image that can be read). Mend or remove them, or "
        f"leave them out with --skip-broken (skip_broken=True in Python).\n",
    )
    _, _, err = run("study", tmp_path, "--batch-size", "16", "--skip-broken", "--out", tmp_path / "run")
    assert err.splitlines()[:2] == [
        f"{tmp_path.name}: 80 rows, 2 features, 2 classes; training 80 nets.",
        "Images left out, broken or of another size than most: 1.",
    ]


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.fixture
def write_csv(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "data.csv"
        path.write_text(text)
        return path

    return write


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_an_interrupted_study_keeps_what_is_finished_and_goes_on_with_the_same_command(csv, run, tmp_path):
    long = ["study", csv, "--target", "kind", "--ignore", "note", "--seeds", "2", "--hidden", "8", "--dropout", "0.5"]
    long += ["--epochs", "100", "--patience", "100", "--batch-size", "16"]
    folder = tmp_path / "interrupted"
    command = [Path(sys.executable).with_name("dropnorm"), *map(str, long), "--out", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = [process.stderr.readline(), process.stderr.readline()]
        assert "epoch 1 of 100" in lines[1]
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (130, "")
    message = f"Interrupted. What is finished is kept in {folder}; the same command goes on from there."
    assert stderr.splitlines()[-1] == message
    assert "Traceback" not in stderr
    assert [path.name for path in folder.iterdir()] == ["study.sqlite"]
    code, resumed, _ = run(*long, "--out", folder, "--json")
    assert code == 0
    code, whole, _ = run(*long, "--out", tmp_path / "whole", "--json")
    assert resumed == whole


def test_a_mistake_ends_with_its_message_and_code_2():
    done = dropnorm("study", "digts")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "dropnorm: digts: no such file. Expected a CSV, TSV, Parquet, Arrow or NPZ file, or a folder of images; or one of "
        "breast_cancer, diabetes, digits, iris, wine. Did you mean the bundled set 'digits'?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dropout", "a,b"], "--dropout 'a,b' is no list of numbers: expected numbers with commas, such as 0.1,0.3."),
        (["--hidden", "8.5"], "--hidden '8.5' is no list of numbers: expected numbers with commas, such as 128,128."),
        (["--hidden", ""], "--hidden '' is no list of numbers: expected numbers with commas, such as 128,128."),
        (["--seeds", "1"], "seeds=1 is too small: expected at least 2 (one seed has no interval)."),
        (
            ["--arms", "dropuot"],
            "arms='dropuot' is unknown: expected one of 'plain', 'dropout', 'batch_norm', 'dropout+batch_norm'. Did you "
            "mean 'dropout'?",
        ),
        (
            ["--task", "clasification"],
            "task='clasification' is unknown: expected one of 'classification', 'regression'. Did you mean 'classification'?",
        ),
        (["--device", "tpu"], "device='tpu' is unknown: expected 'cpu', 'cuda' or 'auto'."),
        (["--target", "[bold]"], "iris: there is no column '[bold]'. The columns are: {columns}."),
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
        f"dropnorm: {path}, line 3: 3 fields, where the header names 2 columns. Mend the line, or quote fields that hold a "
        f"','.\n"
    )


@pytest.mark.parametrize("arguments", [["study", "--nonsense"], ["stduy"], ["predict"], ["study", "--seeds", "many"]])
def test_arguments_that_do_not_parse_end_with_code_2(arguments, run):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (MemoryError("no memory"), "MemoryError: no memory"),
        (RuntimeError("CUDA error"), "RuntimeError: CUDA error"),
        (cli.sqlite3.OperationalError("disk is full"), "OperationalError: disk is full"),
    ],
)
def test_a_failure_that_is_no_mistake_ends_with_code_1(error, message, csv, run, monkeypatch, tmp_path):
    def fail(*_):
        raise error

    monkeypatch.setattr(PlannedStudy, "carry_out", fail)
    code, out, err = run(*study_of(csv, "--out", tmp_path / "run"))
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == f"dropnorm: failed while running: {message}"


def test_a_mistake_of_ours_shows_its_traceback(csv, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(PlannedStudy, "carry_out", fail)
    monkeypatch.setattr(sys, "argv", ["dropnorm", *map(str, study_of(csv))])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_info_says_which_kernels_run(run, monkeypatch):
    monkeypatch.setenv("DROPNORM_CPU", "reference")
    instruction_sets.choose_again()
    try:
        code, out, err = run("info")
    finally:
        instruction_sets.choose_again()
    assert (code, err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert facts["kernels"] == f"reference (of {', '.join(instruction_sets.available())}; DROPNORM_CPU chooses)"
    assert facts["torch"] == torch.__version__
    assert facts["threads"] == str(torch.get_num_threads())


def test_version(run):
    from importlib.metadata import version

    assert run("--version") == (0, f"dropnorm {version('dropnorm')}\n", "")


def test_without_a_command_the_help_is_shown(run):
    _, out, err = run()
    for command in ("study", "predict", "report"):
        assert f" {command} " in out + err


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("study", "dropnorm study churn.csv --target churned"),
        ("predict", "dropnorm predict dropnorm-runs/churn-1a2b3c4d new.csv"),
        ("report", "dropnorm report dropnorm-runs/churn-1a2b3c4d"),
    ],
)
def test_help_has_examples(command, example, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Examples" in out
    assert example in [line.strip() for line in out.splitlines()]


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


def test_report_draws_a_finished_study_again(finished, run):
    report = finished[3] / "report.html"
    drawn = report.read_text()
    report.unlink()
    assert run("report", finished[3]) == (0, f"Report: {report}\n", "")
    assert report.read_text() == drawn


def test_report_of_a_folder_without_a_study(run, tmp_path):
    message = f"{tmp_path}: holds no study. Expected the folder that `dropnorm study` wrote (its --out)."
    assert run("report", tmp_path) == (2, "", f"dropnorm: {message}\n")
    assert list(tmp_path.iterdir()) == []
