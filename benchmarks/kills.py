"""Studies killed at random moments, started again and killed again: each must end with the files of one that never was.

`make kills` kills KILLS=50 times each a study of digits, of a CSV, of nets of a factory and of Keras models.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

NETS = """
from torch import nn

def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 16), nn.ReLU(), nn.Linear(16, outputs))
"""
KERAS_NETS = """
import keras

def small(features, outputs):
    return keras.Sequential([keras.layers.Input((features,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(outputs)])
"""
COMMON = ("--seeds", "3", "--dropout", "0.3")
COMPARED = ("summary.json", "model.json", "model.safetensors", "study.toml")


def studies(folder: Path) -> dict[str, tuple[str, ...]]:
    """The words of each study, whose data and functions lie in the folder."""
    generator = np.random.default_rng(0)
    frame = pl.DataFrame(generator.normal(size=(400, 6)).round(3), schema=list("abcdef"))
    target = pl.Series("y", (frame["a"].to_numpy() + generator.normal(size=400) > 0).astype(int))
    frame.with_columns(target).write_csv(folder / "table.csv")
    (folder / "nets.py").write_text(NETS)
    (folder / "keras_nets.py").write_text(KERAS_NETS)
    return {
        "digits": ("digits", *COMMON, "--epochs", "12"),
        "a CSV": ("table.csv", "--target", "y", *COMMON, "--epochs", "60"),
        "a factory": ("table.csv", "--target", "y", *COMMON, "--net", "nets:small", "--epochs", "20"),
        "Keras": (
            "table.csv",
            "--target",
            "y",
            *COMMON,
            "--net",
            "keras_nets:small",
            "--epochs",
            "4",
            "--arms",
            "dropout",
        ),
    }


def start(words: tuple[str, ...], out: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a study as a user does."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch", "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "dropnorm", "study", *words, "--out", str(out)]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def hashes(out: Path) -> dict[str, str]:
    """What the files of a finished run hold."""
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in COMPARED}


def main() -> None:
    """Kill each study as often as is asked for, over as many runs as that takes."""
    wanted = int(os.environ.get("KILLS", "50"))
    generator = random.Random(0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, words in studies(folder).items():
            begun = time.monotonic()
            process = start(words, folder / f"{name} whole", folder)
            if process.wait():
                raise RuntimeError(f"the study of {name} fails: expected it to end well. Run it by hand in {folder}.")
            whole, seconds = hashes(folder / f"{name} whole"), time.monotonic() - begun
            kills = runs = 0
            while kills < wanted:
                out = folder / f"{name} {runs}"
                while True:
                    process, started = start(words, out, folder), time.monotonic()
                    try:
                        # Much of a study is over before its first epoch, in imports.
                        process.wait(generator.uniform(0.3, 1.0) * seconds if kills < wanted else None)
                        # The machine may have been busy before.
                        seconds = min(seconds, max(1.0, time.monotonic() - started))
                        break
                    except subprocess.TimeoutExpired:
                        process.send_signal(signal.SIGKILL)
                        process.wait()
                        kills += 1
                runs += 1
                if process.returncode or hashes(out) != whole:
                    raise RuntimeError(
                        f"a killed study of {name} ended otherwise: expected the files of one that was not."
                    )
            print(f"{name}: {kills} kills in {runs} runs, all of {', '.join(COMPARED)} to the byte", flush=True)


if __name__ == "__main__":
    main()
