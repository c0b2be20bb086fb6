"""`dropnorm info`."""

from dropnorm.cli.json_output import Facts, Json, print_record
from dropnorm.cli.results import write_result


def info(json: Json = False) -> None:
    """Print what dropnorm runs on: versions, processor, threads, and which kernels."""
    import torch

    from dropnorm import __version__
    from dropnorm.kernels import instruction_sets
    from dropnorm.study.execution import processor_name

    facts = Facts(
        dropnorm=__version__,
        torch=torch.__version__,
        processor=processor_name("cpu"),
        threads=torch.get_num_threads(),
        kernels=instruction_sets.chosen(),
        kernels_available=instruction_sets.available(),
        cuda=processor_name("cuda") if torch.cuda.is_available() else None,
    )
    if json:
        print_record(facts)
        return
    told = {
        "dropnorm": facts.dropnorm,
        "torch": facts.torch,
        "processor": facts.processor,
        "threads": facts.threads,
        "kernels": f"{facts.kernels} (of {', '.join(facts.kernels_available)}; DROPNORM_CPU chooses)",
        "CUDA": facts.cuda or "none",
    }
    for name, value in told.items():
        write_result(f"{name:10} {value}")
