"""Whether torch.func or forward-mode differentiation is at work, which registered operations know nothing of."""

import torch
from torch.autograd import forward_ad


def is_transformed() -> bool:
    """True inside torch.func.jvp, grad, vmap and in forward-mode: there the reference composition is to be called itself.

    torch differentiates that composition like any other; of a registered operation it would silently drop the tangent.
    """
    if torch.compiler.is_compiling():
        return False
    active: bool = torch._C._are_functorch_transforms_active()
    return active or forward_ad._current_level >= 0
