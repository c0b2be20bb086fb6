import json
import shutil

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import save

import dropnorm as dn
from dropnorm import nn
from dropnorm.errors import ArgumentError, DataError, RunError
from dropnorm.study.arms import DEFAULT as ARMS
from dropnorm.study.arms import named_arm
from dropnorm.study.conclusions.recommendation import best_net
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.encoding import ColumnEncoding, Encoding
from dropnorm.study.data.sources.bundled import load_bundled
from dropnorm.study.data.splitting import split_rows
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.design import NetPlan
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.runs.store import Store
from dropnorm.study.saving.saved_model import ModelDescription, load_model, model_of
from dropnorm.study.task import TASKS
from dropnorm.surgery.mc_predict import mc_predict

SHAPE = Architecture(features=4, hidden=(10, 7), outputs=3)


def batched_nets(arm: str, shape: Architecture | None = None) -> BatchedNets:
    rate = 0.3 if "dropout" in arm else 0.0
    nets = BatchedNets.initial([NetPlan(seed, named_arm(arm), seed, rate) for seed in range(2)], shape or SHAPE)
    for name, tensor in nets.tensors().items():
        if "norm" in name:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    return nets


def saved(arm: str, nets: BatchedNets, index: int, encoding: dict | None = None, shape=SHAPE):
    columns = tuple(ColumnEncoding(name=f"x{column}", kind="number", has_missing=False) for column in range(4))
    description = ModelDescription(
        arm=named_arm(arm),
        rate=nets.rates[-1][index],
        architecture=shape,
        mean=(0.0,) * 4,
        scale=(1.0,) * 4,
        target_mean=100.0,
        target_scale=20.0,
        encoding=Encoding(
            columns=columns, target="y", **(encoding or {"task": "classification", "classes": ("a", "b", "c")})
        ),
    )
    return model_of(description, save({name: tensor[index].contiguous() for name, tensor in nets.tensors().items()}))


@pytest.mark.parametrize("arm", ARMS)
def test_the_saved_net_computes_what_it_did_among_the_others(arm):
    nets, x = batched_nets(arm), torch.randn(2, 30, 4)
    for index in range(2):
        expected = nets.outputs(x)[index]
        # float32: batch norm is one scale and one shift there, and four steps here
        torch.testing.assert_close(saved(arm, nets, index).net(x[index]), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("arm", ARMS)
def test_the_saved_net_is_built_as_a_user_would(arm):
    hidden = [torch.nn.Linear]
    hidden += [nn.BatchNorm1d] if "batch_norm" in arm else []
    hidden += [torch.nn.ReLU]
    hidden += [nn.Dropout] if "dropout" in arm else []
    net = saved(arm, batched_nets(arm), 0).net
    assert [type(module) for module in net] == [*hidden, *hidden, torch.nn.Linear]
    assert not any(module.training for module in net.modules())
    assert {module.p for module in net if isinstance(module, nn.Dropout)} == ({0.3} if "dropout" in arm else set())
    assert (net[0].bias is None) == ("batch_norm" in arm)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("arm", [*ARMS, "last_dropout+input_dropout"])
def test_a_saved_convolutional_net_computes_what_it_did_among_the_others(arm, channels_last):
    image = {"image": (1, 2, 2), "channels": (3, 5), "channels_last": channels_last}
    shape = SHAPE.model_copy(update=image)
    nets = batched_nets(arm, shape)
    model, x = saved(arm, nets, 1, shape=shape), torch.randn(2, 30, 4)
    torch.testing.assert_close(model.net(x[1]), nets.outputs(x)[1], rtol=1e-5, atol=1e-5)
    drops = [type(module) for module in model.net if isinstance(module, torch.nn.modules.dropout._DropoutNd)]
    expected = [nn.Dropout2d, nn.Dropout2d, nn.Dropout, nn.Dropout] if "dropout" in arm else []
    assert drops == ([nn.Dropout, nn.Dropout] if "last" in arm else expected)


@pytest.mark.parametrize("arm", ARMS)
def test_a_model_comes_back_from_its_files(arm, tmp_path):
    model = saved(arm, batched_nets(arm), 1)
    model.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
    again, x = load_model(tmp_path), np.random.default_rng(0).normal(size=(9, 4))
    assert again.description == model.description
    assert not again.net.training
    assert again.predict(x).equals(model.predict(x))


def test_probabilities_are_those_of_the_net_and_the_prediction_the_likeliest_class():
    model = saved("plain", batched_nets("plain"), 0)
    x = torch.randn(20, 4)
    predictions = model.predict(x)
    assert predictions.columns == ["prediction", "probability_a", "probability_b", "probability_c"]
    probabilities = predictions.drop("prediction").to_numpy()
    np.testing.assert_allclose(probabilities, model.net(x).softmax(1).detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert predictions["prediction"].to_list() == ["abc"[index] for index in probabilities.argmax(axis=1)]


def test_a_quantity_is_predicted_in_its_own_unit():
    shape = SHAPE.model_copy(update={"outputs": 1})
    nets = BatchedNets.initial([NetPlan(0, named_arm("plain"), 0, 0.0)], shape)
    model, x = saved("plain", nets, 0, {"task": "regression", "classes": ()}, shape), torch.randn(20, 4)
    predictions = model.predict(x)
    assert predictions.columns == ["prediction"]
    expected = 100.0 + 20.0 * model.net(x).detach().double().numpy()[:, 0]
    np.testing.assert_allclose(predictions["prediction"].to_numpy(), expected, rtol=1e-6)


def _saved(study):
    """The net that a study's folder keeps."""
    result = next(arm for arm in study.summary.arms if arm.arm == study.summary.advice.arm)
    return best_net(result, study.run.nets, TASKS[study.summary.data.task].metric)


def test_on_its_test_rows_the_model_is_as_good_as_the_study_said(finished, table):
    chosen = _saved(finished)
    labels = table["kind"].to_numpy()
    test = split_rows(load_dataset(table, target="kind"), chosen.seed, finished.summary.config).test
    predicted = load_model(finished.folder).predict(table[test])["prediction"].to_numpy()
    assert np.mean(predicted == labels[test]) == pytest.approx(chosen.test_score)


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
    predictions = finished.model.predict(table[:0])
    assert predictions.height == 0
    assert predictions.columns[0] == "prediction"


def test_a_bundled_set_can_be_predicted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = load_bundled("iris").frame.drop("target").columns
    columns = tuple(ColumnEncoding(name=name, kind="number", has_missing=False) for name in names)
    model = saved("plain", batched_nets("plain"), 0)
    encoding = Encoding(columns=columns, target="target", task="classification", classes=("a", "b", "c"))
    iris = type(model)(model.description.model_copy(update={"encoding": encoding}), model.net)
    assert iris.predict("iris").height == 150


def test_a_studied_column_that_is_missing(finished, table, tmp_path, refuses):
    path = tmp_path / "new.csv"
    table.rename({"width": "widht"}).write_csv(path)
    message = f"{path}: there is no column 'width'. Did you mean 'widht'? The columns are: widht, height, color, striped, kind."
    with refuses(DataError, message):
        finished.model.predict(path)
    with refuses(DataError, message.replace(str(path), "X")):
        finished.model.predict(pl.read_csv(path))


def test_a_folder_without_a_model(tmp_path, finished, refuses):
    message = f"{tmp_path}: holds no model. Expected the folder of a finished `dropnorm study` (its --out)."
    with refuses(RunError, message):
        load_model(tmp_path)
    (tmp_path / "model.json").write_bytes((finished.folder / "model.json").read_bytes())
    with refuses(RunError, message):
        load_model(tmp_path)


def copied(finished, folder):
    finished.model.save(folder)
    return folder / "model.json", folder / "model.safetensors"


def with_another_field(text: str) -> bytes:
    return json.dumps(json.loads(text) | {"shape": "round"}).encode()


@pytest.mark.parametrize(
    "spoil", [with_another_field, lambda text: text[:50].encode(), lambda text: b"\xff" + text.encode()]
)
def test_a_description_that_cannot_be_read(spoil, finished, tmp_path):
    path, _ = copied(finished, tmp_path)
    path.write_bytes(spoil(path.read_text()))
    with pytest.raises(
        RunError, match=r"model\.json: is damaged.*\. Start the same `dropnorm study` again: it writes the file"
    ):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "spoil",
    [lambda content: content[:-4], lambda _: b"", lambda _: save({"0.weight": torch.zeros(2, 2)})],
    ids=["cut off", "empty", "another net's"],
)
def test_weights_that_do_not_belong_to_the_description(spoil, finished, tmp_path, refuses):
    path, weights = copied(finished, tmp_path)
    weights.write_bytes(spoil(weights.read_bytes()))
    message = (
        f"{weights}: does not hold the weights of {path}. Start the same `dropnorm study` again: it writes both anew."
    )
    with refuses(RunError, message):
        load_model(tmp_path)


def test_every_arms_best_net_can_be_loaded(finished, table):
    summary = finished.summary
    nets = {net.net: net for net in finished.run.nets}
    dataset, labels = load_dataset(table, target="kind"), table["kind"].to_numpy()
    for arm in summary.arms:
        model = load_model(finished.folder, arm.arm)
        best = min((nets[net] for net in arm.nets), key=lambda net: (net.validation_loss, net.seed))
        assert (model.description.arm.name, model.description.rate) == (best.arm, best.rate)
        test = split_rows(dataset, best.seed, summary.config).test
        predicted = model.predict(table[test])["prediction"].to_numpy()
        assert np.mean(predicted == labels[test]) == pytest.approx(best.test_score)
    recommended = load_model(finished.folder, summary.advice.arm)
    assert recommended.predict(table).equals(load_model(finished.folder).predict(table))


def test_an_arm_that_was_not_studied(finished, refuses):
    message = (
        "arm='dropuot' is unknown: expected one of 'plain', 'dropout', 'batch_norm', 'dropout+batch_norm'. Did you mean "
        "'dropout'?"
    )
    with refuses(ArgumentError, message):
        load_model(finished.folder, "dropuot")


def test_a_run_that_keeps_the_recommended_net_only(finished, tmp_path, refuses):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    store = Store(folder / "study.sqlite")
    store.put(models=None)
    store.close()
    other = next(arm.arm for arm in finished.summary.arms if arm.arm != finished.summary.advice.arm)
    message = (
        f"{folder}: was finished by a dropnorm that kept the recommended net only. Start the same `dropnorm study` again: it "
        f"keeps those of all arms, without training anew."
    )
    with refuses(RunError, message):
        load_model(folder, other)
    assert load_model(folder).predict(finished.folder.parent / "insects.csv").height == 120


@pytest.mark.parametrize("arm", ["dropout", "dropout+batch_norm"])
def test_uncertainty_is_that_of_monte_carlo_dropout(arm, finished, table):
    model = load_model(finished.folder, arm)
    told = model.predict(table, uncertainty=True, samples=20, key=3)
    description = model.description
    standardization = Standardization(np.array(description.mean), np.array(description.scale))
    features = torch.from_numpy(standardization.apply(model.features(table)))
    expected = mc_predict(model.net, features, 20, key=3)
    probabilities = told.select(pl.selectors.starts_with("probability_")).to_numpy()
    np.testing.assert_array_equal(probabilities, expected.mean)
    np.testing.assert_array_equal(told["predictive_entropy"].to_numpy(), expected.predictive_entropy)
    np.testing.assert_array_equal(told["mutual_information"].to_numpy(), expected.mutual_information)
    assert told.equals(model.predict(table, uncertainty=True, samples=20, key=3))
    assert not told.equals(model.predict(table, uncertainty=True, samples=20, key=4))
    assert not model.net.training
    assert model.predict(table[:0], uncertainty=True).height == 0


def test_a_net_without_dropout_is_not_unsure(finished, table, refuses):
    start = "uncertainty is asked for, and the net of the arm 'plain' has no dropout whose masks could be sampled: expected a "
    model = load_model(finished.folder, "plain")
    remedy = "Take --arm dropout or --arm dropout+batch_norm (arm= of load_model in Python)."
    with refuses(ArgumentError, f"{start}net with dropout. {remedy}"):
        model.predict(table, uncertainty=True)
    in_memory = saved("plain", batched_nets("plain"), 0)
    with refuses(ArgumentError, f"{start}net with dropout. Study again with an arm that has dropout."):
        in_memory.predict(torch.randn(3, 4), uncertainty=True)


def test_grey_images_are_predicted_by_a_net_of_colored_ones(tmp_path):
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
