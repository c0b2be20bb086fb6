"""What a study's defaults of training are worth: scaling, patience, schedule and what a net is stopped by, on whole studies.

Bundled data, and where they are given the tables in TABULAR=path and rows of FASHION_MNIST=path/to/fashion_mnist.npz. Names
of data sets as arguments choose among them: python benchmarks/study_training.py energy yacht
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import dropnorm as dn
from dropnorm.study.older_schemas import before_options
from dropnorm.study.records import Summary
from measure import table

BEFORE: dict[str, Any] = before_options()
WAYS: dict[str, dict[str, Any]] = {
    "before": BEFORE,
    "and scaling": {name: value for name, value in BEFORE.items() if name != "scaling"},
    "and patience": {"schedule": "constant"},
    "and schedule: the defaults": {},
    "by score": {"stop_by": "score"},
}
"""Each with one more of the defaults than the one above it, and last what is not the default."""

BUNDLED = ("iris", "wine", "breast_cancer", "digits", "diabetes")
TABLES = {
    "energy": "energy.txt",
    "yacht": "yacht.txt",
    "power-plant": "power-plant.txt",
    "german": "german.csv",
    "ionosphere": "ionosphere.csv",
    "glass": "glass.csv",
    "wheat-seeds": "wheat-seeds.csv",
    "banknote": "banknote_authentication.csv",
}
FASHION_ROWS = 6000
PATIENCES = ("energy", "yacht")
"""Sets with few steps per epoch and little noise, on which what an arm does depends on how long nets train."""


def sources() -> dict[str, dict[str, Any]]:
    """The arguments about the data of each set that is there."""
    found: dict[str, dict[str, Any]] = {name: {"X": name} for name in BUNDLED}
    if "TABULAR" in os.environ:
        found |= {name: _table(Path(os.environ["TABULAR"]) / file) for name, file in TABLES.items()}
    if "FASHION_MNIST" in os.environ:
        with np.load(os.environ["FASHION_MNIST"]) as data:
            found["fashion"] = {"X": data["X_train"][:FASHION_ROWS], "y": data["y_train"][:FASHION_ROWS]}
    return found


def _table(path: Path) -> dict[str, Any]:
    """A file without a header, whose last column is the target: a quantity in a .txt, classes in a .csv."""
    if path.suffix == ".csv":
        frame = pl.read_csv(path, has_header=False)
    else:
        values = np.loadtxt(path)
        frame = pl.DataFrame(values, schema=[f"column_{index}" for index in range(values.shape[1])])
    task = "classification" if path.suffix == ".csv" else "regression"
    return {"X": frame, "target": frame.columns[-1], "task": task}


def studied(source: dict[str, Any], settings: dict[str, Any]) -> tuple[Summary, float]:
    """A finished study, and the seconds it took."""
    started = time.perf_counter()
    data = {key: value for key, value in source.items() if key != "X"}
    summary = dn.run_study(source["X"], **data, **settings).summary
    return summary, time.perf_counter() - started


def compare_ways(name: str, source: dict[str, Any]) -> None:
    """Score and loss on test rows with each set of defaults, mean over the arms, and of each arm alone."""
    data = {key: value for key, value in source.items() if key != "X"}
    grouped = dn.run_study(source["X"], **data, seeds=2, epochs=1, arms=["dropout"]).summary.data.shared_scales
    rows = []
    for way, settings in WAYS.items():
        if (way == "by score" and source.get("task") == "regression") or (way == "and scaling" and not grouped):
            continue  # it is the same as the one above
        summary, seconds = studied(source, settings)
        percent = 100.0 if summary.data.task == "classification" else 1.0
        scores = [percent * arm.test_score.mean for arm in summary.arms]
        losses = [arm.statistics["test_loss"].mean for arm in summary.arms]
        limits = summary.limits
        rows.append(
            [
                way,
                f"{np.mean(scores):.4g}",
                f"{np.mean(losses):.4f}",
                *(f"{score:.4g} ({loss:.4f})" for score, loss in zip(scores, losses, strict=True)),
                summary.advice.arm,
                f"{limits.patience} of {limits.epochs}",
                f"{seconds:.0f}",
            ]
        )
    score = "accuracy, %" if summary.data.task == "classification" else "RMSE"
    arms = [arm.arm for arm in summary.arms]
    header = ["defaults", score, "loss", *arms, "recommended", "patience of epochs", "seconds"]
    table(f"{name}: test {score} (loss)", header, rows)


def compare_patience(name: str, source: dict[str, Any]) -> None:
    """Each arm's difference to plain with the patience that the data come to, and with four times of it."""
    default, _ = studied(source, {})
    patience, epochs = default.limits.patience, default.limits.epochs
    four, _ = studied(source, {"patience": 4 * patience})
    longer, _ = studied(source, {"patience": 4 * patience, "epochs": 4 * epochs})
    rows = [
        [arm.arm, *(_difference(summary, arm.arm) for summary in (default, four, longer))]
        for arm in default.arms
        if arm.comparison is not None
    ]
    header = ["arm", f"patience {patience}", f"patience {4 * patience}", f"and epochs {4 * epochs}"]
    table(f"{name}: difference to plain in the test score, with its 95 % interval", header, rows)


def _difference(summary: Summary, name: str) -> str:
    interval = next(arm.comparison.interval for arm in summary.arms if arm.arm == name and arm.comparison)
    return f"{interval.mean:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"


def main() -> None:
    """All sets that are there, or those that are named."""
    for name, source in sources().items():
        if not sys.argv[1:] or name in sys.argv[1:]:
            compare_ways(name, source)
            if name in PATIENCES:
                compare_patience(name, source)


if __name__ == "__main__":
    main()
