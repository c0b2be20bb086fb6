import pytest
import torch
import torch.nn.functional as F
from torch.autograd import forward_ad

from dropnorm import ops
from dropnorm.ops._transforms import is_transformed

KEY = torch.tensor(3)

# torch's own forward mode compiles its decompositions with torch.jit.script, which torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated:DeprecationWarning")


def test_it_knows_where_it_is():
    seen = []
    torch.func.jvp(lambda x: (seen.append(is_transformed()), x)[1], (torch.ones(2),), (torch.ones(2),))
    with forward_ad.dual_level():
        seen.append(is_transformed())
    assert (seen, is_transformed()) == ([True, True], False)


def test_forward_mode_derivatives_are_those_of_the_map():
    x, tangent = torch.randn(40, 6, dtype=torch.float64), torch.randn(40, 6, dtype=torch.float64)
    dropped, derivative = torch.func.jvp(lambda x: ops.dropout(x, 0.4, KEY), (x,), (tangent,))
    assert torch.equal(dropped, ops.dropout(x, 0.4, KEY))
    assert torch.equal(derivative, ops.dropout(tangent, 0.4, KEY))

    def theirs(x):
        return F.relu(F.batch_norm(x, None, None, training=True))

    def ours(x):
        return ops.batch_norm_act_dropout(x, None, None, 0.0, KEY)[0]

    expected = torch.func.jvp(theirs, (x,), (tangent,))
    torch.testing.assert_close(torch.func.jvp(ours, (x,), (tangent,)), expected)
    alone = torch.func.jvp(lambda x: ops.batch_norm(x)[0], (x,), (tangent,))[1]
    torch.testing.assert_close(
        alone, torch.func.jvp(lambda x: F.batch_norm(x, None, None, training=True), (x,), (tangent,))[1]
    )


def test_gradients_of_functions_and_of_many_at_once():
    x = torch.randn(5, 40, 6)
    weights = torch.randn(40, 6)

    def loss(x):
        return (ops.batch_norm(x)[0] * weights).sum()

    expected = torch.stack([torch.autograd.grad(loss(each), each)[0] for each in x.clone().requires_grad_().unbind()])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(loss))(x), expected, atol=1e-5, rtol=1e-4)
    grad = torch.func.grad(lambda x: ops.dropout(x, 0.5, KEY).sum())(x[0])
    assert torch.equal(grad, ops.dropout(torch.ones_like(x[0]), 0.5, KEY))
