"""Large nets on images, 784-1024-1024-10, as published for MNIST: a study of one command against a plain torch loop.

    FASHION_MNIST=path/to/fashion_mnist.npz python benchmarks/large_nets.py

ROWS and SEEDS in the environment say how many rows to train and validate on, and how many nets of each kind, default 60,000 and
2. The loop has one scale for all pixels, and each arm the better one of a constant learning rate and of one that falls along a
cosine to zero. It keeps the weights of its last epoch, or of its best one on validation, whichever the test part likes better.
Source:      Srivastava et al. 2014, section 6.1.1: errors of 1.60 % plain, 1.25 % with dropout, 1.06 % with max-norm, on MNIST.
"""

import copy
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import dropnorm as dn
from measure import machine, table

ROWS, SEEDS = int(os.environ.get("ROWS", 60_000)), int(os.environ.get("SEEDS", 2))
BATCH, HIDDEN, LOOP_EPOCHS, LARGEST_NORM, BEHIND = 128, (1024, 1024), 30, 3.0, 0.3
DROPOUT = {"input_dropout": 0.2, "dropout": 0.5}
ARMS: dict[str, dict[str, float]] = {"dropout": DROPOUT, "dropout, max-norm": DROPOUT | {"max_norm": LARGEST_NORM}}


@dataclass(frozen=True)
class Part:
    """Pixels (rows, 784) on one scale, and labels."""

    x: Tensor
    y: Tensor


def load() -> tuple[dict[str, np.ndarray], Part, Part]:
    """The arrays to study, and the same for the loop: rows to learn from and the test part."""
    with np.load(Path(os.environ["FASHION_MNIST"])) as data:
        arrays = {name: data[name] for name in ("X_train", "y_train", "X_test", "y_test")}
    arrays["X_train"], arrays["y_train"] = arrays["X_train"][:ROWS], arrays["y_train"][:ROWS]
    mean, deviation = float(arrays["X_train"].mean()), float(arrays["X_train"].std())
    parts = []
    for name in ("train", "test"):
        pixels = (arrays[f"X_{name}"].reshape(-1, 784).astype(np.float32) - mean) / deviation
        parts.append(Part(torch.from_numpy(pixels), torch.from_numpy(arrays[f"y_{name}"].astype(np.int64))))
    return arrays, *parts


def loop(learned: Part, test: Part, settings: dict[str, float], seed: int, *, cosine: bool) -> float:
    """A net trained on four fifths of the rows: its accuracy on the test part."""
    torch.manual_seed(seed)
    rows, held = map(
        torch.from_numpy,
        train_test_split(np.arange(len(learned.y)), test_size=0.2, stratify=learned.y, random_state=seed),
    )
    net = make_net(settings)
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    steps = len(rows) // BATCH
    best_validation, best, last = 0.0, 0.0, 0.0
    for epoch in range(LOOP_EPOCHS):
        net.train()
        order = rows[torch.randperm(len(rows))]
        for step in range(steps):
            if cosine:
                behind = (epoch * steps + step) / (LOOP_EPOCHS * steps)
                optimizer.param_groups[0]["lr"] = 1e-3 * (1 + math.cos(math.pi * behind)) / 2
            batch = order[step * BATCH : (step + 1) * BATCH]
            loss = F.cross_entropy(net(learned.x[batch]), learned.y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if "max_norm" in settings:
                limit(net, settings["max_norm"])
        last, validation = accuracy(net, test), accuracy(net, Part(learned.x[held], learned.y[held]))
        if validation > best_validation:
            best_validation, best = validation, last
    return max(best, last)


def make_net(settings: dict[str, float]) -> nn.Sequential:
    """784-1024-1024-10."""
    modules: list[nn.Module] = [nn.Dropout(settings["input_dropout"])] if "input_dropout" in settings else []
    width = 784
    for hidden in HIDDEN:
        modules += [nn.Linear(width, hidden), nn.ReLU()]
        modules += [nn.Dropout(settings["dropout"])] if "dropout" in settings else []
        width = hidden
    return nn.Sequential(*modules, nn.Linear(width, 10))


@torch.no_grad()
def limit(net: nn.Sequential, largest: float) -> None:
    """Scale the weights into each hidden unit down to the largest norm."""
    *hidden, _ = [module for module in net if isinstance(module, nn.Linear)]
    for linear in hidden:
        linear.weight.copy_(torch.renorm(linear.weight, 2, 0, largest))


@torch.no_grad()
def accuracy(net: nn.Sequential, part: Part) -> float:
    """The share of rows that a net is right on."""
    right = (copy.deepcopy(net).eval()(part.x).argmax(1) == part.y).double()
    return float(right.mean())


def main() -> None:
    """Study, then loop."""
    arrays, learned, test = load()
    started = time.perf_counter()
    study = dn.run_study(
        arrays["X_train"],
        arrays["y_train"],
        test=(arrays["X_test"], arrays["y_test"]),
        arms=ARMS,
        hidden=HIDDEN,
        batch_size=BATCH,
        seeds=SEEDS,
        **({"stop_by": os.environ["STOP_BY"]} if "STOP_BY" in os.environ else {}),
    )
    seconds = time.perf_counter() - started
    print(f"{machine()}\n\nStudied {ROWS:,} rows in {seconds:.0f} s.\n\n{study.verdict}")
    rows = []
    started = time.perf_counter()
    for arm in study.summary.arms:
        settings = ARMS.get(arm.arm, {})
        found = {
            cosine: [100 * loop(learned, test, settings, seed, cosine=cosine) for seed in range(SEEDS)]
            for cosine in (False, True)
        }
        best = max(float(np.mean(one)) for one in found.values())
        nets = [net for net in study.run.nets if net.arm == arm.arm]
        ours = 100 * arm.test_score.mean
        rows.append(
            [
                arm.arm,
                f"{ours:.2f}",
                f"{np.mean(found[False]):.2f}",
                f"{np.mean(found[True]):.2f}",
                f"{best - ours:+.2f}",
                f"{BEHIND}",
                f"{arm.statistics['test_loss'].mean:.3f}",
                f"{np.mean([net.epochs for net in nets]):.0f} ({np.mean([net.best_epoch for net in nets]):.0f})",
            ]
        )
    print(f"\nThe loop took {time.perf_counter() - started:.0f} s.")
    table(
        f"784-1024-1024-10 on {ROWS:,} images, accuracy on the test part in %, mean of {SEEDS} nets",
        ["arm", "study", "loop, constant", "loop, cosine", "behind", "at most", "log loss", "epochs (best)"],
        rows,
    )


if __name__ == "__main__":
    main()
