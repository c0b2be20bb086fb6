import sqlite3
import sys

import pytest

from dropnorm import cli
from dropnorm.study.data.sources.reading import KINDS
from dropnorm.study.run import PlannedStudy


def test_a_mistake_ends_with_its_message_and_code_2(dropnorm):
    done = dropnorm("study", "digts")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"dropnorm: digts: no such file. Expected {KINDS}; or one of breast_cancer, diabetes, digits, iris, wine. Did you mean "
        f"the bundled set 'digits'?\n"
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
        (sqlite3.OperationalError("disk is full"), "OperationalError: disk is full"),
    ],
)
def test_a_failure_that_is_no_mistake_ends_with_code_1(error, message, study_of, run, monkeypatch, tmp_path):
    def fail(*_):
        raise error

    monkeypatch.setattr(PlannedStudy, "carry_out", fail)
    code, out, err = run(*study_of("--out", tmp_path / "run"))
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == f"dropnorm: failed while running: {message}"


def test_a_mistake_of_ours_shows_its_traceback(study_of, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(PlannedStudy, "carry_out", fail)
    monkeypatch.setattr(sys, "argv", ["dropnorm", *map(str, study_of())])
    with pytest.raises(ZeroDivisionError):
        cli.main()


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


def test_a_name_that_is_no_utf_8_is_refused(run):
    message = "dropnorm: data\\udcff.csv is no UTF-8: expected names in UTF-8. Rename the file or folder.\n"
    assert run("study", "data\udcff.csv") == (2, "", message)
