"""The same on other backends, each in a process of its own, since Keras has one per process."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
# Compiling for them takes minutes: `make test-keras-all` runs all tests on them.
OTHERS = os.environ.get("DROPNORM_KERAS_BACKENDS", "")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="started from the process that has torch")

WAYS = """
import sys
import keras
import numpy as np
import dropnorm as dn

x = np.random.default_rng(0).normal(size=(8, 6, 6, 3)).astype("float32")
model = keras.Sequential(
    [
        keras.Input((6, 6, 3)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy")
new = dn.regularize(model, sample=x).apply()
new.fit(x, np.arange(8) % 3, verbose=0)
model.predict(x, verbose=0)  # whose weights are still there
folded = dn.fold(new, sample=x).model
new.save("new.keras")
loaded = keras.models.load_model("new.keras")
plain = dn.remove(new).apply()
same = np.abs(loaded.predict(x, verbose=0) - folded.predict(x, verbose=0)).max() < 1e-5
print(keras.backend.backend(), same, len(folded.layers), len(plain.layers), "torch" in sys.modules)
"""


def on(backend, *command, folder):
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=environment, cwd=folder, check=False
    )


@pytest.mark.parametrize("backend", ["jax"])
def test_all_of_it_on_another_backend_without_torch(backend, tmp_path):
    done = on(backend, "-c", WAYS, folder=tmp_path)
    assert done.stdout.split() == [backend, "True", "4", "4", "False"], done.stderr


@pytest.mark.skipif(not OTHERS, reason="asked for by DROPNORM_KERAS_BACKENDS")
@pytest.mark.parametrize("backend", OTHERS.split(","))
def test_every_test_passes_on(backend):
    # The audit of keras.applications sees the same layers on each backend, and compiles for minutes there.
    left_out = (Path(__file__), HERE / "audit" / "test_real_models.py")
    files = [str(path) for path in sorted(HERE.rglob("test_*.py")) if path not in left_out]
    done = on(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files, folder=HERE.parents[2])
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
