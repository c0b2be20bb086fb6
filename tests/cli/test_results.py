import json
import subprocess
import sys
import textwrap

import pytest
import typer

from dropnorm import cli
from dropnorm.cli.results import kept_for_results, results, standard_output_kept, write_result

NOISY = """
import ctypes, os, sys
import torch
from torch import nn

def noise():
    print("printed"); os.write(1, b"written\\n"); os.system("echo of a child"); ctypes.CDLL(None).puts(b"of C")
    ctypes.CDLL(None).fflush(None); sys.stdout.write("to the stream\\n")

noise()

class Noisy(nn.Sequential):
    def forward(self, x):
        noise()
        return super().forward(x)

def net(features=4, outputs=3):
    noise()
    return Noisy(nn.Linear(features, 4), nn.ReLU(), nn.Linear(4, outputs))

def plain():
    return net()

def leaves():
    sys.exit(0)

class Stop(BaseException):
    pass

def stops(features, outputs):
    raise Stop("enough")

def interrupted():
    raise KeyboardInterrupt
"""
QUICK = ["--arms", "dropout", "--dropout", "0.2", "--seeds", "2", "--epochs", "1"]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """Run the command beside a module that prints in five ways wherever it can."""
    folder = tmp_path_factory.mktemp("noisy")
    (folder / "noisy.py").write_text(textwrap.dedent(NOISY))

    def command(*words):
        done = subprocess.run(
            [sys.executable, "-m", "dropnorm", *words], cwd=folder, capture_output=True, text=True, timeout=300
        )
        return done.returncode, done.stdout, done.stderr

    return command


def test_what_a_module_prints_does_not_reach_the_results(noisy):
    code, printed, told = noisy("study", "iris", "--net", "noisy:net", *QUICK, "--out", "run", "--json")
    assert (code, json.loads(printed)["data"]["name"]) == (0, "iris")
    assert {"printed", "written", "of a child", "of C", "to the stream"} <= set(told.splitlines())
    code, printed, _ = noisy("predict", "run", "iris", "--trust")
    assert (code, printed.splitlines()[0].split(",")[0], len(printed.splitlines())) == (0, "prediction", 151)
    code, printed, _ = noisy("predict", "run", "iris", "--trust", "--json")
    assert (code, len(json.loads(printed)), set(json.loads(printed)[0]) >= {"prediction"}) == (0, 150, True)
    code, printed, _ = noisy("audit", "noisy:net", "--data", "iris", "--json")
    assert (code, json.loads(printed)["model"]) == (0, "Noisy")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["audit", "noisy:leaves", "--json"], "net='noisy:leaves' calls sys.exit(0), which would end the program"),
        (["study", "iris", "--net", "noisy:stops"], "net='noisy:stops' raises Stop, which would end the program"),
        (["audit", "noisy:plain", "--data", "noisy:leaves"], "data='noisy:leaves' calls sys.exit(0)"),
    ],
)
def test_code_that_would_end_the_program_is_told(noisy, words, message):
    code, printed, told = noisy(*words)
    assert (code, printed, f"dropnorm: {message}" in told) == (2, "", True)


def test_an_interruption_stays_one(noisy):
    assert noisy("audit", "noisy:interrupted")[0] == 130


def test_every_command_has_json():
    for command in typer.main.get_command(cli.app).commands.values():
        assert "--json" in {flag for option in command.params for flag in option.opts}, command.name


def test_results_go_where_standard_output_was(capsys):
    with standard_output_kept():
        sys.stdout.write("aside\n")
        write_result("result")
        results().write("more\n")
    sys.stdout.write("after\n")
    assert capsys.readouterr() == ("result\nmore\nafter\n", "aside\n")


def test_standard_output_is_back_after_an_error(capsys):
    @kept_for_results
    def command(number: int) -> None:
        raise ValueError(number)

    before = sys.stdout
    with pytest.raises(ValueError, match="3"):
        command(3)
    assert sys.stdout is before


FULL = "> /dev/full"


def written_to(output: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    """The command with a shell's redirection of its output."""
    line = ["bash", "-c", f'"$0" -m dropnorm "$@" {output}', sys.executable, *words]
    return subprocess.run(line, stderr=subprocess.PIPE, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    ("words", "output", "reason"),
    [
        (["--version"], FULL, "No space left on device"),
        (["study", "--help"], FULL, "No space left on device"),
        (["columns", "iris"], FULL, "No space left on device"),
        (["runs", ".", "--json"], FULL, "No space left on device"),
        (["--version"], ">&-", "Bad file descriptor"),
        (["runs", ".", "--json"], ">&- <&-", "Bad file descriptor"),
    ],
)
def test_an_output_that_cannot_be_written_is_told_in_a_sentence(words, output, reason):
    done = written_to(output, words)
    assert done.returncode == 2
    assert done.stderr == (
        f"dropnorm: standard output: cannot be written ({reason}). Expected a file with room, or a pipe. What was written to "
        f"files is kept: make room, or send the output elsewhere.\n"
    )


@pytest.mark.parametrize("words", [["study", "--help"], ["columns", "iris"]])
def test_a_pipe_that_nobody_reads_ends_the_command_without_a_word(words):
    assert written_to("| true", words).stderr == ""


def test_a_study_whose_output_cannot_be_written_is_kept(tmp_path):
    run = tmp_path / "run"
    done = written_to("> /dev/full", ["study", "iris", "--hidden", "4", *QUICK, "--out", str(run)])
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith("or send the output elsewhere.")
    assert (run / "summary.json").is_file()
    assert written_to("> /dev/null", ["runs", str(run)]).returncode == 0


def test_files_are_not_opened_in_the_place_of_a_closed_output(tmp_path):
    run = tmp_path / "run"
    done = written_to(">&- 2>&- <&-", ["study", "iris", "--hidden", "4", *QUICK, "--out", str(run)])
    assert done.returncode == 2
    assert written_to("> /dev/null", ["report", str(run), "--out", str(tmp_path / "again.html")]).returncode == 0
