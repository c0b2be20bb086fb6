import shutil

import polars as pl
import pytest


@pytest.fixture
def folder(finished, tmp_path):
    """A finished run that may be written to."""
    return shutil.copytree(finished[3], tmp_path / "run")


def test_export_writes_every_net_and_epoch_beside_the_run(run, folder):
    csv = folder / "csv"
    printed = "".join(f"CSV: {csv / name}\n" for name in ("nets.csv", "epochs.csv", "reliability.csv"))
    assert run("export", folder, "--csv") == (0, printed, "")
    assert pl.read_csv(csv / "nets.csv").height == 12
    assert pl.read_csv(csv / "epochs.csv").height == 12 * 2


def test_export_to_another_folder(run, folder, tmp_path):
    code, printed, _ = run("export", folder, "--csv", "--out", tmp_path / "numbers")
    assert code == 0
    assert str(tmp_path / "numbers" / "nets.csv") in printed
    assert (tmp_path / "numbers" / "reliability.csv").exists()
    assert not (folder / "csv").exists()


def test_export_of_nothing(run, folder):
    message = "dropnorm: nothing is named to be exported: expected --csv. Add it.\n"
    assert run("export", folder) == (2, "", message)


def test_export_of_a_folder_without_a_study(run, tmp_path):
    message = f"{tmp_path}: holds no study. Expected the folder that `dropnorm study` wrote (its --out)."
    assert run("export", tmp_path, "--csv") == (2, "", f"dropnorm: {message}\n")
