"""Native steps against torch's, operation by operation, which the trainer's tests hold against torch's own modules."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dropnorm.kernels import blas, instruction_sets
from dropnorm.study.arms import named_arm
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts
from dropnorm.study.design import NetPlan, configure
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.training import steps
from dropnorm.study.training.adam import Adam
from dropnorm.study.training.steps import NativeSteps, TorchSteps, steps_of

ROWS, BATCH, STEPS = 150, 16, 7
HAS_NATIVE = instruction_sets.chosen() != instruction_sets.REFERENCE and blas.addresses() is not None

needs_native = pytest.mark.skipif(not HAS_NATIVE, reason="no native kernels for whole steps here")


def classes():
    """Of floats, half of which are missing, so that in every batch a column that says so varies."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(ROWS, 13)).astype("f")
    X[generator.random(X.shape) < 0.5] = np.nan
    return X, generator.integers(0, 4, ROWS)


def small_integers():
    generator = np.random.default_rng(1)
    return generator.integers(0, 256, (ROWS, 13)), generator.integers(0, 4, ROWS)


def rare_classes():
    X, _ = classes()
    y = np.repeat([0, 1, 2, 3], [90, 40, 15, 5])
    return X, np.random.default_rng(2).permutation(y)


def quantity():
    X, y = classes()
    return X, y + np.nan_to_num(X[:, 0])


class Block:
    """Four nets of two seeds before training, of which two decay, and what they are trained on."""

    def __init__(self, data=classes, arm="dropout+batch_norm", activation="relu", hidden=(20, 11), class_weight=None):
        dataset, given = load_dataset(*data()), named_arm(arm)
        config = configure(seeds=2, batch_size=BATCH, class_weight=class_weight)
        self.parts = Parts.prepare(dataset, config)
        rates = (0.3, 0.5) if given.dropout else (0.0, 0.0)
        decays = (0.0, 10.0) if given.weight_decay else (0.0, 0.0)
        self.plans = [
            NetPlan(net=net, arm=given, seed=net % 2, rate=rates[net // 2], weight_decay=decays[net // 2])
            for net in range(4)
        ]
        self.shape = Architecture(
            features=dataset.encoding.features, hidden=hidden, outputs=dataset.encoding.outputs, activation=activation
        )
        self.objective = OBJECTIVES[dataset.encoding.task]
        self.seeds = torch.tensor([plan.seed for plan in self.plans])
        generator = torch.Generator().manual_seed(3)
        self.order = torch.randint(0, ROWS, (4, STEPS * BATCH), generator=generator)
        self.keys = torch.randint(-(2**62), 2**62, (4, STEPS), generator=generator)

    def nets(self):
        return BatchedNets.initial(self.plans, self.shape)

    def adam_of(self, nets):
        return Adam(nets.parameters, [0.01] * nets.nets)

    def native_of(self, nets, adam):
        ways = NativeSteps.of(nets, self.parts, self.seeds, adam)
        assert ways is not None
        return ways

    def trained(self, kind):
        """All tensors, Adam's and the outputs after some steps of this kind."""
        nets = self.nets()
        adam = self.adam_of(nets)
        if kind is NativeSteps:
            ways = self.native_of(nets, adam)
        else:
            ways = TorchSteps(nets, self.parts, self.seeds, self.objective, adam)
        ways.train(self.order, self.keys)
        assert adam.steps == STEPS
        moments = {f"{moment}/{name}": each for moment in adam.moments for name, each in adam.moments[moment].items()}
        return nets.tensors() | moments | {"outputs": ways.outputs(self.order[:, :90])}


@needs_native
@pytest.mark.parametrize("data", [classes, small_integers, quantity])
@pytest.mark.parametrize(
    "arm",
    [
        "plain",
        "dropout",
        "batch_norm",
        "dropout+batch_norm",
        "last_dropout+batch_norm",
        "last_dropout",
        "input_dropout+batch_norm",
        "input_dropout+dropout+max_norm",
        "max_norm+batch_norm",
        "weight_decay",
        "weight_decay+dropout+batch_norm",
    ],
)
def test_native_steps_are_torchs(data, arm):
    assert_close(Block(data, arm))


@needs_native
@pytest.mark.parametrize("arm", ["dropout", "dropout+batch_norm"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu", "silu"])
@pytest.mark.parametrize("hidden", [(), (1,), (33,), (16, 16, 16, 16)])
def test_native_steps_are_torchs_in_nets_of_any_shape(arm, activation, hidden):
    assert_close(Block(arm=arm if hidden else "plain", activation=activation, hidden=hidden))


@needs_native
@pytest.mark.parametrize("arm", ["plain", "dropout+batch_norm"])
def test_native_steps_weigh_classes_as_torchs_do(arm):
    block = Block(rare_classes, arm, class_weight="balanced")
    assert_close(block)
    changed = (block.trained(NativeSteps)["outputs"] - Block(rare_classes, arm).trained(NativeSteps)["outputs"]).abs()
    assert changed.amax() > 0.05


def assert_close(block):
    """But for rounding, of which Adam's first steps make the most where a gradient is nearly 0."""
    native, others = block.trained(NativeSteps), block.trained(TorchSteps)
    untrained = block.nets().tensors()
    assert native.keys() == others.keys()
    for name, tensor in native.items():
        torch.testing.assert_close(
            tensor, others[name], rtol=2e-3, atol=2e-4, msg=lambda text, name=name: f"{name} {text}"
        )
        if name in untrained and name.endswith("weight"):
            assert (tensor - untrained[name]).abs().amax() > 5e-3


@needs_native
def test_what_is_heard_of_an_interruption_between_calls_changes_nothing(monkeypatch):
    block = Block()
    at_once = block.trained(NativeSteps)
    monkeypatch.setattr(steps, "_MULTIPLICATIONS_AT_ONCE", 1)
    for name, tensor in block.trained(NativeSteps).items():
        assert torch.equal(tensor, at_once[name])


@needs_native
def test_dense_nets_have_native_steps():
    block = Block()
    assert isinstance(steps_of(block.nets(), block.parts, block.seeds, block.objective), NativeSteps)


def test_nets_with_an_activation_that_no_kernel_has_are_torchs():
    block = Block(activation="tanh")
    assert isinstance(steps_of(block.nets(), block.parts, block.seeds, block.objective), TorchSteps)


def test_without_mkl_steps_are_torchs(monkeypatch):
    monkeypatch.setattr(blas, "addresses", lambda: None)
    block = Block()
    assert isinstance(steps_of(block.nets(), block.parts, block.seeds, block.objective), TorchSteps)


OUT_OF_MEMORY = """
import resource
from pathlib import Path
import torch
from tests.study.training.test_steps import Block
block = Block(hidden=(3000, 3000))
nets = block.nets()
adam = block.adam_of(nets)
ways = block.native_of(nets, adam)
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (20 << 20),) * 2)
try:
    ways.train(block.order, block.keys)
except MemoryError:
    print("told")
"""


@needs_native
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="how much memory is taken is read as Linux tells it")
def test_too_little_memory_is_an_error_and_no_end_of_python():
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", OUT_OF_MEMORY], cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout == "told\n", done.stderr
