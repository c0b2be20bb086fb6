"""Other backends in a process of their own, since Keras has one per process."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
# TensorFlow takes long to start and to trace: `make test-keras-all` adds it.
OTHERS = os.environ.get("DROPNORM_KERAS_BACKENDS", "jax").split(",")
# Tracing takes its time: all else is the same on every backend.
TESTS = (
    "test_nets.py::test_a_net_without_a_loss_is_trained_with_adam_on_the_cross_entropy",
    "test_nets.py::test_a_trainer_made_from_a_state_goes_on_to_the_bit[compiled]",
    "test_kind.py::test_a_net_that_is_trained_after_another_comes_out_as_if_it_were_the_first[compiled]",
    "test_outputs.py",
    "test_saved.py::test_a_study_is_kept_and_its_models_predict_as_before[one logit]",
)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="started from the process that has torch")
@pytest.mark.parametrize("backend", OTHERS)
def test_what_depends_on_the_backend_passes_on(backend):
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, *(str(HERE / test) for test in TESTS)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=HERE.parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
