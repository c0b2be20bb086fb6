"""The CPU kernels alone, into memory that is already there, in times of copying the same bytes."""

from collections.abc import Callable

import torch
from torch import Tensor

from dropnorm.kernels import cpu, instruction_sets
from dropnorm.kernels.instruction_sets import kernels
from dropnorm.kernels.reference import ACTIVATIONS
from measure import medians, on_threads, table

IDENTITY, RELU = (ACTIVATIONS.index(name) for name in ("identity", "relu"))
# What, on which shape, in which type and memory format, and the bound that the README states.
Case = tuple[str, tuple[int, ...], torch.dtype, torch.memory_format, float]
LAST = torch.channels_last
CASES: list[Case] = [
    ("dropout forward", (16384, 4096), torch.float32, torch.contiguous_format, 1.25),
    ("dropout forward", (4096, 1024), torch.float32, torch.contiguous_format, 2.0),
    ("dropout forward", (4096, 1024), torch.bfloat16, torch.contiguous_format, 2.5),
    ("batch norm", (4096, 1024), torch.float32, torch.contiguous_format, 6.0),
    ("batch norm, ReLU, dropout", (4096, 1024), torch.float32, torch.contiguous_format, 7.0),
    ("batch norm, ReLU, dropout", (16384, 4096), torch.float32, torch.contiguous_format, 5.0),
    ("batch norm, ReLU, dropout", (64, 64, 56, 56), torch.float32, torch.contiguous_format, 6.0),
    ("batch norm, ReLU, dropout", (64, 64, 56, 56), torch.float32, LAST, 6.0),
]


def ways(what: str, x: Tensor) -> dict[str, Callable[[], object]]:
    """A copy and the kernel, both into y."""
    y, grad = torch.empty_like(x), torch.randn_like(x)
    native, threads = kernels(), torch.get_num_threads()
    decided = cpu.decide(0.2, torch.tensor(1), 0, None, False)
    if what == "dropout forward":
        return {"copy": lambda: y.copy_(x), what: lambda: native.dropout(x, y, decided, threads)}
    weight, bias = torch.rand(x.shape[1]), torch.randn(x.shape[1])
    grad_weight, grad_bias = torch.empty(x.shape[1]), torch.empty(x.shape[1])
    activation, dropping = (IDENTITY, None) if what == "batch norm" else (RELU, decided)

    def both() -> None:
        call = native.BatchNorm(1e-5, activation, 0.0, dropping, False)
        call.forward(x, y, weight, bias, None, threads)
        call.backward(grad, x, weight, bias, None, y, grad_weight, grad_bias, threads)

    return {"copy": lambda: y.copy_(x), what: both}


def main() -> None:
    """Print each ratio beside its bound, with two threads and with one."""
    rows = []
    for threads in on_threads():
        for what, shape, dtype, memory_format, bound in CASES:
            x = torch.randn(shape).to(dtype=dtype, memory_format=memory_format)
            found = medians(ways(what, x), repeats=9 if x.numel() > 2**25 else 31)
            name = what if what.endswith("forward") else f"{what}, forward and backward"
            size = " x ".join(map(str, shape)) + (", channels last" if memory_format is LAST else "")
            kind = str(dtype).removeprefix("torch.")
            rows.append([name, size, kind, str(threads), f"{found[what] / found['copy']:.2f}", f"{bound:g}"])
    header = ["work", "size", "type", "threads", "times of copy_", "at most"]
    table(f"The kernels ({instruction_sets.chosen()}) alone, output already there", header, rows)


if __name__ == "__main__":
    main()
