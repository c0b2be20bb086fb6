"""The Keras layers against Keras's own, each backend in a process of its own: `fit` of a net, and dropout alone."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from measure import medians, table

BACKENDS = ("torch", "jax", "tensorflow")
# How many times as fast as Keras's it must be: fit; dropout, in eager code and compiled.
BOUNDS = {"torch": (1.0, 20.0), "jax": (1.0, 1.0), "tensorflow": (1.0, 1.0)}
SHAPE, STEPS, BATCH = (4096, 1024), 100, 32


def fits(keras: Any, ours: Any) -> dict[str, Callable[[], object]]:
    """An epoch of the net with both layers, 784-128-10."""
    x = np.random.default_rng(0).normal(size=(STEPS * BATCH, 784)).astype("float32")
    labels = np.random.default_rng(1).integers(0, 10, STEPS * BATCH)

    def epoch(layers: Any) -> Callable[[], object]:
        dense = keras.layers.Dense
        hidden = [dense(128, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.2)]
        model = keras.Sequential([keras.Input((784,)), *hidden, dense(10, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return lambda: model.fit(x, labels, batch_size=BATCH, shuffle=False, verbose=0)

    return {"keras": epoch(keras.layers), "dropnorm": epoch(ours)}


def dropouts(backend: str, keras: Any, ours: Any) -> dict[str, dict[str, Callable[[], object]]]:
    """Dropout alone, with a seed: a call in eager code, and compiled as the backend compiles."""
    x = keras.random.normal(SHAPE)
    pair = {"keras": keras.layers.Dropout(0.2, seed=1), "dropnorm": ours.Dropout(0.2, seed=1)}

    def eager(layer: Any) -> Callable[[], object]:
        if backend == "jax":
            return lambda: layer(x, training=True).block_until_ready()
        return lambda: layer(x, training=True)

    def compiled(layer: Any) -> Callable[[], object]:
        if backend == "tensorflow":
            import tensorflow as tf

            function = tf.function(lambda x: layer(x, training=True), jit_compile=True, autograph=False)
            return lambda: function(x)
        if backend == "jax":
            import jax

            function = jax.jit(lambda x, state: layer.stateless_call([], state, x, training=True)[0])
            state = [variable.value for variable in layer.non_trainable_variables]
            return lambda: function(x, state).block_until_ready()
        import torch

        function = torch.compile(lambda x: layer(x, training=True))
        return lambda: function(x)

    return {
        "Dropout, eager": {name: eager(layer) for name, layer in pair.items()},
        "Dropout, compiled": {name: compiled(layer) for name, layer in pair.items()},
    }


def measure(backend: str) -> None:
    """Print what this process's backend takes, in lines for `main`."""
    import keras

    from dropnorm import keras as ours

    of_fit, of_dropout = BOUNDS[backend]
    found = medians(fits(keras, ours), repeats=45, warmup=2)
    print("row", backend, "fit, 784-128-10, batch 32", f"{found['keras'] / found['dropnorm']:.2f}", of_fit, sep="|")
    for what, ways in dropouts(backend, keras, ours).items():
        found = medians(ways, repeats=9, warmup=2)
        print("row", backend, f"{what}, {SHAPE}", f"{found['keras'] / found['dropnorm']:.2f}", of_dropout, sep="|")


def main() -> None:
    """One row for each backend and task."""
    rows = []
    for backend in BACKENDS:
        environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
        command = [sys.executable, __file__, backend]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        rows += [line.split("|")[1:] for line in done.stdout.splitlines() if line.startswith("row|")]
    table("Layers for Keras, float32", ["backend", "what", "times as fast as Keras's", "at least"], rows)


if __name__ == "__main__":
    if sys.argv[1:]:
        measure(sys.argv[1])
    else:
        main()
