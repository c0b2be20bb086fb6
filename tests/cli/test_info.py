import torch

from dropnorm.kernels import instruction_sets


def test_info_says_which_kernels_run(run, monkeypatch):
    monkeypatch.setenv("DROPNORM_CPU", "reference")
    instruction_sets.choose_again()
    try:
        code, out, err = run("info")
    finally:
        instruction_sets.choose_again()
    assert (code, err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert facts["kernels"] == f"reference (of {', '.join(instruction_sets.available())}; DROPNORM_CPU chooses)"
    assert facts["torch"] == torch.__version__
    assert facts["threads"] == str(torch.get_num_threads())
