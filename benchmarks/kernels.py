"""The CPU kernels alone, into memory that is already there, in times of copying the same bytes."""

from collections.abc import Callable

import torch
from torch import Tensor

from dropnorm.kernels import cpu
from measure import medians, on_threads, table

KEY = torch.tensor(1)
PLAIN = ("identity", 0.0, [0.0], KEY, 0, None, False)
RELU_DROPOUT = ("relu", 0.0, [0.2], KEY, 0, None, False)

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
    if what == "dropout forward":
        return {"copy": lambda: y.copy_(x), what: lambda: cpu.launch_dropout(x, y, [0.2], KEY, 0, None, False)}
    weight, bias = torch.rand(x.shape[1]), torch.randn(x.shape[1])
    mean, var, grad_weight, grad_bias = (torch.empty(x.shape[1]) for _ in range(4))
    rest = PLAIN if what == "batch norm" else RELU_DROPOUT

    def both() -> None:
        cpu.launch_batch_norm(False, x, None, y, weight, bias, mean, var, None, None, None, 1e-5, *rest)
        cpu.launch_batch_norm(True, x, grad, y, weight, bias, mean, var, grad_weight, grad_bias, None, 1e-5, *rest)

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
    table(f"The kernels ({cpu.instruction_set()}) alone, output already there", header, rows)


if __name__ == "__main__":
    main()
