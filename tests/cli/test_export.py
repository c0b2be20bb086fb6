import shutil

import onnxruntime
import polars as pl
import pytest

from dropnorm.study.saving.loading import load_model


@pytest.fixture
def folder(finished, tmp_path):
    """A finished run that may be written to."""
    return shutil.copytree(finished[3], tmp_path / "run")


def test_export_writes_every_net_and_epoch_beside_the_run(run, folder):
    csv = folder / "csv"
    names = ("nets.csv", "epochs.csv", "reliability.csv", "metrics.csv", "classes.csv", "confusion.csv")
    printed = "".join(f"CSV: {csv / name}\n" for name in names)
    assert run("export", folder, "--csv") == (0, printed, "")
    assert pl.read_csv(csv / "nets.csv").height == 12
    assert pl.read_csv(csv / "epochs.csv").height == 12 * 2


def test_export_to_another_folder(run, folder, tmp_path):
    code, printed, _ = run("export", folder, "--csv", "--out", tmp_path / "numbers")
    assert code == 0
    assert str(tmp_path / "numbers" / "nets.csv") in printed
    assert (tmp_path / "numbers" / "reliability.csv").exists()
    assert not (folder / "csv").exists()


def test_the_model_becomes_an_onnx_graph(finished, csv, run, tmp_path):
    folder, path = finished[3], tmp_path / "net.onnx"
    assert run("export", folder, "--onnx", "--out", path) == (0, f"ONNX model: {path}\n", "")
    model = load_model(folder)
    session = onnxruntime.InferenceSession(path)
    outputs = session.run(None, {"features": model.features(csv)})[0]
    assert abs(outputs - model.predict(csv).drop("prediction").to_numpy()).max() < 1e-5
    assert session.get_modelmeta().custom_metadata_map["arm"] == model.description.arm.name


def test_a_single_net_becomes_an_onnx_graph_by_its_number(finished, csv, run, tmp_path):
    folder, path = finished[3], tmp_path / "net.onnx"
    assert run("export", folder, "--onnx", "--net", 3, "--out", path) == (0, f"ONNX model: {path}\n", "")
    outputs = onnxruntime.InferenceSession(path).run(None, {"features": load_model(folder).features(csv)})[0]
    expected = load_model(folder, net=3).predict(csv).drop("prediction").to_numpy()
    assert abs(outputs - expected).max() < 1e-5


def test_both_at_once_and_another_arm_go_to_the_runs_own_folder(run, folder):
    code, printed, _ = run("export", folder, "--csv", "--onnx", "--arm", "plain")
    assert (code, printed.splitlines()[-1]) == (0, f"ONNX model: {folder}/model.onnx")
    assert (folder / "csv" / "nets.csv").exists()
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    assert session.get_modelmeta().custom_metadata_map["arm"] == "plain"


def test_export_of_nothing_and_of_two_things_to_one_place(run, folder, tmp_path):
    message = "dropnorm: nothing is named to be exported: expected --csv or --onnx. Name one.\n"
    assert run("export", folder) == (2, "", message)
    message = "dropnorm: both --csv and --onnx are named for one --out: expected --csv or --onnx. Name one.\n"
    assert run("export", folder, "--csv", "--onnx", "--out", tmp_path / "there") == (2, "", message)


def test_export_of_a_folder_without_a_study(run, tmp_path):
    message = f"{tmp_path}: holds no study. Expected the folder that `dropnorm study` wrote (its --out)."
    assert run("export", tmp_path, "--csv") == (2, "", f"dropnorm: {message}\n")
    message = f"{tmp_path}: holds no model. Expected the folder of a finished `dropnorm study` (its --out)."
    assert run("export", tmp_path, "--onnx") == (2, "", f"dropnorm: {message}\n")


def test_export_to_a_folder_that_is_not_there(run, folder, tmp_path):
    path = tmp_path / "none" / "model.onnx"
    message = f"dropnorm: {path}: cannot be written (No such file or directory). Name a file in a folder of yours.\n"
    assert run("export", folder, "--onnx", "--out", path) == (2, "", message)
