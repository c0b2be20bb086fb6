"""Keras's `fit` on digits with the backend of KERAS_BACKEND, run as a process of its own: prints its seconds per net."""

import json
import sys
import time

import keras
import numpy as np
from sklearn.datasets import load_digits

from torch_loop import ARMS, Split, split

EPOCHS, BATCH = 30, 32


def fit(parts: Split, arm: str, seed: int) -> float:
    """Build, compile, fit with the best weights on validation restored, and measure on the test part."""
    keras.utils.set_random_seed(seed)
    batch_norm, rate = ARMS[arm]
    layers: list[keras.Layer] = [keras.Input((parts.train[0].shape[1],))]
    for width in (128, 128):
        layers += [keras.layers.Dense(width, use_bias=not batch_norm)]
        layers += [keras.layers.BatchNormalization()] if batch_norm else []
        layers += [keras.layers.ReLU()]
        layers += [keras.layers.Dropout(rate)] if rate else []
    net = keras.Sequential([*layers, keras.layers.Dense(10)])
    # What makes JAX a quarter faster makes TensorFlow no faster.
    together = len(parts.train[0]) // BATCH if keras.backend.backend() == "jax" else 1
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile("adam", loss, metrics=["accuracy"], steps_per_execution=together)
    (x, y), validation, (x_test, y_test) = (
        tuple(each.numpy() for each in part) for part in (parts.train, parts.validation, parts.test)
    )
    best = keras.callbacks.EarlyStopping(patience=EPOCHS, restore_best_weights=True)
    net.fit(x, y, batch_size=BATCH, epochs=EPOCHS, validation_data=validation, callbacks=[best], verbose=0)
    return float(net.evaluate(x_test, y_test, verbose=0)[1])


def main(seeds: int) -> None:
    """One net to warm up what all share, then every arm with each seed; each compiles anew, as a new model does."""
    X, y = load_digits(return_X_y=True)
    fit(split(X, y, 0), "plain", 0)
    started = time.perf_counter()
    accuracies = {arm: [fit(split(X, y, seed), arm, seed) for seed in range(seeds)] for arm in ARMS}
    seconds = (time.perf_counter() - started) / (seeds * len(ARMS))
    accuracy = {arm: float(np.mean(each)) for arm, each in accuracies.items()}
    print(json.dumps({"version": keras.__version__, "seconds_per_net": seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
