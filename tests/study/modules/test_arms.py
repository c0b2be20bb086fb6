"""Arms of a user's network: what is put in, and which arms are refused."""

import pytest
from torch import nn

from dropnorm.errors import ArgumentError
from dropnorm.study.arms import checked_arms, named_arm
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.arms import check_arms, module_of_arm, rebuilt
from dropnorm.study.modules.check import look_over
from dropnorm.study.modules.factory import factory_name


def plain():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def normed():
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))


def shape_of(factory):
    return look_over(ModuleArchitecture(factory=factory_name(factory), features=4, outputs=3))


@pytest.mark.parametrize(
    ("arm", "rate", "layers"),
    [
        ("plain", 0.0, "Linear ReLU Linear ReLU Linear"),
        ("dropout", 0.3, "Linear ReLU Dropout Linear ReLU Dropout Linear"),
        ("last_dropout", 0.3, "Linear ReLU Linear ReLU Dropout Linear"),
        ("input_dropout", 0.0, "Dropout Linear ReLU Linear ReLU Linear"),
        ("batch_norm", 0.0, "Linear BatchNorm1d ReLU Linear BatchNorm1d ReLU Linear"),
        ("max_norm+weight_decay", 0.0, "Linear ReLU Linear ReLU Linear"),
    ],
)
def test_an_arm_has_its_layers_at_their_places(arm, rate, layers):
    made = module_of_arm(shape_of(plain), named_arm(arm), rate, 0)
    assert " ".join(type(layer).__name__ for layer in made.modules() if not list(layer.children())) == layers
    assert {layer.p for layer in made.modules() if isinstance(layer, nn.Dropout)} <= {rate, 0.2}
    assert repr(rebuilt(shape_of(plain), named_arm(arm), rate)) == repr(made)


def test_what_a_net_has_is_not_doubled():
    made = module_of_arm(shape_of(normed), named_arm("dropout"), 0.5, 0)
    assert [layer.p for layer in made.modules() if isinstance(layer, nn.Dropout)] == [0.5]
    check_arms(shape_of(normed), checked_arms("dropout"))
    with pytest.raises(ArgumentError, match=r"arms='batch_norm': batch_norm has no place in the net of .*:normed"):
        check_arms(shape_of(normed), checked_arms("batch_norm"))


def test_a_net_without_hidden_layers_has_no_place():
    with pytest.raises(ArgumentError, match="dropout has no place in the net of"):
        check_arms(shape_of(linear), checked_arms("dropout"))


def linear():
    return nn.Linear(4, 3)
