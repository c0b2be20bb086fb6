import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
SAYS = {
    "drop_in_layers.py": ["same outputs: True", "same masks from the same seed: True"],
    "keras_model.py": ["right on 9", "the same loss again from the same seed: True"],
    "seeded_dropout.py": ["step 1:", "inference: nothing is dropped: True"],
    "study_of_your_network.py": ["too few to be sure", "batch_norm", "(second): Linear(in_features=32"],
    "study_of_a_table.py": ["too few to be sure", "dropout+batch_norm", "probability_malignant"],
}


def test_every_example_has_an_expectation():
    assert {example.name for example in EXAMPLES} == set(SAYS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_runs_and_says_what_it_should(example, tmp_path):
    environment = os.environ | {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for text in SAYS[example.name]:
        assert text in done.stdout
