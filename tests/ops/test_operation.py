import torch
from torch import Tensor

from dropnorm.ops._operation import Operation


def test_transforms_differentiate_the_reference_and_all_else_goes_to_the_kernel():
    called = []

    def reference(x: Tensor) -> Tensor:
        called.append("reference")
        return x * 2

    def kernel(x: Tensor) -> Tensor:
        called.append("kernel")
        return x * 2

    double = Operation(
        "double_for_tests",
        reference,
        kernel,
        torch.empty_like,
        lambda **_: None,
        lambda _, grad: grad * 2,
    )
    x = torch.ones(3, requires_grad=True)
    double(x).sum().backward()
    assert called == ["kernel"]
    assert x.grad.tolist() == [2.0] * 3
    assert torch.func.grad(lambda x: double(x).sum())(torch.ones(3)).tolist() == [2.0] * 3
    assert called == ["kernel", "reference"]
