"""What the tests of the study share: made-up data with known answers, records, and one finished run."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import dropnorm as dn
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.records import EpochRecord, NetRecord

_counter = itertools.count()
QUICK: dict[str, Any] = {"seeds": 2, "epochs": 3, "hidden": (8,), "dropout": (0.2, 0.5), "batch_size": 16}


@pytest.fixture
def unbounded(monkeypatch) -> None:
    """Real numbers of any size are allowed, such as learning rates with which nets run away."""
    monkeypatch.setattr("dropnorm._validate.Real.has", lambda *_: True)


@pytest.fixture(scope="session")
def quick() -> dict[str, Any]:
    """Arguments of a study that ends within a second."""
    return dict(QUICK)


@pytest.fixture(scope="session")
def blobs() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """A factory of Gaussian blobs, one per class; `apart` is the distance of their centers in deviations."""

    def make(rows: int = 120, features: int = 4, classes: int = 3, apart: float = 3.0, seed: int = 0):
        rng = np.random.default_rng(seed)
        labels = np.arange(rows) % classes
        centers = apart * rng.standard_normal((classes, features)) / 2**0.5
        return centers[labels] + rng.standard_normal((rows, features)), labels

    return make


@pytest.fixture(scope="session")
def table(blobs) -> pl.DataFrame:
    """A table with a column of each common kind: numbers, gaps, texts, truth values; and the target `kind`."""
    features, labels = blobs()
    rows = range(len(labels))
    return pl.DataFrame(
        {
            "width": features[:, 0],
            "height": [None if row % 10 == 3 else features[row, 1] for row in rows],
            "color": [None if row % 12 == 5 else ("red", "green", "blue")[row % 7 % 3] for row in rows],
            "striped": [row % 5 < 2 for row in rows],
            "kind": [("ant", "bee", "cat")[label] for label in labels],
        }
    )


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Write a file of text or bytes into the test's own folder."""

    def file(content: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


@pytest.fixture(scope="session")
def make_net() -> Callable[..., NetRecord]:
    """A factory of finished nets: whatever is not given is the same in all of them."""

    def make(net: int, arm: str = "plain", seed: int = 0, rate: float = 0.0, **given: Any) -> NetRecord:
        measured = {f"{part}_{what}": 0.5 for part in ("train", "validation", "test") for what in ("loss", "score")}
        counts = {"epochs": 9, "best_epoch": 4}
        own = {"net": net, "arm": arm, "split": seed, "seed": seed, "rate": rate}
        return NetRecord(**(own | counts | measured | given))

    return make


@pytest.fixture(scope="session")
def make_history() -> Callable[[int, Sequence[float]], list[EpochRecord]]:
    """A net's epochs, from the validation loss of each."""

    def make(net: int, losses: Sequence[float]) -> list[EpochRecord]:
        same = {"train_loss": 0.1, "train_score": 0.9, "validation_score": 0.8}
        return [EpochRecord(net=net, epoch=epoch, validation_loss=loss, **same) for epoch, loss in enumerate(losses, 1)]

    return make


@pytest.fixture(scope="session")
def finished(table, tmp_path_factory) -> dn.Study:
    """A small finished study of a CSV file, in a folder. Tests read it and leave it as it is."""
    folder = tmp_path_factory.mktemp("finished")
    table.write_csv(folder / "insects.csv")
    return dn.run_study(folder / "insects.csv", target="kind", out=folder / "run", **QUICK)


@pytest.fixture
def written(tmp_path, monkeypatch) -> Callable[[str], ModuleArchitecture]:
    """Write a module into the current directory; returns the architecture of its function `net`."""
    monkeypatch.chdir(tmp_path)

    def write(body: str) -> ModuleArchitecture:
        name = f"written_nets_{next(_counter)}"
        (tmp_path / f"{name}.py").write_text(f"import torch\nfrom torch import nn\n{body}\n")
        return ModuleArchitecture(factory=f"{name}:net", features=4, outputs=3)

    return write
