"""`dropnorm info`."""

import typer


def info() -> None:
    """Print what dropnorm runs on: versions, processor, threads, and which kernels."""
    import torch

    from dropnorm import __version__
    from dropnorm.kernels import instruction_sets
    from dropnorm.study.execution import processor_name

    facts = {
        "dropnorm": __version__,
        "torch": torch.__version__,
        "processor": processor_name("cpu"),
        "threads": str(torch.get_num_threads()),
        "kernels": f"{instruction_sets.chosen()} (of {', '.join(instruction_sets.available())}; DROPNORM_CPU chooses)",
        "CUDA": processor_name("cuda") if torch.cuda.is_available() else "none",
    }
    for name, value in facts.items():
        typer.echo(f"{name:10} {value}")
