"""Every layer against torch's at sizes from one value to 100 million, in each type; drawn into benchmarks/results."""

from pathlib import Path

import plotly.graph_objects as go
import torch

from layers import Pair, batch_norms, blocks, dropouts, training_step
from measure import machine, medians, on_threads, table

LAYERS: dict[str, Pair] = {"Dropout": dropouts, "BatchNorm1d": batch_norms, "BatchNorm1d, ReLU, Dropout": blocks}
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
SIZES = (1, 64, 1024, 2**14, 2**18, 2**22, 2**26, 10**8)
RESULTS = Path(__file__).parent / "results"
BOUND = 0.95


def shape_of(size: int, name: str) -> tuple[int, int]:
    """Rows of up to 128 columns; a batch norm needs two rows."""
    columns = max(1, min(128, size // 8))
    return max(size // columns, 1 if name == "Dropout" else 2), columns


def measured(name: str, size: int, dtype: torch.dtype) -> tuple[float, float]:
    """Seconds of torch's and of our forward and backward pass."""
    x = torch.randn(shape_of(size, name)).to(dtype).requires_grad_()
    theirs, ours = (layer.to(dtype) for layer in LAYERS[name](x.shape[1]))
    ways = {"torch": training_step(theirs, x), "dropnorm": training_step(ours, x)}
    repeats, warmup = (51, 10) if size < 2**17 else (5, 1) if size < 2**25 else (3, 2)
    found = medians(ways, repeats=repeats, warmup=warmup)
    return found["torch"], found["dropnorm"]


def main() -> None:
    """Print the ratios by size, and draw the time for each value."""
    figure = go.Figure()
    header = ["layer", "type", "threads", *(f"{size:,} values" for size in SIZES)]
    for threads in on_threads():
        rows = []
        for name in LAYERS:
            for dtype in DTYPES:
                # The largest in the type that all use.
                sizes = [size for size in SIZES if size < 2**26 or dtype == torch.float32]
                times = [measured(name, size, dtype) for size in sizes]
                kind = str(dtype).removeprefix("torch.")
                ratios = [f"{theirs / ours:.2f}" for theirs, ours in times]
                rows.append([name, kind, str(threads), *ratios, *[""] * (len(SIZES) - len(sizes))])
                if dtype == torch.float32:
                    for which, index in (("torch", 0), ("dropnorm", 1)):
                        each = [1e9 * pair[index] / size for pair, size in zip(times, sizes, strict=True)]
                        figure.add_scatter(x=sizes, y=each, name=f"{name}, {which}, {threads} threads")
        table(f"Times faster than torch by size, forward and backward; at least {BOUND} is asked", header, rows)
    figure.update_layout(
        title=f"Forward and backward pass, float32: {machine()}",
        xaxis={"type": "log", "title": "values"},
        yaxis={"type": "log", "title": "nanoseconds for each value"},
    )
    RESULTS.mkdir(exist_ok=True)
    figure.write_html(RESULTS / "sizes.html", include_plotlyjs="directory")
    print(f"\nDrawn: {RESULTS / 'sizes.html'}")


if __name__ == "__main__":
    main()
