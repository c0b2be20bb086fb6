"""A full study of Fashion-MNIST, 4 arms x 5 seeds, against a plain torch loop: FASHION_MNIST=path/to/fashion_mnist.npz."""

import os
import time
from pathlib import Path

import numpy as np

import dropnorm as dn
from measure import machine
from study_engine import compare_accuracy
from torch_loop import ARMS, split, train_net

SEEDS, EPOCHS, BATCH, HIDDEN = 5, 10, 128, (128,)


def main() -> None:
    """Study, then loop, on parts of the same sizes."""
    path = Path(os.environ["FASHION_MNIST"])
    started = time.perf_counter()
    study = dn.run_study(
        path,
        seeds=SEEDS,
        epochs=EPOCHS,
        patience=EPOCHS,
        scaling="each",  # as the loop does
        dropout=0.2,
        batch_size=BATCH,
        hidden=HIDDEN,
    )
    print(f"{machine()}\n\nStudied in {time.perf_counter() - started:.0f} s.\n\n{study.verdict}")
    with np.load(path) as data:
        X, y, X_test, y_test = (data[name] for name in ("X_train", "y_train", "X_test", "y_test"))
    flat, flat_test = X.reshape(len(X), -1).astype(np.float32), X_test.reshape(len(X_test), -1).astype(np.float32)
    started = time.perf_counter()
    theirs: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for seed in range(SEEDS):
        parts = split(flat, y, seed, test=(flat_test, y_test))
        for arm in ARMS:
            theirs[arm].append(train_net(parts, HIDDEN, arm, seed, EPOCHS, BATCH))
    print(f"\nThe loop took {time.perf_counter() - started:.0f} s.")
    ours = {arm: [net.test_score for net in study.run.nets if net.arm == arm] for arm in ARMS}
    compare_accuracy(ours, theirs, "Fashion-MNIST")


if __name__ == "__main__":
    main()
