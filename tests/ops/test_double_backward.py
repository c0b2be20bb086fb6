import pytest
import torch
import torch.nn.functional as F

from dropnorm import ops
from dropnorm.ops._double_backward import gradient_of_gradient

KEY = torch.tensor(5)
F64 = torch.float64


def composition(x, weight, bias):
    return torch.tanh(x * weight + bias) * x


def leaves():
    return [torch.randn(4, 3, dtype=F64, requires_grad=True), *torch.randn(2, 3, dtype=F64).requires_grad_().unbind()]


@pytest.mark.parametrize("absent", [(), (0,), (1, 2)])
def test_it_is_the_gradient_of_the_gradient(absent):
    x, weight, bias = leaves()
    grad = torch.randn(4, 3, dtype=F64, requires_grad=True)
    first = torch.autograd.grad(composition(x, weight, bias), (x, weight, bias), grad, create_graph=True)
    cotangents = [None if index in absent else torch.randn_like(value) for index, value in enumerate(first)]
    loss = sum(
        (value * cotangent).sum() for value, cotangent in zip(first, cotangents, strict=True) if cotangent is not None
    )
    expected = torch.autograd.grad(loss, (grad, x, weight, bias))
    found = gradient_of_gradient(composition, grad, x, weight, bias, cotangents, (3,))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_an_absent_weight_is_ones_and_an_absent_bias_zeros_and_neither_gets_a_gradient():
    x, *_ = leaves()
    grad, cotangents = torch.randn(4, 3, dtype=F64), [torch.randn(4, 3, dtype=F64), torch.randn(3, dtype=F64), None]
    found = gradient_of_gradient(composition, grad, x, None, None, cotangents, (3,))
    expected = gradient_of_gradient(
        composition, grad, x, torch.ones(3, dtype=F64), torch.zeros(3, dtype=F64), cotangents, (3,)
    )
    assert found[2] is None
    assert found[3] is None
    torch.testing.assert_close(found[:2], expected[:2])


def test_tensors_without_gradient_are_left_without_one():
    x, weight, bias = (leaf.detach() for leaf in leaves())
    grad = torch.randn(4, 3, dtype=F64)
    cotangents = [torch.randn(4, 3, dtype=F64), None, None]
    assert gradient_of_gradient(composition, grad, x, weight, bias, cotangents, (3,))[1].shape == x.shape
    assert not any(tensor.requires_grad for tensor in (x, weight, bias, grad))


# What gradgradcheck cannot see, since it takes the gradient that comes in as given: in practice it depends on x.


def by_hand(x):
    return (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()


NORMS = {
    "batch_norm": (lambda x: ops.batch_norm(x)[0], by_hand),
    "batch_norm_act_dropout": (
        lambda x: ops.batch_norm_act_dropout(x, None, None, 0.5, KEY, activation="silu")[0],
        lambda x: ops.dropout(F.silu(by_hand(x)), 0.5, KEY),
    ),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("order", [2, 3])
def test_penalties_on_gradients_of_gradients_are_those_of_the_composition(name, order):
    # At order 3 torch's own batch norm is not a reference: its second derivative takes the saved statistics as constants.
    found = []
    for function in NORMS[name]:
        x = torch.linspace(-2, 3, 18, dtype=F64).reshape(6, 3).sin().requires_grad_()
        value = function(x).pow(3).sum()
        for _ in range(order):
            (grad,) = torch.autograd.grad(value, x, create_graph=True)
            value = value + grad.square().sum()
        found.append(grad.detach())
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


def test_a_gradient_penalty_is_torchs():
    found = []
    for function in (NORMS["batch_norm"][0], lambda x: F.batch_norm(x, None, None, training=True)):
        x = torch.linspace(-2, 3, 18, dtype=F64).reshape(6, 3).sin().requires_grad_()
        loss = function(x).pow(3).sum()
        (grad,) = torch.autograd.grad(loss, x, create_graph=True)
        found.append(torch.autograd.grad(loss + grad.square().sum(), x)[0])
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NORMS)
def test_an_input_that_is_its_own_incoming_gradient_is_counted_once(name):
    found = []
    for function in NORMS[name]:
        x = torch.linspace(-2, 3, 18, dtype=F64).reshape(6, 3).sin().requires_grad_()
        (grad,) = torch.autograd.grad(function(x), x, grad_outputs=x, create_graph=True)
        found.append(torch.autograd.grad(grad.square().sum(), x)[0])
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)
