import json
import os
import subprocess
import sys
import textwrap

import pytest

NETS = """
import torch
from torch import nn

def good():
    return nn.Sequential(nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))

def warned():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.9), nn.Linear(8, 3))

def wrong():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), nn.Dropout(0.5))

def shaped(features, outputs):
    return nn.Sequential(nn.Linear(features, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, outputs))

def imaged(image, outputs):
    return nn.Sequential(nn.Conv2d(image[0], 4, 3), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(4, 4, 3),
                         nn.Flatten(), nn.Linear(64, outputs))

def batches():
    return [(torch.randn(64, 6), torch.zeros(64)) for _ in range(3)]

def broken():
    raise ValueError("no data today")
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"nets_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(NETS))
    return name


def test_a_model_without_fault_ends_with_zero(run, nets):
    code, printed, told = run("audit", f"{nets}:good")
    assert (code, printed) == (0, "Sequential: nothing found\n")
    assert told == "Not looked at: DN107, DN203, DN222, DN223, DN225, DN301, DN302, DN303 (needs --data).\n"


def test_only_an_error_ends_with_one(run, nets):
    code, printed, _ = run("audit", f"{nets}:warned")
    assert code == 0
    assert "DN125" in printed
    code, printed, told = run("audit", f"{nets}:wrong")
    assert code == 1
    assert "dropout (p=0.5) after the last layer" in printed
    assert "--full" in told


def test_json_full_text_and_chosen_rules(run, nets):
    code, printed, told = run("audit", f"{nets}:wrong", "--json", "--select", "DN1")
    assert (code, told) == (1, "")
    assert [finding["code"] for finding in json.loads(printed)["findings"]] == ["DN103"]
    assert "  fix: Move the dropout before the last layer." in run("audit", f"{nets}:wrong", "--full")[1]
    assert run("audit", f"{nets}:wrong", "--ignore", "DN103")[:2] == (0, "Sequential: nothing found\n")


def test_data_of_a_function_and_of_a_table(run, nets, csv):
    code, printed, _ = run("audit", f"{nets}:good", "--data", f"{nets}:batches", "--json")
    assert (code, set(json.loads(printed)["not_checked"])) == (0, {"DN221", "DN226", "DN311", "DN312"})
    code, printed, _ = run("audit", f"{nets}:shaped", "--data", csv, "--target", "kind")
    assert (code, printed) == (0, "Sequential: nothing found\n")


def test_images_come_as_images(run, nets):
    _, printed, _ = run("audit", f"{nets}:imaged", "--data", "digits", "--json")
    assert [finding["code"] for finding in json.loads(printed)["findings"]] == ["DN106"]


KERAS_NETS = """
import numpy as np

def net(features=6, outputs=3):
    import keras
    from keras import layers
    hidden = layers.Dense(8), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.2)
    return keras.Sequential([keras.Input((features,)), *hidden, layers.Dense(outputs)])

def plain():
    return net()

def imaged(image, outputs):
    import keras
    from keras import layers
    around = layers.Conv2D(4, 3, activation="relu"), layers.Conv2D(4, 3, activation="relu")
    shape = (*image[1:], image[0])
    body = around[0], layers.Dropout(0.1), around[1], layers.Flatten(), layers.Dense(outputs)
    return keras.Sequential([keras.Input(shape), *body])

def batches():
    return [(np.ones((64, 6), "float32"), np.zeros(64)) for _ in range(3)]

def nothing():
    return 3
"""


def test_keras_models(run, nets, csv, tmp_path):
    name = f"keras_{nets}"
    (tmp_path / f"{name}.py").write_text(KERAS_NETS)
    code, printed, told = run("audit", f"{name}:plain")
    assert (code, "DN102" in printed) == (0, True)
    assert "Not looked at: DN203, DN222, DN223, DN301, DN302, DN303 (needs --data)." in told
    _, printed, _ = run("audit", f"{name}:plain", "--data", f"{name}:batches", "--json")
    assert set(json.loads(printed)["not_checked"]) == {"DN221", "DN226", "DN311", "DN312"}
    code, printed, _ = run("audit", f"{name}:net", "--data", csv, "--target", "kind", "--json")
    assert [finding["code"] for finding in json.loads(printed)["findings"]] == ["DN102"]
    _, printed, _ = run("audit", f"{name}:imaged", "--data", "digits", "--json")
    assert [finding["code"] for finding in json.loads(printed)["findings"]] == ["DN106"]
    code, printed, told = run("audit", f"{name}:nothing")
    assert (code, printed) == (2, "")
    assert "gives int: expected a torch.nn.Module" in told


def test_keras_models_on_a_backend_that_is_not_torch(nets, tmp_path):
    (tmp_path / f"keras_{nets}.py").write_text(KERAS_NETS)
    command = [sys.executable, "-m", "dropnorm", "audit", f"keras_{nets}:net", "--data", "iris", "--json"]
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert [finding["code"] for finding in json.loads(done.stdout)["findings"]] == ["DN102"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["{}:shaped"],
            "model='{}:shaped' asks for 'features', which data tell: expected --data with a file or a name.",
        ),
        (["{}:none"], "model='{}:none': '{}' has no 'none'."),
        (["{}:good", "--target", "kind"], "--target is given without a table."),
        (
            ["{}:good", "--data", "{}:broken"],
            "data='{}:broken' fails. Expected a function that gives batches. Mend it:",
        ),
        (["{}:good", "--ignore", "DN9"], "ignore='DN9' is the code of no rule"),
    ],
)
def test_mistakes(run, nets, words, message):
    code, printed, told = run("audit", *(word.replace("{}", nets) for word in words))
    assert (code, printed) == (2, "")
    assert told.startswith(f"dropnorm: {message.replace('{}', nets)}")
