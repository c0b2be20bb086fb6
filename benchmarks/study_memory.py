"""Peak memory of whole studies, each in a process of its own: 60,000 images with 52 nets, and a CSV of a million rows."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from measure import table

ROWS, COLUMNS = 1_000_000, 50


def images(path: Path) -> Path:
    """As many, and as large, as those of MNIST and Fashion-MNIST."""
    generator = np.random.default_rng(0)
    np.savez(path, X=generator.integers(0, 256, (70_000, 28, 28), np.uint8), y=generator.integers(0, 10, 70_000))
    return path


def table_of_numbers(path: Path) -> Path:
    """A million rows of numbers and a class, written a piece at a time."""
    generator = np.random.default_rng(0)
    for start in range(0, ROWS, 100_000):
        frame = pd.DataFrame(generator.normal(size=(100_000, COLUMNS)).round(4))
        frame["target"] = generator.integers(0, 2, 100_000)
        frame.to_csv(path, mode="a", index=False, header=start == 0)
    return path


def peak(*arguments: str) -> float:
    """GiB that a command of dropnorm takes at its peak."""
    command = [sys.executable, "-m", "dropnorm", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed: expected it to end well, see what it printed.")
    return usage.ru_maxrss / (1 << 20)


def main() -> None:
    """One epoch each, since more take no more memory."""
    with tempfile.TemporaryDirectory() as folder:
        of_images, of_numbers = images(Path(folder) / "images.npz"), table_of_numbers(Path(folder) / "table.csv")
        size = of_numbers.stat().st_size / (1 << 30)
        shape = ("--hidden", "128", "--batch-size", "128", "--seeds", "13", "--dropout", "0.2")
        studies = {
            "70,000 images of 28 x 28, 784-128-10, 52 nets": (of_images, shape, 2),
            f"a CSV of {ROWS:,} rows x {COLUMNS} columns, {size:.2f} GiB, 16 nets": (
                of_numbers,
                ("--target", "target", "--seeds", "2"),
                4,
            ),
        }
        rows = []
        for name, (data, options, bound) in studies.items():
            found = peak(
                "study", str(data), *options, "--epochs", "1", "--out", str(Path(folder) / f"run of {data.stem}")
            )
            rows.append([name, f"{found:.2f} GiB", f"{bound} GiB"])
    table("Peak memory of a study", ["study", "peak", "less than"], rows)


if __name__ == "__main__":
    main()
