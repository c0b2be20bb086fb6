"""Dropout's forward kernel into memory that is already there, in times of copying the same bytes."""

import torch

from dropnorm.kernels import cpu
from measure import medians, table

KEY = torch.tensor(1)


def main() -> None:
    """Compare large and middling tensors, in 32 and 16 bits, with two threads and one."""
    threads, rows = torch.get_num_threads(), []
    try:
        for used in dict.fromkeys((threads, 1)):
            torch.set_num_threads(used)
            for shape, dtype in (
                ((16384, 4096), torch.float32),
                ((4096, 1024), torch.float32),
                ((4096, 1024), torch.bfloat16),
            ):
                x = torch.randn(shape).to(dtype)
                y = torch.empty_like(x)
                found = medians(
                    {
                        "copy": lambda x=x, y=y: y.copy_(x),
                        "dropout": lambda x=x, y=y: cpu.launch_dropout(x, y, [0.2], KEY, 0, None, False),
                    }
                )
                size = " x ".join(map(str, shape))
                rows.append(
                    [size, str(dtype).removeprefix("torch."), str(used), f"{found['dropout'] / found['copy']:.2f}"]
                )
    finally:
        torch.set_num_threads(threads)
    title = f"Dropout's forward kernel ({cpu.instruction_set()}), in times of a copy, output already there"
    table(title, ["size", "type", "threads", "times of copy_"], rows)


if __name__ == "__main__":
    main()
