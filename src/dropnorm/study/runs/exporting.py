"""A run's numbers as CSV files, for whoever wants to draw or test something else with them."""

from pathlib import Path
from typing import Any

import polars as pl

from dropnorm.errors import RunError
from dropnorm.study.files import write_atomically
from dropnorm.study.records import NetRecord, Run
from dropnorm.study.statistics.calibration import BINS
from dropnorm.study.statistics.catalogue import statistics_of
from dropnorm.study.task import task_of

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def export_csv(run: Run, folder: Path) -> tuple[Path, ...]:
    """Write every net, every epoch and every bin of confidence of a run, chosen or not.

    nets.csv has a row per net with all that was measured, and every statistic; `chosen` says whether its arm is judged by it.
    epochs.csv has a row per net and epoch. reliability.csv, of classes, has a row per net and bin. `net` joins the three.
    curve_nets.csv, of a learning curve, has a row per net that learned from a fraction of the rows.
    metrics.csv has a row per arm's model and metric, classes.csv one per model and class, and confusion.csv one per model,
    class and predicted class: on rows that a model's nets did not see.
    Args:        folder: is made if it is not there; each file replaces the one before at once.
    Raises:      RunError for a folder that cannot be written to.
    """
    files = {"nets.csv": _nets(run), "epochs.csv": _epochs(run), "reliability.csv": _reliability(run)}
    files["curve_nets.csv"] = [_net(net, run) for net in run.curve_nets]
    files |= {"metrics.csv": _metrics(run), "classes.csv": _classes(run), "confusion.csv": _confusion(run)}
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in files.items():
            if rows:
                frame = pl.DataFrame([_without_formulas(row) for row in rows], infer_schema_length=None)
                write_atomically(folder / name, frame.write_csv().encode())
                written.append(folder / name)
    except OSError as error:
        raise RunError(
            f"out={str(folder)!r} cannot be written to ({error.strerror}): expected a folder of yours. Name another one with "
            f"--out."
        ) from error
    return tuple(written)


def _without_formulas(row: dict[str, Any]) -> dict[str, Any]:
    """The row with a quote before each text that a spreadsheet would compute; numbers stay."""
    return {
        name: f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
        for name, value in row.items()
    }


def _nets(run: Run) -> list[dict[str, Any]]:
    chosen = {net for arm in run.summary.arms for net in arm.nets}
    return [{"net": net.net, "chosen": net.net in chosen} | _net(net, run) for net in run.nets]


def _net(net: NetRecord, run: Run) -> dict[str, Any]:
    """All that was measured of a net, and the statistics that follow from it."""
    statistics = statistics_of(task_of(run.summary))
    record = net.model_dump(exclude={"reliability"})
    return record | {name: one.value(net) for name, one in statistics.items() if name not in record}


def _metrics(run: Run) -> list[dict[str, Any]]:
    return [{"arm": model.arm} | one.model_dump() for model in run.summary.models for one in model.metrics]


def _classes(run: Run) -> list[dict[str, Any]]:
    """Each class with its name under `class`, and without its row of the confusion matrix."""
    return [
        {"arm": model.arm, "class": one.name} | one.model_dump(exclude={"name", "predicted"})
        for model in run.summary.models
        for one in model.classes
    ]


def _confusion(run: Run) -> list[dict[str, Any]]:
    return [
        {"arm": model.arm, "class": one.name, "predicted": other.name, "rows": count}
        for model in run.summary.models
        for one in model.classes
        for other, count in zip(model.classes, one.predicted, strict=True)
    ]


def _epochs(run: Run) -> list[dict[str, Any]]:
    return [record.model_dump() for record in run.epochs]


def _reliability(run: Run) -> list[dict[str, Any]]:
    """Bins by their number and edges; confidence and accuracy of empty ones stay empty."""
    rows = []
    for net in run.nets:
        if net.reliability is None:
            continue
        bins = zip(net.reliability.counts, net.reliability.confidence, net.reliability.accuracy, strict=True)
        for index, (count, confidence, accuracy) in enumerate(bins):
            rows.append(
                {
                    "net": net.net,
                    "bin": index,
                    "above": index / BINS,
                    "up_to": (index + 1) / BINS,
                    "rows": count,
                    "confidence": confidence if count else None,
                    "accuracy": accuracy if count else None,
                }
            )
    return rows
