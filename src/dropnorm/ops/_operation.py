"""An operation's two ways to its kernels: registered with torch.library, and straight to the CPU kernel in plain eager code."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from dropnorm.ops._transforms import is_transformed

# Looked up once: these run at every call.
_watched = torch._C._len_torch_dispatch_stack
_traced = torch._C._is_tracing


class Operation:
    """A differentiable operation, called with positional arguments.

    torch's dispatcher and the compiler see the registered operation. Its way through Python takes longer than a small batch
    takes to compute, so plain tensors on the CPU, where nobody watches the dispatcher, go straight to the kernel, by an
    autograd function that is made of the same context and the same gradient.
    """

    def __init__(
        self,
        name: str,
        reference: Callable[..., Any],
        kernel: Callable[..., Any],
        fake: Callable[..., Any],
        setup_context: Callable[[Any, tuple[Any, ...], Any], None],
        backward: Callable[..., Any],
    ) -> None:
        self.reference, self.kernel = reference, kernel
        self.registered = torch.library.custom_op(f"dropnorm::{name}", reference, mutates_args=())
        self.registered.register_kernel("cpu", kernel)
        self.registered.register_fake(fake)
        self.registered.register_autograd(backward, setup_context=setup_context)
        self._apply = direct_function(name, kernel, setup_context, backward)

    def __call__(self, *args: Any) -> Any:
        """Run it on whatever the arguments are."""
        if is_direct(args):
            return self._apply(*args) if is_differentiable(args) else self.kernel(*args)
        # torch.func and forward mode differentiate the composition like any other.
        return self.reference(*args) if is_transformed() else self.registered(*args)


def is_direct(args: Iterable[Any]) -> bool:
    """Whether all tensors are plain ones on the CPU, and no compiler, transform, mode or trace wants to see operations."""
    if torch.compiler.is_compiling() or is_transformed() or _watched() or _traced():
        return False
    for arg in args:
        kind = type(arg)
        if kind is Tensor or kind is Parameter:
            if not arg.is_cpu:
                return False
        elif isinstance(arg, Tensor):
            return False
    return True


def is_differentiable(args: Iterable[Any]) -> bool:
    """Whether autograd has to know of a call with these arguments."""
    if torch.is_grad_enabled():
        for arg in args:
            if isinstance(arg, Tensor) and arg.requires_grad:
                return True
    return False


def direct_function(
    name: str,
    kernel: Callable[..., Any],
    setup_context: Callable[[Any, tuple[Any, ...], Any], None],
    backward: Callable[..., Any],
) -> Callable[..., Any]:
    """`apply` of an autograd function with this forward and backward pass."""

    def forward(ctx: Any, *args: Any) -> Any:
        output = kernel(*args)
        setup_context(ctx, args, output)
        return output

    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    function = type(name, (torch.autograd.Function,), methods)
    # The base's apply: Function's own prepares for functional transforms, which is_transformed has ruled out.
    apply: Callable[..., Any] = super(torch.autograd.Function, function).apply  # type: ignore[misc]
    return apply
