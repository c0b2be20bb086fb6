"""How much longer a model of ten nets takes to predict than a single net, and than its matrix products alone."""

import tempfile

import numpy as np
import polars as pl
import torch
from sklearn.datasets import load_breast_cancer, load_digits

import dropnorm as dn
from measure import medians, on_threads, table

NETS = 10
SIZES = {1: 41, 1_000: 41, 100_000: 7}  # rows, and how often they are predicted


def _images(rows: int) -> np.ndarray:
    images = load_digits().images
    return images[np.random.default_rng(0).integers(0, len(images), rows)]


def _columns(rows: int) -> pl.DataFrame:
    data = load_breast_cancer(as_frame=True).data
    table_of_all = pl.DataFrame({name: data[name].to_numpy() for name in data})
    return table_of_all[np.random.default_rng(0).integers(0, len(data), rows)]


def products(model: dn.SavedModel, rows: int) -> None:
    """The matrix products of all nets on so many rows, some at a time, and nothing else."""
    weights = [weight for name, weight in model.saved.tensors.items() if name.endswith("linear.weight")]
    for start in range(0, rows, 1024):
        count = min(1024, rows - start)
        for weight in weights:
            torch.bmm(weight.new_ones(NETS, count, weight.shape[1]), weight)


def main() -> None:
    """Measure nets of the default size, whose weights do not matter, on two kinds of tables."""
    rows = []
    for name, draw in (("digits", _images), ("breast_cancer", _columns)):
        with tempfile.TemporaryDirectory() as folder:
            dn.run_study(name, seeds=NETS, epochs=1, arms=["dropout+batch_norm"], dropout=0.3, out=folder)
            for arm in ("plain", "dropout+batch_norm"):
                ten = dn.load_model(folder, arm)
                one = dn.load_model(folder, net=ten.description.members[0].net)
                for size, repeats in SIZES.items():
                    table_of_rows = draw(size)
                    ways = {
                        "one": lambda one=one, x=table_of_rows: one.predict(x),
                        "ten": lambda ten=ten, x=table_of_rows: ten.predict(x),
                        "products": lambda ten=ten, size=size: products(ten, size),
                    }
                    for threads in on_threads():
                        taken = medians(ways, repeats)
                        ratios = [f"{taken['ten'] / taken[way]:.2f}" for way in ("one", "products")]
                        rows.append([name, arm, f"{size:,}", str(threads), f"{1e3 * taken['ten']:.2f} ms", *ratios])
    header = ["data", "arm", "rows", "threads", "ten nets", "over one net", "over the products of ten"]
    table(f"Whole predictions of {NETS} nets, 128-128 hidden units", header, rows)


if __name__ == "__main__":
    main()
