"""What the tests of the command line share: a table, ways to run a command, and one finished run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dropnorm import cli

QUICK = ["--seeds", "2", "--epochs", "2", "--hidden", "8", "--dropout", "0.2,0.5", "--batch-size", "16"]


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def quick() -> list[str]:
    """Options of a study that ends within a second."""
    return list(QUICK)


@pytest.fixture(scope="session")
def study_of(csv) -> Callable[..., list[object]]:
    """The words of a quick study of the insects, and more of them."""
    return lambda *more: ["study", csv, "--target", "kind", "--ignore", "note", *QUICK, *more]


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; returns its exit code, standard output and standard error."""

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dropnorm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return command


@pytest.fixture(scope="session")
def dropnorm() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the installed command."""

    def command(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [Path(sys.executable).with_name("dropnorm"), *map(str, arguments)]
        environment = os.environ | {"PYTHONWARNINGS": "error"}
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)

    return command


@pytest.fixture(scope="session")
def finished(study_of, dropnorm, tmp_path_factory) -> tuple[int, str, str, Path]:
    """A study as a user runs it, by the installed command: its exit code, standard output, standard error, and folder."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    done = dropnorm(*study_of("--json", "--out", folder))
    return done.returncode, done.stdout, done.stderr, folder


@pytest.fixture
def write_csv(tmp_path) -> Callable[[str], Path]:
    """Write a CSV file into the test's own folder."""

    def write(text: str) -> Path:
        path = tmp_path / "data.csv"
        path.write_text(text)
        return path

    return write
