"""The layers as users call them, allocation, autograd and Python included, against torch's own, eager and compiled."""

from collections.abc import Callable
from pathlib import Path

import torch

from dropnorm import nn
from measure import medians, on_threads, table

LAST = torch.channels_last
Pair = Callable[[int], tuple[torch.nn.Module, torch.nn.Module]]


def dropouts(_: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Torch's and ours."""
    return torch.nn.Dropout(0.2), nn.Dropout(0.2)


def batch_norms(channels: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The same."""
    return torch.nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)


def batch_norms_2d(channels: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The same."""
    return torch.nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)


def blocks(channels: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Three layers of torch's, one of ours."""
    theirs = (torch.nn.BatchNorm1d(channels), torch.nn.ReLU(), torch.nn.Dropout(0.2))
    return torch.nn.Sequential(*theirs), nn.BatchNormActDropout1d(channels, p=0.2)


def blocks_2d(channels: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The same for images."""
    theirs = (torch.nn.BatchNorm2d(channels), torch.nn.ReLU(), torch.nn.Dropout(0.2))
    return torch.nn.Sequential(*theirs), nn.BatchNormActDropout2d(channels, p=0.2)


# What, the two layers, the size, the memory format, whether backward too, and how many times faster it must be.
CASES: list[tuple[str, Pair, tuple[int, ...], torch.memory_format, bool, float]] = [
    ("Dropout", dropouts, (4096, 1024), torch.contiguous_format, False, 25),
    ("Dropout", dropouts, (4096, 1024), torch.contiguous_format, True, 15),
    ("BatchNorm1d, ReLU, Dropout", blocks, (4096, 1024), torch.contiguous_format, True, 10),
    ("BatchNorm1d, ReLU, Dropout", blocks, (16384, 4096), torch.contiguous_format, True, 6),
    ("BatchNorm2d, ReLU, Dropout", blocks_2d, (64, 64, 56, 56), torch.contiguous_format, True, 6),
    ("BatchNorm2d, ReLU, Dropout", blocks_2d, (64, 64, 56, 56), LAST, True, 6),
    ("BatchNorm1d", batch_norms, (4096, 1024), torch.contiguous_format, True, 1.3),
    ("BatchNorm2d", batch_norms_2d, (64, 64, 56, 56), torch.contiguous_format, True, 1.3),
    ("BatchNorm2d", batch_norms_2d, (64, 64, 56, 56), LAST, True, 1.3),
]


def saved_bytes(layer: torch.nn.Module, x: torch.Tensor) -> int:
    """Bytes of all tensors that autograd keeps after a forward pass."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer(x)
    return sum(kept.values())


def status(name: str) -> int:
    """A figure in bytes from the system's account of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def peak_bytes(layer: torch.nn.Module, x: torch.Tensor) -> int:
    """What a forward and backward pass takes at its peak beyond what was there, as the system saw it."""
    step = training_step(layer, x)
    step()
    x.grad = None
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = status("VmRSS")
    step()
    return status("VmHWM") - before


def training_step(layer: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Callable[[], None]:
    """Forward and backward pass."""
    grad = torch.ones_like(x)

    def step() -> None:
        x.grad = None
        layer(x).backward(grad)

    return step


def memory() -> None:
    """What is kept for the backward pass, and what both passes take at their peak."""
    rows = []
    for name, pair in (("Dropout", dropouts), ("BatchNorm1d", batch_norms), ("BatchNorm1d, ReLU, Dropout", blocks)):
        x = torch.randn(16384, 1024, requires_grad=True)
        kept = [f"{saved_bytes(layer, x) / x.nbytes:.2f}" for layer in pair(1024)]
        peaks = [f"{peak_bytes(layer, x) / x.nbytes:.2f}" for layer in pair(1024)]
        rows.append([name, *kept, *peaks])
    header = ["layer", "kept by torch", "by dropnorm", "peak of torch", "of dropnorm"]
    table("Memory of a forward and backward pass, in sizes of the input, 16384 x 1024 float32", header, rows)


def speed(threads: int) -> list[list[str]]:
    """One row for each case."""
    rows = []
    for name, pair, shape, memory_format, backward, bound in CASES:
        x = torch.randn(shape).to(memory_format=memory_format).requires_grad_(backward)
        theirs, ours = pair(shape[1])
        torch.compiler.reset()
        layers = {"torch": theirs, "compiled": torch.compile(theirs), "dropnorm": ours}
        steps = {
            which: training_step(layer, x) if backward else (lambda layer=layer, x=x: layer(x))
            for which, layer in layers.items()
        }
        if name == "Dropout" and backward:
            steps["hardtanh"] = training_step(torch.nn.Hardtanh(), x)
        found = medians(steps, repeats=3 if x.numel() > 2**25 else 15, warmup=2)
        size = " x ".join(map(str, shape)) + (", channels last" if memory_format is LAST else "")
        work = f"{name}, forward" + (" and backward" if backward else "")
        ratios = [f"{found[which] / found['dropnorm']:.2f}" for which in ("torch", "compiled")]
        rows.append([work, size, str(threads), *ratios, f"{bound:g}"])
        if "hardtanh" in found:
            print(
                f"{work}, {threads} threads: {found['dropnorm'] / found['hardtanh']:.2f} times of hardtanh (at most 1.6)"
            )
    return rows


def main() -> None:
    """Memory, and speed with two threads and with one."""
    memory()
    header = ["layer", "size", "threads", "times faster than torch", "than torch compiled", "at least"]
    for threads in on_threads():
        table("Layers as users call them, float32", header, speed(threads))


if __name__ == "__main__":
    main()
