"""Reading, encoding and predicting a million rows against polars' own reading; and how the time grows with columns."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.preprocessing import StandardScaler

import dropnorm as dn
from dropnorm.study.data.dataset import load_dataset
from measure import medians, on_threads, table

ROWS, COLUMNS = 1_000_000, 50
WIDE, FEW = (5_000, 20_000), 200
REPEATS = 3


def numbers(path: Path, rows: int, columns: int) -> Path:
    """A table of numbers and two classes."""
    generator = np.random.default_rng(0)
    frame = pl.DataFrame(
        generator.normal(size=(rows, columns)).round(4), schema=[f"c{place}" for place in range(columns)]
    )
    frame.with_columns(target=pl.Series(generator.integers(0, 2, rows))).write_csv(path)
    return path


def polars_and_scaler(path: Path) -> np.ndarray:
    """What the same takes with polars and scikit-learn alone."""
    frame = pl.read_csv(path)
    scaled: np.ndarray = StandardScaler().fit_transform(frame.drop("target").to_numpy())
    return scaled


def main() -> None:
    """Measure a long table and two wide ones."""
    with tempfile.TemporaryDirectory() as folder:
        path = numbers(Path(folder) / "long.csv", ROWS, COLUMNS)
        small = numbers(Path(folder) / "small.csv", 2_000, COLUMNS)
        model = dn.run_study(small, target="target", seeds=2, epochs=1, arms="dropout").model
        size = path.stat().st_size / (1 << 20)
        rows = []
        for threads in on_threads():
            ways = {
                "load": lambda: load_dataset(path, target="target"),
                "polars and scaler": lambda: polars_and_scaler(path),
                "predict": lambda: model.predict(path),
                "polars": lambda: pl.read_csv(path),
            }
            taken = medians(ways, REPEATS, 1)
            for name, peer, bound in (("load", "polars and scaler", 1.5), ("predict", "polars", 2.0)):
                ratio = f"{taken[name] / taken[peer]:.2f}"
                rows.append(
                    [name, str(threads), f"{taken[name]:.2f} s", peer, f"{taken[peer]:.2f} s", ratio, f"{bound}"]
                )
        header = ["what", "threads", "dropnorm", "against", "that", "ratio", "at most"]
        table(
            f"A CSV of {ROWS:,} rows x {COLUMNS} columns, {size:.0f} MiB; two nets of 128-128 hidden units",
            header,
            rows,
        )
        wide = [numbers(Path(folder) / f"{columns}.csv", FEW, columns) for columns in WIDE]
        taken = medians(
            {str(columns): lambda p=p: load_dataset(p, target="target") for columns, p in zip(WIDE, wide, strict=True)},
            REPEATS,
            1,
        )
        times = [taken[str(columns)] for columns in WIDE]
        power = np.log(times[1] / times[0]) / np.log(WIDE[1] / WIDE[0])
        rows = [[f"{columns:,}", f"{seconds:.2f} s"] for columns, seconds in zip(WIDE, times, strict=True)]
        table(
            f"A CSV of {FEW} rows; time grows with columns to the power {power:.2f} (at most 1.2)",
            ["columns", "time"],
            rows,
        )


if __name__ == "__main__":
    main()
