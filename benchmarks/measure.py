"""Interleaved timing: several ways of doing one thing, in one process, compared as ratios of medians."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping

import torch

from dropnorm.study.execution import processor_name


def medians(ways: Mapping[str, Callable[[], object]], repeats: int = 15, warmup: int = 3) -> dict[str, float]:
    """Median seconds of each way, after a warm-up, taking turns so that a drift of the machine meets all alike."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(warmup + repeats):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            if turn >= warmup:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def on_threads() -> Iterator[int]:
    """Set torch to all its threads, then to one, and back when done."""
    threads = torch.get_num_threads()
    try:
        for used in dict.fromkeys((threads, 1)):
            torch.set_num_threads(used)
            yield used
    finally:
        torch.set_num_threads(threads)


def machine() -> str:
    """Processor, threads and torch, to stand beside every ratio."""
    return f"{processor_name('cpu')}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n\n{machine()}\n")
    for row in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(row)} |")
