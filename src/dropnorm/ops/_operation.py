"""An operation as torch's dispatcher and its compiler know it: registered, with its gradient and its shapes."""

from collections.abc import Callable
from typing import Any

import torch

from dropnorm.ops._transforms import is_transformed


class Operation:
    """A differentiable operation, called with positional arguments."""

    def __init__(
        self,
        name: str,
        reference: Callable[..., Any],
        kernel: Callable[..., Any],
        fake: Callable[..., Any],
        setup_context: Callable[[Any, tuple[Any, ...], Any], None],
        backward: Callable[..., Any],
    ) -> None:
        self.reference = reference
        self.registered = torch.library.custom_op(f"dropnorm::{name}", reference, mutates_args=())
        self.registered.register_kernel("cpu", kernel)
        self.registered.register_fake(fake)
        self.registered.register_autograd(backward, setup_context=setup_context)

    def __call__(self, *args: Any) -> Any:
        """Run it on whatever the arguments are."""
        # torch.func and forward mode differentiate the composition like any other.
        return self.reference(*args) if is_transformed() else self.registered(*args)
