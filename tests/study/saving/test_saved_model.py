"""A model predicts the mean of its nets, whatever table it is given and however it is kept."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image
from polars.testing import assert_frame_equal

import dropnorm as dn
from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.arms import DEFAULT as ARMS
from dropnorm.study.data.encoding import ColumnEncoding, Encoding
from dropnorm.study.data.sources.bundled import load_bundled
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.saving import saved_model
from dropnorm.study.saving.loading import load_model
from dropnorm.study.saving.saved_model import model_with, prediction_columns

QUANTITY = Architecture(features=4, hidden=(10, 7), outputs=1)


def one_by_one(model, features: np.ndarray) -> np.ndarray:
    """What each net says of each row, by NumPy and in float64: probabilities, or the quantity."""
    said = []
    for net, member in zip(model.nets, model.description.members, strict=True):
        x = np.nan_to_num((features - np.array(member.mean)) / np.array(member.scale), nan=0.0)
        state = {name: tensor.double().numpy() for name, tensor in net.state_dict().items()}
        for name, layer in net.named_children():
            if isinstance(layer, torch.nn.Linear):
                x = x @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0.0)
            elif isinstance(layer, torch.nn.BatchNorm1d):
                deviation = np.sqrt(state[f"{name}.running_var"] + layer.eps)
                x = (x - state[f"{name}.running_mean"]) / deviation * state[f"{name}.weight"] + state[f"{name}.bias"]
            elif isinstance(layer, torch.nn.ReLU):
                x = np.maximum(x, 0.0)
        if model.description.encoding.classes:
            x = np.exp(x - x.max(axis=1, keepdims=True))
            x /= x.sum(axis=1, keepdims=True)
        else:
            x = x * member.target_scale + member.target_mean
        said.append(x)
    return np.array(said)


@pytest.fixture
def features() -> np.ndarray:
    features = np.random.default_rng(0).normal(size=(20, 4))
    features[::3, 1] = np.nan
    return features


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("arm", ARMS)
def test_probabilities_are_the_mean_of_the_nets_and_the_prediction_the_likeliest_class(
    arm, count, made_model, features
):
    model = made_model(arm, count=count)
    predictions = model.predict(features)
    assert predictions.columns == ["prediction", "probability_a", "probability_b", "probability_c"]
    probabilities = predictions.drop("prediction").to_numpy()
    np.testing.assert_allclose(probabilities, one_by_one(model, features).mean(axis=0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert predictions["prediction"].to_list() == ["abc"[index] for index in probabilities.argmax(axis=1)]


@pytest.mark.parametrize("arm", ARMS)
def test_a_quantity_is_the_mean_of_what_the_nets_say_in_its_own_unit(arm, made_model, features):
    model = made_model(arm, QUANTITY)
    predictions = model.predict(features)
    assert predictions.columns == ["prediction"]
    expected = one_by_one(model, features)
    assert np.ptp(expected, axis=0).min() > 0.1, "the nets differ"
    np.testing.assert_allclose(predictions["prediction"].to_numpy(), expected.mean(axis=0)[:, 0], rtol=1e-6)


@pytest.mark.parametrize("shape", [None, QUANTITY], ids=["classes", "quantity"])
def test_many_rows_are_predicted_as_by_and_by(shape, made_model, monkeypatch):
    model, rows = made_model("plain", **({} if shape is None else {"shape": shape})), np.random.default_rng(0)
    features = rows.normal(size=(101, 4))
    whole = model.predict(features)
    monkeypatch.setattr(saved_model, "ROWS_AT_ONCE", 25)
    by_and_by = model.predict(features)
    assert by_and_by["prediction"].dtype == whole["prediction"].dtype
    assert_frame_equal(by_and_by, whole, rel_tol=1e-5)


@pytest.mark.parametrize("shape", [None, QUANTITY], ids=["classes", "quantity"])
@pytest.mark.parametrize("arm", ["plain", "dropout+batch_norm"])
def test_as_one_module_it_takes_features_and_gives_the_same(arm, shape, made_model, features):
    model = made_model(arm) if shape is None else made_model(arm, shape)
    module = model.module()
    assert isinstance(module, torch.nn.Module)
    assert not any(part.training for part in module.modules())
    with torch.no_grad():
        given = module(torch.from_numpy(features)).numpy()
        for parameter in module.parameters():
            parameter.zero_()
    predictions = model.predict(features)
    told = predictions["prediction"] if shape else predictions.drop("prediction")
    np.testing.assert_allclose(given, told.to_numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("arm", ARMS)
def test_a_model_comes_back_from_its_files_to_the_bit(arm, made_model, features, tmp_path):
    model = made_model(arm)
    model.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
    again = load_model(tmp_path)
    assert again.description == model.description
    assert again.predict(features).equals(model.predict(features))
    assert [net[0].weight.shape for net in again.nets] == [(10, 4)] * 3


def test_the_net_of_a_model_is_there_if_it_is_one(made_model, refuses):
    single = made_model(count=1)
    assert single.net is single.nets[0]
    message = (
        "net is asked for of a model that is the mean of 3 nets: expected a model of one. Take one of model.nets, or "
        "load_model(folder, net=...)."
    )
    with refuses(ArgumentError, message):
        made_model().net  # noqa: B018 - the property is what raises


def test_tensors_of_more_or_fewer_nets_than_are_described_are_refused(made_nets, description_of):
    for count in (2, 4):
        with pytest.raises(RuntimeError, match="nets"):
            model_with(description_of(), made_nets(count=count).tensors())
    ragged = made_nets().tensors()
    ragged["0.linear.bias"] = ragged["0.linear.bias"][:2]
    with pytest.raises(RuntimeError, match="nets"):
        model_with(description_of(), ragged)


def test_a_file_a_frame_and_the_model_in_memory_predict_alike(finished, table, tmp_path):
    model = load_model(str(finished.folder))
    expected = finished.model.predict(table)
    assert expected.height == 120
    table.drop("kind").write_csv(tmp_path / "new.csv")
    table.write_parquet(tmp_path / "new.parquet")
    pandas = pd.DataFrame(table.to_dict(as_series=False))
    shuffled = table.select(pl.lit("ignored").alias("note"), *reversed(table.columns))
    for X in (tmp_path / "new.csv", str(tmp_path / "new.parquet"), pandas, shuffled):
        assert model.predict(X).equals(expected)


def test_a_row_is_predicted_the_same_alone(finished, table):
    together, alone = finished.model.predict(table), finished.model.predict(table[7:8])
    assert together[7, "prediction"] == alone[0, "prediction"]
    assert together.row(7)[1:] == pytest.approx(alone.row(0)[1:], rel=1e-5)


def test_missing_values_and_unknown_categories_are_predicted_too(finished, table):
    odd = table[:2].with_columns(color=pl.lit("purple"), height=pl.lit(None), width=pl.lit(None), striped=pl.lit(None))
    predictions = finished.model.predict(odd)
    assert predictions.drop("prediction").to_numpy().sum(axis=1) == pytest.approx([1, 1])


def test_a_table_without_rows_has_no_predictions(finished, table):
    for told in ({}, {"uncertainty": True}):
        predictions = finished.model.predict(table[:0], **told)
        assert predictions.height == 0
        assert predictions.columns[0] == "prediction"


def test_a_bundled_set_can_be_predicted(tmp_path, monkeypatch, made_nets, description_of):
    monkeypatch.chdir(tmp_path)
    names = load_bundled("iris").frame.drop("target").columns
    columns = tuple(ColumnEncoding(name=name, kind="number", has_missing=False) for name in names)
    encoding = Encoding(columns=columns, target="target", task="classification", classes=("a", "b", "c"))
    assert model_with(description_of(encoding=encoding), made_nets().tensors()).predict("iris").height == 150


def test_a_studied_column_that_is_missing(finished, table, tmp_path, refuses):
    path = tmp_path / "new.csv"
    table.rename({"width": "widht"}).write_csv(path)
    message = f"{path}: there is no column 'width': expected one of widht, height, color, striped, kind. Did you mean 'widht'?"
    with refuses(DataError, message):
        finished.model.predict(path)
    with refuses(DataError, message.replace(str(path), "X")):
        finished.model.predict(pl.read_csv(path))


@pytest.mark.parametrize("arm", ["dropout", "plain"])
def test_uncertainty_stands_beside_the_predictions(arm, finished, table):
    model = load_model(finished.folder, arm)
    told = model.predict(table, uncertainty=True, samples=20, key=3)
    parts = ["mutual_information_between_nets", "mutual_information_within_nets"]
    assert told.columns == [*model.predict(table).columns, "predictive_entropy", "mutual_information", *parts]
    assert told.equals(model.predict(table, uncertainty=True, samples=20, key=3))
    assert told.equals(model.predict(table, uncertainty=True, samples=20, key=4)) == (arm == "plain")
    assert not any(net.training for net in model.nets)


def test_a_single_net_without_dropout_is_not_unsure(finished, table, refuses):
    plain = next(net.net for net in finished.run.nets if net.arm == "plain")
    message = (
        "uncertainty is asked for of a single net of the arm 'plain', which has no dropout whose masks could be sampled: "
        "expected several nets, or one with dropout. Leave net out, or name one of an arm with dropout."
    )
    with refuses(ArgumentError, message):
        load_model(finished.folder, net=plain).predict(table, uncertainty=True)


def test_grey_images_are_predicted_by_nets_of_colored_ones(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(60):
        (tmp_path / "color" / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "color" / "ab"[index % 2] / f"{index}.png")
    model = dn.run_study(tmp_path / "color", seeds=2, epochs=1, hidden=(4,), batch_size=8, arms="dropout").model
    (tmp_path / "grey").mkdir()
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey" / "0.png")
    (tmp_path / "grey" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of its 2 images is broken: 1\.png"):
        model.predict(tmp_path / "grey")
    predictions = model.predict(tmp_path / "grey", skip_broken=True)
    same = np.repeat(pixels[None, None, ..., 0], 3, axis=1)
    frame = pl.DataFrame([pl.Series("image", same, dtype=pl.Array(pl.UInt8, (3, 2, 2)))])
    assert predictions.drop("file").equals(model.predict(frame))
    assert predictions["file"].to_list() == ["0.png"]


def test_columns_name_the_likeliest_class_or_the_quantity():
    columns = prediction_columns(np.array([[0.2, 0.8], [0.9, 0.1]]), ("a", "b"))
    assert {name: values.tolist() for name, values in columns.items()} == {
        "prediction": ["b", "a"],
        "probability_a": [0.2, 0.9],
        "probability_b": [0.8, 0.1],
    }
    assert prediction_columns(np.array([[3.5], [1.0]]), ())["prediction"].tolist() == [3.5, 1.0]
