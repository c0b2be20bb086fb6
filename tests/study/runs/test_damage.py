import shutil
import sqlite3
from contextlib import closing

import pytest
from safetensors import SafetensorError

import dropnorm as dn
from dropnorm.errors import ArgumentError, RunError
from dropnorm.study.runs.damage import told_as_damage


@pytest.mark.parametrize(
    "error",
    [KeyError("plain"), ZeroDivisionError("by zero"), TypeError("no"), RecursionError("deep"), SafetensorError("x")],
)
def test_whatever_records_make_fail_is_told_as_damage(error):
    with (
        pytest.raises(
            RunError, match=rf"\Arun: is damaged, since .* \({type(error).__name__}: .*remove the folder\.\Z"
        ),
        told_as_damage("run"),
    ):
        raise error


def test_errors_of_ours_and_interruptions_stay():
    for error in (ArgumentError("a"), KeyboardInterrupt(), MemoryError(), RuntimeError("CUDA out of memory")):
        with pytest.raises(type(error)), told_as_damage("run"):
            raise error


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE nets SET weights = x'0000'",
        "UPDATE nets SET weights = (SELECT weights FROM nets AS other WHERE arm != nets.arm AND arm LIKE '%batch_norm%')",
        "UPDATE nets SET arm = 'another'",
        "UPDATE nets SET net = net + 100",
        "UPDATE nets SET test_score = 'NaN', rate = 1e308",
        "DELETE FROM nets",
        "DELETE FROM nets WHERE arm = 'dropout'",
        "DELETE FROM epochs",
        "DELETE FROM blocks",
        "UPDATE blocks SET finished = 0",
        "UPDATE blocks SET finished = 0, state = x'00'",
        "UPDATE blocks SET finished = 0, state = x'02000000000000007b7d'",
    ],
)
def test_a_study_that_goes_on_from_a_damaged_store_ends_with_an_error_of_the_run(
    statement, finished, table, quick, tmp_path
):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    table.write_csv(tmp_path / "insects.csv")
    with closing(sqlite3.connect(folder / "study.sqlite", isolation_level=None)) as database:
        database.execute(statement)
    with pytest.raises(RunError, match=f"{folder}"):
        dn.run_study(tmp_path / "insects.csv", target="kind", out=folder, **quick)
