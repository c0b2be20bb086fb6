import json
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
import torch

import dropnorm as dn
from dropnorm.errors import ArgumentError, ExtraError
from dropnorm.study.saving.onnx_model import export_onnx


def run(path, features: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path)
    assert [value.name for value in session.get_inputs()] == ["features"]
    return session.run(None, {"features": features})[0]


@pytest.mark.parametrize("arm", ["plain", "dropout", "batch_norm", "dropout+batch_norm"])
def test_probabilities_are_those_that_the_model_predicts(arm, finished, table, tmp_path):
    model = dn.load_model(finished.folder, arm)
    export_onnx(model, tmp_path / "model.onnx")
    # Missing values and far outliers are standardized alike.
    odd = table.with_columns(width=pl.when(pl.int_range(pl.len()) == 4).then(1e12).otherwise("width"))
    odd = odd.with_columns(height=pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise("height"))
    assert np.isnan(model.features(odd)).any()
    outputs = run(tmp_path / "model.onnx", model.features(odd))
    expected = model.predict(odd).drop("prediction").to_numpy()
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", ["gelu", "silu"])
def test_quantities_are_in_their_own_unit(activation, tmp_path):
    quick = {"seeds": 2, "epochs": 3, "hidden": (16,), "activation": activation, "arms": "batch_norm"}
    model = dn.run_study("diabetes", **quick).model
    export_onnx(model, tmp_path / "model.onnx")
    outputs = run(tmp_path / "model.onnx", model.features("diabetes"))
    expected = model.predict("diabetes")["prediction"].to_numpy()
    assert outputs.dtype == np.float64
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)


def test_a_single_net_is_exported_by_its_number(finished, table, tmp_path):
    model = dn.load_model(finished.folder, net=3)
    export_onnx(model, tmp_path / "model.onnx")
    outputs = run(tmp_path / "model.onnx", model.features(table))
    np.testing.assert_allclose(outputs, model.predict(table).drop("prediction").to_numpy(), rtol=1e-5, atol=1e-5)
    facts = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(facts["nets"]) == [3]


def layered(features, outputs):
    return torch.nn.Sequential(torch.nn.Linear(features, 8), torch.nn.ReLU(), torch.nn.Linear(8, outputs))


@pytest.mark.parametrize("data", ["iris", "diabetes"])
def test_the_modules_of_a_factory_are_exported_where_they_are_known_layers(data, tmp_path):
    model = dn.run_study(data, net=layered, arms="dropout+batch_norm", dropout=0.2, seeds=2, epochs=2).model
    export_onnx(model, tmp_path / "model.onnx")
    predictions = model.predict(data)
    told = predictions.drop("prediction") if data == "iris" else predictions["prediction"]
    np.testing.assert_allclose(
        run(tmp_path / "model.onnx", model.features(data)), told.to_numpy(), rtol=1e-5, atol=1e-5
    )


def test_the_model_says_what_goes_in_and_comes_out(finished, tmp_path):
    export_onnx(dn.load_model(finished.folder, "dropout"), str(tmp_path / "model.onnx"))
    made = onnx.load(tmp_path / "model.onnx")
    facts = {entry.key: entry.value for entry in made.metadata_props}
    chosen = dn.load_model(finished.folder, "dropout").description.members
    assert json.loads(facts["nets"]) == [member.net for member in chosen]
    assert [node.op_type for node in made.graph.node].count("Softmax") == len(chosen) == 2
    assert facts["arm"] == "dropout"
    assert json.loads(facts["classes"]) == ["ant", "bee", "cat"]
    colors = ["color = blue", "color = green", "color = red", "color is missing"]
    assert json.loads(facts["features"]) == ["width", "height", "height is missing", *colors, "striped"]
    assert made.graph.input[0].type.tensor_type.shape.dim[1].dim_value == 8
    assert "BatchNormalization" not in {node.op_type for node in made.graph.node}


def test_without_the_package_the_extra_is_named(finished, tmp_path, monkeypatch, refuses):
    for name in [name for name in sys.modules if name.split(".")[0] == "onnx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hidden(), *sys.meta_path])
    message = "onnx is not installed, and an export to ONNX needs it. Install it with: pip install 'dropnorm[onnx]'"
    with refuses(ExtraError, message):
        export_onnx(finished.model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


class Hidden:
    """A finder that finds no onnx."""

    def find_spec(self, name, *_):
        if name.split(".")[0] == "onnx":
            raise ModuleNotFoundError(f"No module named {name!r}", name="onnx")


def test_a_layer_without_a_node_leaves_no_file(finished, tmp_path):
    nets = [torch.nn.Sequential(torch.nn.Softplus()) for _ in finished.model.nets]
    model = dn.SavedModel(finished.model.description, SimpleNamespace(nets=nets))
    with pytest.raises(ArgumentError, match="is a Softplus, which cannot be exported"):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_images_with_channels_last_are_turned(tmp_path):
    images = np.random.default_rng(0).random((60, 6, 5, 3))
    quick = {"seeds": 2, "epochs": 2, "batch_size": 8, "arms": "batch_norm", "channels": (4,), "hidden": (6,)}
    model = dn.run_study(images, np.arange(60) % 2, net="conv", **quick).model
    export_onnx(model, tmp_path / "model.onnx")
    outputs = run(tmp_path / "model.onnx", model.features(images))
    expected = model.predict(images).drop("prediction").to_numpy()
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def test_shapes_that_onnx_does_not_take_leave_no_file(finished, tmp_path):
    features = finished.model.description.encoding.features
    layers = [torch.nn.Unflatten(1, (features // 2, 2)), torch.nn.Linear(2, 3), torch.nn.Flatten()]
    nets = [torch.nn.Sequential(*layers).eval() for _ in finished.model.nets]
    model = dn.SavedModel(finished.model.description, SimpleNamespace(nets=nets))
    with pytest.raises(
        ArgumentError, match=r"have layers whose shapes ONNX does not take \((.|\n)*\): expected Linear layers"
    ):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
