"""How a study's time grows with rows, nets and epochs: drawn into benchmarks/results, and how far from a line it is."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from plotly.subplots import make_subplots

import dropnorm as dn
from measure import machine, table

RESULTS = Path(__file__).parent / "results"
ROWS, SEEDS, EPOCHS = 8_000, 5, 10
FACTORS = (1, 2, 4, 8)


def seconds(rows: int = ROWS, seeds: int = SEEDS, epochs: int = EPOCHS) -> float:
    """Of a study of so many rows of 30 features, with four arms."""
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(rows, 30)).astype(np.float32), generator.integers(0, 3, rows)
    started = time.perf_counter()
    dn.run_study(X, y, seeds=seeds, epochs=epochs, patience=epochs, dropout=0.2)
    return time.perf_counter() - started


GROWING: dict[str, tuple[list[int], Callable[[int], float]]] = {
    "rows": ([ROWS * factor for factor in FACTORS], lambda rows: seconds(rows=rows)),
    "nets": ([4 * SEEDS * factor for factor in FACTORS], lambda nets: seconds(seeds=nets // 4)),
    "epochs": ([EPOCHS * factor for factor in FACTORS], lambda epochs: seconds(epochs=epochs)),
}


def main() -> None:
    """Measure each at one, two, four and eight times the smallest."""
    seconds(rows=1000)
    figure = make_subplots(1, len(GROWING), subplot_titles=[f"by {name}" for name in GROWING])
    rows = []
    for column, (name, (sizes, measure)) in enumerate(GROWING.items(), 1):
        times = [measure(size) for size in sizes]
        figure.add_scatter(x=sizes, y=times, mode="lines+markers", showlegend=False, row=1, col=column)
        figure.update_xaxes(title=name, rangemode="tozero", row=1, col=column)
        figure.update_yaxes(title="seconds", rangemode="tozero", row=1, col=column)
        exponent = np.polyfit(np.log(sizes), np.log(times), 1)[0]
        rows.append(
            [name, *(f"{size:,}: {each:.2f} s" for size, each in zip(sizes, times, strict=True)), f"{exponent:.2f}"]
        )
    table(
        f"Time of a study of {ROWS:,} rows x 30 features, 4 arms x {SEEDS} seeds, {EPOCHS} epochs, as one of them grows",
        ["grows", *(f"x {factor}" for factor in FACTORS), "power of growth (1 is linear)"],
        rows,
    )
    figure.update_layout(title=f"Time of a study: {machine()}")
    RESULTS.mkdir(exist_ok=True)
    figure.write_html(RESULTS / "study_growth.html", include_plotlyjs="directory")
    print(f"\nDrawn: {RESULTS / 'study_growth.html'}")


if __name__ == "__main__":
    main()
