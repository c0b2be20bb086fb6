"""Runs every benchmark, each in a process of its own, so that none inherits another's memory: `make bench`."""

import subprocess
import sys
from pathlib import Path

STUDIES = ("reading", "study_step", "study_engine", "study_growth", "study_memory", "model_predict", "model_score")
BENCHMARKS = ("layers", "kernels", "training_step", *STUDIES, "surgery", "sizes", "keras_layers")

if __name__ == "__main__":
    for name in BENCHMARKS:
        subprocess.run([sys.executable, Path(__file__).with_name(f"{name}.py")], check=True)
