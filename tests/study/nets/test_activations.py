from typing import get_args

import pytest
import torch

from dropnorm.kernels.reference import ACTIVATIONS as FUSED
from dropnorm.study.nets.activations import ACTIVATIONS
from dropnorm.study.settings import ActivationName


def test_every_name_that_a_configuration_takes_is_there():
    assert tuple(ACTIVATIONS) == get_args(ActivationName)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_function_module_and_kernel_agree(name):
    activation, x = ACTIVATIONS[name], torch.linspace(-4, 4, 101)
    assert torch.equal(activation.function(x), activation.module()(x))
    assert activation.fused == (name in FUSED)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_gradient_is_autograds(name):
    activation, x, grad = ACTIVATIONS[name], torch.linspace(-4, 4, 101, requires_grad=True), torch.randn(101)
    activation.function(x).backward(grad)
    torch.testing.assert_close(activation.gradient(grad, x.detach()), x.grad)
