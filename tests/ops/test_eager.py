import subprocess
import sys

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing._internal.logging_tensor import LoggingTensor

from dropnorm import ops
from dropnorm.kernels import instruction_sets
from dropnorm.ops import _eager

KEY = torch.tensor(1)
DROPPING = (0.5, KEY, 0, None, False)

pytestmark = pytest.mark.skipif(instruction_sets.kernels() is None, reason="without native kernels nothing is direct")


def batch_norm(x, weight=None, bias=None, counted=None):
    return _eager.batch_norm(x, weight, bias, counted, 1e-5, "relu", 0.0, DROPPING, False)


def test_plain_tensors_go_straight_to_the_kernel():
    assert _eager.nobody_watches()
    x = torch.randn(4, 3, requires_grad=True)
    assert ops.dropout(x, 0.5, KEY).grad_fn.name() == "dropoutBackward"
    assert ops.dropout_(x * 1, 0.5, KEY).grad_fn.name() == "dropout_Backward"
    assert ops.batch_norm(x)[0].grad_fn.name() == "batch_norm_act_dropoutBackward"


@pytest.mark.parametrize(
    "other", [torch.ones(4, 2, device="meta"), LoggingTensor(torch.ones(4, 2))], ids=["meta", "subclass"]
)
def test_other_tensors_do_not(other):
    assert _eager.dropout(other, DROPPING) is None
    assert _eager.dropout_(other, DROPPING) is None
    assert batch_norm(other) is None
    assert batch_norm(torch.ones(4, 2), other[0]) is None


def test_what_is_not_for_the_kernels_is_left_to_who_has_a_word_about_it():
    x = torch.randn(4, 3)
    for arguments in ((1.5, KEY, 0, None, False), (0.5, KEY.int(), 0, None, False), (0.5, KEY, 0, KEY, False)):
        assert _eager.dropout(x, arguments) is None
        assert _eager.batch_norm(x, None, None, None, 1e-5, "relu", 0.0, arguments, False) is None
    assert _eager.dropout(x, (0.5, KEY, 0, torch.arange(3), False)) is None
    assert _eager.dropout(x.long(), DROPPING) is None
    assert batch_norm(x, torch.ones(4)) is None
    assert batch_norm(x, counted=torch.ones(4)) is None
    assert batch_norm(x[0]) is None


def test_whoever_traces_sees_the_registered_operation():
    graph = make_fx(lambda x: ops.dropout(x, 0.5, KEY))(torch.ones(4, 3)).graph
    assert "dropnorm.dropout.default" in {str(node.target) for node in graph.nodes}


@pytest.mark.parametrize("affine", [False, True])
def test_both_ways_give_the_same_bits(affine):
    x, grad = torch.randn(40, 20, requires_grad=True), torch.randn(40, 20)
    weight = torch.rand(20, requires_grad=True) if affine else None
    bias = torch.randn(20, requires_grad=True) if affine else None
    leaves = [x, weight, bias] if affine else [x]
    y, mean, var = ops.batch_norm_act_dropout(x, weight, bias, 0.3, KEY, activation="gelu")
    arguments = (x, weight, bias, None, 1e-5, "gelu", 0.01, [0.3], KEY, 0, None, False, False)
    other = torch.ops.dropnorm.batch_norm_act_dropout(*arguments)
    found = (y, mean, var, *torch.autograd.grad(y, leaves, grad))
    expected = (*other, *torch.autograd.grad(other[0], leaves, grad))
    for one, another in zip(found, expected, strict=True):
        assert torch.equal(one, another)


def test_a_gradient_is_taken_however_it_lies():
    x = torch.randn(6, 5, 4, 4, requires_grad=True)
    for grad in (
        torch.ones(()).expand(6, 5, 4, 4),
        torch.randn(6, 4, 4, 5).movedim(-1, 1),
        torch.randn(6, 5, 4, 8)[..., ::2],
    ):
        for run in (lambda: ops.dropout(x, 0.5, KEY), lambda: ops.batch_norm(x)[0]):
            (found,) = torch.autograd.grad(run(), x, grad)
            (expected,) = torch.autograd.grad(run(), x, grad.contiguous())
            assert torch.equal(found, expected)


def test_autograd_is_asked_for_only_where_it_has_something_to_do():
    leaf = torch.ones(4, 2, requires_grad=True)
    assert not ops.dropout(torch.ones(4, 2), 0.5, KEY).requires_grad
    with torch.no_grad():
        assert not ops.dropout(leaf, 0.5, KEY).requires_grad
        assert not ops.batch_norm(leaf)[0].requires_grad
    assert ops.batch_norm(torch.ones(4, 2), leaf[0])[0].requires_grad


def test_what_was_changed_since_is_not_used():
    x = torch.randn(4, 3, requires_grad=True)
    weight = torch.ones(3, requires_grad=True)
    y = ops.batch_norm(x * 1, weight)[0]
    with torch.no_grad():
        weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


OUTPUTS = """
import torch
from dropnorm import nn
x = torch.randn(4, 3, requires_grad=True)
outputs = [nn.BatchNorm1d(3)(x), nn.Dropout()(x), nn.Dropout(inplace=True)(x * 1.0), nn.BatchNormActDropout1d(3)(x)]
"""
STUDY = """
import numpy as np
import dropnorm as dn
images = np.random.default_rng(0).normal(size=(60, 8, 8))
dn.run_study(images, np.arange(60) % 2, net="conv", channels=(2,), seeds=2, epochs=1)
"""


@pytest.mark.parametrize("script", [OUTPUTS, STUDY], ids=["outputs", "study"])
def test_nothing_native_is_left_when_the_interpreter_ends(script):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
