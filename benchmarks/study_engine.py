"""A whole study of digits against the loops that it replaces: torch's, one net at a time, and Keras's `fit`."""

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

import dropnorm as dn
from measure import medians, table
from torch_loop import ARMS, split, train_net

SEEDS, EPOCHS, BATCH, HIDDEN = 10, 30, 32, (128, 128)
KERAS_SEEDS = 2  # time per net does not depend on how many there are, and these are slow
BACKENDS = {"tensorflow": ("tensorflow", 25), "jax": ("jax", 6)}
"""What each of Keras's backends is imported by, and how many times faster a study is asked to be."""


def study(seeds: int = SEEDS) -> dn.Study:
    """Four arms, every epoch of every net."""
    return dn.run_study(
        "digits",
        seeds=seeds,
        epochs=EPOCHS,
        patience=EPOCHS,
        scaling="each",  # as the loop does
        dropout=0.2,
        batch_size=BATCH,
        hidden=HIDDEN,
    )


def torch_loop() -> dict[str, list[float]]:
    """The same nets one after the other: each arm's accuracies."""
    X, y = load_digits(return_X_y=True)
    parts = [split(X, y, seed) for seed in range(SEEDS)]
    return {arm: [train_net(parts[seed], HIDDEN, arm, seed, EPOCHS, BATCH) for seed in range(SEEDS)] for arm in ARMS}


def keras_fit(backend: str) -> dict[str, float]:
    """Seconds per net of Keras's `fit` in a process of its own."""
    script = Path(__file__).parent / "keras_fit.py"
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(script), str(KERAS_SEEDS)], env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare_accuracy(ours: dict[str, list[float]], theirs: dict[str, list[float]], name: str) -> None:
    """Each arm's mean beside the loop's, and how many standard errors of the difference are between them."""
    rows = []
    for arm in ARMS:
        mean, other = np.mean(ours[arm]), np.mean(theirs[arm])
        differences = np.subtract(ours[arm], theirs[arm])  # seed by seed, on the same rows
        error = np.std(differences, ddof=1) / len(differences) ** 0.5
        rows.append(
            [
                arm,
                f"{100 * mean:.2f} %",
                f"{100 * other:.2f} %",
                f"{100 * error:.2f}",
                f"{abs(mean - other) / error:.1f}",
            ]
        )
    header = ["arm", "dropnorm", "torch loop", "standard error of the difference", "standard errors apart"]
    table(f"Accuracy on the test part, {name}, {len(ours['plain'])} seeds", header, rows)


def main() -> None:
    """The times, and the accuracies behind them."""
    nets = len(ARMS) * SEEDS
    accuracies: dict[str, list[float]] = {}

    def loop() -> None:
        accuracies.update(torch_loop())

    def loop_on_one_thread() -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        loop()
        torch.set_num_threads(threads)

    ways = {"dropnorm": study, "torch": loop, "torch on one thread": loop_on_one_thread}
    found = medians(ways, repeats=2, warmup=1)
    rows = [
        [f"plain loop of {way}", f"{found[way] / nets:.3f} s", f"{found[way] / found['dropnorm']:.1f}", "8"]
        for way in ("torch", "torch on one thread")
    ]
    for backend, (package, bound) in BACKENDS.items():
        if find_spec("keras") is None or find_spec(package) is None:
            print(f"Keras on {backend} is left out: pip install keras {package}")
            continue
        of_keras = keras_fit(backend)
        times = of_keras["seconds_per_net"] * nets / found["dropnorm"]
        rows.append(
            [
                f"Keras {of_keras['version']}, {backend}",
                f"{of_keras['seconds_per_net']:.3f} s",
                f"{times:.1f}",
                f"{bound}",
            ]
        )
    per_net = found["dropnorm"] / nets
    table(
        f"A study of digits, 64-128-128-10, batch {BATCH}, 4 arms x {SEEDS} seeds, {EPOCHS} epochs: {per_net:.3f} s per net",
        ["peer", "its time per net", "times as long as the study", "at least"],
        rows,
    )
    started = time.perf_counter()
    study(5 * SEEDS)
    of_many = (time.perf_counter() - started) / (5 * nets)
    table(
        "Time per net by number of seeds",
        [f"{SEEDS} seeds", f"{5 * SEEDS} seeds", "ratio", "at most"],
        [[f"{per_net:.4f} s", f"{of_many:.4f} s", f"{of_many / per_net:.2f}", "1"]],
    )
    ours = study()
    compare_accuracy(
        {arm: [net.test_score for net in ours.run.nets if net.arm == arm] for arm in ARMS}, accuracies, "digits"
    )


if __name__ == "__main__":
    main()
