"""Studies of Keras nets from end to end, and what is left of them."""

import os
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import polars as pl
import pytest
import torch
from keras import layers, models
from polars.testing import assert_frame_equal

import dropnorm as dn
from dropnorm.errors import ArgumentError, ArgumentTypeError

QUICK = {"seeds": 2, "epochs": 3, "dropout": 0.3, "batch_size": 16}


def compiled(features, outputs):
    net = keras.Sequential(
        [keras.Input((features,)), layers.Dense(8, activation="relu"), layers.Dense(outputs, activation="softmax")]
    )
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


def listing():
    model = models.Sequential(
        [layers.Dense(16, activation="relu", input_shape=(64,)), layers.Dense(10, activation="softmax")]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def one_output(features):
    return keras.Sequential([keras.Input((features,)), layers.Dense(8, activation="relu"), layers.Dense(1)])


def images(input_shape, outputs):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(3, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(5, activation="relu"),
            layers.Dense(outputs),
        ]
    )


def two_classes(blobs):
    return blobs(classes=2)


def a_quantity(blobs):
    X, _ = blobs()
    return X, 50.0 + 9.0 * X[:, 0]


def pictures(blobs):
    return np.random.default_rng(0).integers(0, 255, (90, 6, 5)).astype("uint8"), np.arange(90) % 3


@pytest.mark.parametrize(
    ("factory", "data", "meaning"),
    [
        (compiled, lambda blobs: blobs(), "probabilities"),
        (one_output, two_classes, "logit"),
        (one_output, a_quantity, "quantity"),
        (images, pictures, "logits"),
    ],
    ids=["probabilities", "one logit", "quantity", "images"],
)
def test_a_study_is_kept_and_its_models_predict_as_before(tmp_path, blobs, factory, data, meaning):
    X, y = data(blobs)
    arms = ["dropout", "batch_norm"]
    study = dn.run_study(X, y, net=factory, arms=arms, out=tmp_path / "run", **QUICK)
    assert study.model.description.architecture.meaning == meaning
    assert study.run.timing.keras == f"{keras.__version__} on {keras.backend.backend()}"
    assert all(isinstance(net, keras.Model) for net in study.model.nets)
    for arm in ["plain", *arms]:
        model = dn.load_model(tmp_path / "run", arm, trust=True)
        told = model.predict(X)
        if model.description.arm == study.model.description.arm:
            assert_frame_equal(told, study.model.predict(X))
        np.testing.assert_allclose(values_of(told), by_keras(model, X), rtol=1e-4, atol=1e-5)
    spread = "mutual_information" if y.dtype.kind == "i" else "deviation"
    for arm in ("dropout", "plain"):
        unsure = dn.load_model(tmp_path / "run", arm, trust=True).predict(X, uncertainty=True, samples=20)
        assert unsure.height == len(X)
        assert unsure[f"{spread}_between_nets"].mean() > 0
        assert (unsure[f"{spread}_within_nets"].mean() > 0) == (arm == "dropout")
        assert (unsure[spread] >= unsure[f"{spread}_within_nets"]).all()
    plain = next(net.net for net in study.run.nets if net.arm == "plain")
    with pytest.raises(ArgumentError, match="has no dropout whose masks could be sampled"):
        dn.load_model(tmp_path / "run", net=plain, trust=True).predict(X, uncertainty=True)
    with pytest.raises(ArgumentError, match="are Keras models, which are not exported from here"):
        dn.export_onnx(study.model, tmp_path / "net.onnx")
    with pytest.raises(ArgumentError, match="are Keras models: expected nets of PyTorch"):
        study.model.module()


def values_of(told):
    probabilities = told.select(pl.selectors.starts_with("probability_"))
    return probabilities.to_numpy() if probabilities.width else told["prediction"].to_numpy()[:, None]


def by_keras(model, X):
    """The mean of what each model gives by itself: probabilities, or the quantity."""
    meaning, said = model.description.architecture.meaning, []
    for net, member in zip(model.nets, model.description.members, strict=True):
        standardized = ((model.features(X) - np.array(member.mean)) / np.array(member.scale)).astype("float32")
        outputs = net.predict(model.description.architecture.inputs(standardized), verbose=0).astype("float64")
        if meaning == "quantity":
            outputs = outputs * member.target_scale + member.target_mean
        elif meaning == "logits":
            outputs = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
        elif meaning == "logit":
            second = 1.0 / (1.0 + np.exp(-outputs))
            outputs = np.concatenate([1.0 - second, second], axis=1)
        said.append(outputs)
    return np.mean(said, axis=0)


def test_what_a_net_is_sure_of_with_one_output_for_two_classes_is_told_of_both(blobs):
    X, y = two_classes(blobs)
    model = dn.run_study(X, y, net=one_output, arms=["dropout"], **QUICK | {"seeds": 2, "epochs": 1}).model
    for told in (model.predict(X), *([model.predict(X, uncertainty=True)] if model.description.rate else [])):
        assert np.allclose(told["probability_0"] + told["probability_1"], 1.0, atol=1e-6)


def test_the_same_study_gives_the_same_numbers_and_goes_on_where_it_stopped(tmp_path, blobs):
    X, y = blobs()

    seen = []

    def stop_at_third(progress):
        seen.append(progress)
        if len(seen) == 3:
            raise KeyboardInterrupt

    settings = {"net": compiled, "arms": ["dropout+batch_norm"], **QUICK}
    expected = dn.run_study(X, y, **settings)
    with pytest.raises(KeyboardInterrupt):
        dn.run_study(X, y, out=tmp_path, progress=stop_at_third, **settings)
    again = dn.run_study(X, y, out=tmp_path, **settings)
    assert again.summary == expected.summary
    assert again.run.nets == expected.run.nets
    assert again.run.epochs == expected.run.epochs


@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`")
def test_a_listing_is_studied_as_it_stands_over_splits_and_parts_of_the_rows():
    drawn = random.getstate(), torch.get_rng_state()
    study = dn.run_study("digits", net=listing, arms=["batch_norm"], splits=2, seeds=1, epochs=2, learning_curve=True)
    assert random.getstate() == drawn[0], "others go on where they were"
    assert torch.equal(torch.get_rng_state(), drawn[1])
    assert {net.split for net in study.run.nets} == {0, 1}
    points = [point for point in study.summary.learning_curve if point.arm == "plain"]
    assert len(points) > 2
    assert points[-1].test_score.mean > points[0].test_score.mean
    assert study.summary.parameters == 64 * 16 + 16 + 16 * 10 + 10


def test_a_model_instead_of_a_function_is_refused():
    with pytest.raises(ArgumentTypeError, match=r"is no factory: expected 'dense', 'conv', or a function that makes"):
        dn.run_study("iris", net=compiled(4, 3))


ON_JAX = """
import sys
import polars as pl
import dropnorm as dn
from dropnorm.errors import RunError
dn.load_model("run", trust=True).predict("data.csv").write_csv(sys.argv[1])
try:
    dn.run_study("data.csv", target="y", net="nets:small", arms=["dropout"], dropout=0.3, seeds=2, epochs=1, out="run")
except RunError as error:
    print(error)
"""


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="starts another backend from the process that has torch")
def test_another_backend_predicts_with_it_and_does_not_go_on_with_it(tmp_path, monkeypatch, blobs):
    X, y = blobs()
    monkeypatch.chdir(tmp_path)
    pl.DataFrame({f"x{column}": X[:, column] for column in range(4)} | {"y": y}).write_csv("data.csv")
    Path("nets.py").write_text(
        "import keras\nfrom keras import layers\n\n\ndef small(features, outputs):\n"
        "    return keras.Sequential([keras.Input((features,)), layers.Dense(8, activation='relu'), layers.Dense(outputs)])\n"
    )
    settings = {"arms": ["dropout"], "dropout": 0.3, "seeds": 2, "epochs": 1}
    study = dn.run_study("data.csv", target="y", net="nets:small", out="run", **settings)
    dn.write_report(study.run, "report.html")
    assert f"{keras.__version__} on torch" in Path("report.html").read_text(encoding="utf-8")
    environment = os.environ | {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, "told.csv"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert_frame_equal(
        pl.read_csv("told.csv", schema_overrides={"prediction": pl.String}),
        study.model.predict("data.csv"),
        abs_tol=1e-5,
        check_dtypes=False,
    )
    assert "holds another study, of other backend of Keras" in done.stdout
