"""What the tests of saved models share: models of made-up nets."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from dropnorm.study.arms import named_arm
from dropnorm.study.data.encoding import ColumnEncoding, Encoding
from dropnorm.study.design import NetPlan
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.arms import module_of_arm
from dropnorm.study.modules.check import look_over
from dropnorm.study.modules.factory import factory_name
from dropnorm.study.modules.tensors import module_tensors
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.saving.description import Member, ModelDescription
from dropnorm.study.saving.saved_model import SavedModel, model_with

SHAPE = Architecture(features=4, hidden=(10, 7), outputs=3)


@pytest.fixture(scope="session")
def made_nets() -> Callable[..., BatchedNets]:
    """A factory of nets of an arm, untrained, whose batch norms have statistics of their own."""

    def make(arm: str = "plain", shape: Architecture = SHAPE, count: int = 3) -> BatchedNets:
        generator = torch.Generator().manual_seed(1)
        rate = 0.3 if "dropout" in arm else 0.0
        nets = BatchedNets.initial([NetPlan(seed, named_arm(arm), seed, rate) for seed in range(count)], shape)
        for name, tensor in nets.tensors().items():
            if "norm" in name:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        return nets

    return make


@pytest.fixture(scope="session")
def description_of() -> Callable[..., ModelDescription]:
    """A factory of descriptions of such nets, each with means and scales of its own."""

    def make(arm: str = "plain", shape: Architecture = SHAPE, count: int = 3, **given: Any) -> ModelDescription:
        classes = ("a", "b", "c") if shape.outputs > 1 else ()
        columns = tuple(ColumnEncoding(name=f"x{column}", kind="number") for column in range(4))
        members = tuple(
            Member(
                net=10 + place,
                seed=place,
                mean=(0.1 * place, 0.0, -1.0, 3.0),
                scale=(1.0, 2.0 + place, 0.5, float("inf") if place == 1 else 4.0),
                target_mean=0.0 if classes else 100.0 + place,
                target_scale=1.0 if classes else 20.0 - place,
            )
            for place in range(count)
        )
        task = "classification" if classes else "regression"
        fields = {
            "arm": named_arm(arm),
            "rate": 0.3 if "dropout" in arm else 0.0,
            "architecture": shape,
            "encoding": Encoding(columns=columns, target="y", task=task, classes=classes),
            "members": members,
        }
        return ModelDescription(**(fields | given))

    return make


@pytest.fixture(scope="session")
def made_model(made_nets, description_of) -> Callable[..., SavedModel]:
    """A factory of models of such nets."""

    def make(arm: str = "plain", shape: Architecture = SHAPE, count: int = 3) -> SavedModel:
        return model_with(description_of(arm, shape, count), made_nets(arm, shape, count).tensors())

    return make


@pytest.fixture(scope="session")
def looked_over() -> Callable[..., ModuleArchitecture]:
    """What a study knows of a factory's nets of four features and three outputs."""

    def look(factory: Callable[..., Any], **given: Any) -> ModuleArchitecture:
        return look_over(ModuleArchitecture(factory=factory_name(factory), features=4, outputs=3, **given))

    return look


@pytest.fixture(scope="session")
def trained_modules() -> Callable[..., dict[str, torch.Tensor]]:
    """The tensors of three nets of a factory that came out differently, with a leading dimension for the net."""

    def train(architecture: ModuleArchitecture, arm: str = "plain", rate: float = 0.0) -> dict[str, torch.Tensor]:
        tensors = [module_tensors(module_of_arm(architecture, named_arm(arm), rate, key)) for key in range(3)]
        return {name: torch.stack([one[name] for one in tensors]) for name in tensors[0]}

    return train
