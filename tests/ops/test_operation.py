import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing._internal.logging_tensor import LoggingTensor

from dropnorm import ops
from dropnorm.ops._operation import is_differentiable, is_direct

KEY = torch.tensor(1)


def test_plain_tensors_go_straight_to_the_kernel():
    assert is_direct((torch.ones(2), torch.nn.Parameter(torch.ones(2)), None, 0.5, [0.1]))
    assert ops.dropout(torch.ones(4, 3, requires_grad=True), 0.5, KEY).grad_fn.name() == "dropoutBackward"


@pytest.mark.parametrize(
    "other", [torch.ones(2, device="meta"), LoggingTensor(torch.ones(2))], ids=["meta", "subclass"]
)
def test_other_tensors_do_not_wherever_they_stand(other):
    assert not is_direct((torch.ones(2), other))


def test_whoever_traces_sees_the_registered_operation():
    graph = make_fx(lambda x: ops.dropout(x, 0.5, KEY))(torch.ones(4, 3)).graph
    assert "dropnorm.dropout.default" in {str(node.target) for node in graph.nodes}


def test_autograd_is_asked_for_only_where_it_has_something_to_do():
    leaf = torch.ones(2, requires_grad=True)
    assert is_differentiable((torch.ones(2), leaf))
    assert not is_differentiable((torch.ones(2), 0.5))
    with torch.no_grad():
        assert not is_differentiable((leaf,))
