"""What the tests of Keras nets share: trainers of one net, and modules written to be imported."""

import itertools
from collections.abc import Callable

import pytest

from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts
from dropnorm.study.design import configure, plan_nets
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.factory import factory_name
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.training.block import BlockTrainer
from dropnorm.study.training.kinds import kind_of, shape_of_nets

_counter = itertools.count()
_looked_over: dict = {}  # which takes longer than to train
SETTINGS = {"seeds": 2, "epochs": 4, "batch_size": 16}


@pytest.fixture
def trainer_of(blobs) -> Callable[..., BlockTrainer]:
    """A factory of trainers of seed 1's net of an arm, of plain where that is None, on blobs of three classes or other data."""

    def make(factory, arm, *, data=None, state=None, kind=None, **given) -> BlockTrainer:
        dataset = load_dataset(*(blobs() if data is None else data))
        config = configure(
            **{"net": factory_name(factory), "arms": {"mine": arm or {"max_norm": 1.0}}} | SETTINGS | given
        )
        plan = next(
            plan for plan in plan_nets(config) if plan.arm.name == ("mine" if arm else "plain") and plan.seed == 1
        )
        seen = factory, dataset.fingerprint, config.arms, config.learning_rate
        if seen not in _looked_over:
            _looked_over[seen] = shape_of_nets(dataset.encoding, config)
        kind = kind or kind_of(_looked_over[seen])
        objective = OBJECTIVES[dataset.encoding.task]
        return BlockTrainer([plan], Parts.prepare(dataset, config), kind, config, objective, state)

    return make


@pytest.fixture
def written(tmp_path, monkeypatch) -> Callable[..., ModuleArchitecture]:
    """Write a module into the current directory; returns what is known of its function `net` before it is called."""
    monkeypatch.chdir(tmp_path)

    def write(body: str, **given) -> ModuleArchitecture:
        name = f"written_keras_nets_{next(_counter)}"
        (tmp_path / f"{name}.py").write_text(f"import keras\nfrom keras import layers\n{body}\n")
        return ModuleArchitecture(**{"factory": f"{name}:net", "features": 4, "outputs": 3} | given)

    return write
