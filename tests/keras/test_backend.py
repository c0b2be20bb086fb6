"""Every backend in a process of its own, since Keras has one per process."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

HERE = Path(__file__).parent
# This process has torch. TensorFlow compiles for minutes: `make test-keras-all` adds it.
OTHERS = os.environ.get("DROPNORM_KERAS_BACKENDS", "jax").split(",")
outer = pytest.mark.skipif(keras.backend.backend() != "torch", reason="started from the process that has torch")
MASKS = """
import sys
import numpy as np
import keras
from dropnorm.keras import Dropout, SpatialDropout2D
x = keras.ops.ones((33, 12, 5, 6))
layers = Dropout(0.2, seed=7), Dropout(0.5, noise_shape=(None, 1, 5, 6), seed=2**31 - 1), SpatialDropout2D(0.1, seed=1)
masks = [keras.ops.convert_to_numpy(layer(x, training=True)) != 0 for layer in layers for _ in range(2)]
np.savez(sys.argv[1], *masks)
print(keras.backend.backend(), "torch" in sys.modules)
"""


def on(backend: str, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Python on this backend."""
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"} | more
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=environment, cwd=HERE.parent.parent, check=False
    )


@outer
@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize(
    "file", sorted(path.name for path in HERE.glob("test_*.py") if path.name != Path(__file__).name)
)
def test_every_test_passes_on(backend, file):
    done = on(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(HERE / file))
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout


@outer
def test_masks_are_the_same_on_all_four_backends_and_torch_is_loaded_on_its_own_alone(tmp_path):
    found = {}
    for backend in ("torch", "jax", "tensorflow", "numpy"):
        done = on(backend, "-c", MASKS, str(tmp_path / f"{backend}.npz"))
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [backend, str(backend == "torch")]
        with np.load(tmp_path / f"{backend}.npz") as masks:
            found[backend] = [masks[name] for name in masks.files]
    assert len(found["torch"]) == 6
    assert 0.7 < found["torch"][0].mean() < 0.9
    for masks in found.values():
        for one, other in zip(masks, found["torch"], strict=True):
            assert np.array_equal(one, other)


@outer
def test_without_keras_the_error_names_the_extra():
    code = "import sys; sys.modules['keras'] = None\nimport dropnorm.keras"
    done = on("torch", "-c", code)
    assert done.stderr.strip().endswith(
        "ExtraError: keras is not installed, and dropnorm.keras needs it. Install it with: pip install 'dropnorm[keras]'"
    )
