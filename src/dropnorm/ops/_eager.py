"""The operations in plain eager code on the CPU: straight to the native kernels, with an autograd function around them.

torch's dispatcher and its way through Python to a registered operation take longer than a small batch takes to compute. So
where nobody watches the dispatcher, the kernel runs first, and what it made is then attached to the graph. What is unusual
in any way is left to the registered operations: these functions return None.
"""

import atexit
import gc
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from dropnorm.kernels import cpu
from dropnorm.kernels.instruction_sets import kernels

# Looked up once: these run at every call.
_transformed = torch._C._are_functorch_transforms_active
_watched = torch._C._len_torch_dispatch_stack
_traced = torch._C._is_tracing


def nobody_watches() -> bool:
    """Whether there are native kernels, and no compiler, transform, mode or trace wants to see operations."""
    if torch.compiler.is_compiling() or _watched() or _traced() or _transformed() or forward_ad._current_level >= 0:
        return False
    return kernels() is not None


def is_plain(x: Tensor) -> bool:
    """Whether x is a tensor on the CPU and nothing more special."""
    kind = type(x)
    return (kind is Tensor or kind is Parameter) and x.is_cpu


def dropout(x: Tensor, arguments: tuple[Any, ...], decided: Any = None) -> Tensor | None:
    """`kernels.cpu.dropout` of x and these arguments, which may have been decided already."""
    if not (nobody_watches() and is_plain(x)):
        return None
    decided = decided or cpu.decide(*arguments)
    y = None if decided is None else cpu.dropped(x, decided)
    if y is None or not (x.requires_grad and torch.is_grad_enabled()):
        return y
    attached: Tensor = _attach_dropout(x, arguments, decided, [y])
    return attached


def dropout_(x: Tensor, arguments: tuple[Any, ...]) -> Tensor | None:
    """The same in x itself."""
    if not (nobody_watches() and is_plain(x)):
        return None
    differentiable = x.requires_grad and torch.is_grad_enabled()
    # Copying refuses a leaf before it is changed; our kernel would have changed it by then.
    if differentiable and (x.is_leaf or x._is_view()):
        return None
    decided = cpu.decide(*arguments)
    if decided is None or not cpu.dropped_in_place(x, decided):
        return None
    if differentiable:
        y: Tensor = _attach_dropout_(x, arguments, decided)
        return y
    torch.autograd.graph.increment_version(x)
    return x


def batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    counted: Tensor | None,
    eps: float,
    activation: str,
    negative_slope: float,
    dropping: tuple[Any, ...] | None,
    grouped: bool,
) -> tuple[Tensor, Any] | None:
    """`kernels.cpu.batch_norm_act_dropout`: y, and the call, which has the statistics.

    dropping: p, key, site, rows and channelwise; None drops nothing.
    """
    if not (nobody_watches() and is_plain(x)):
        return None
    decided = None
    if dropping is not None:
        decided = cpu.decide(*dropping)
        if decided is None:
            return None
    made = cpu.normalized(x, weight, bias, counted, eps, activation, negative_slope, decided, grouped)
    if made is None or not torch.is_grad_enabled():
        return made
    y, call = made
    if x.requires_grad or (weight is not None and weight.requires_grad) or (bias is not None and bias.requires_grad):
        arguments = (eps, activation, negative_slope, dropping, grouped)
        y = _attach_batch_norm(x, weight, bias, counted, call, arguments, [y])
    return y, call


def _function(name: str, forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """`apply` of an autograd function with this forward and backward pass."""
    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    function = type(name, (torch.autograd.Function,), methods)
    # What stands between the engine and the two passes, checks of what is not there and preparations for functional transforms,
    # which have been ruled out, takes longer than a small batch's own work.
    function._backward_cls.apply = backward  # type: ignore[attr-defined]
    apply: Callable[..., Any] = super(torch.autograd.Function, function).apply  # type: ignore[misc]
    return apply


def _rates(p: Any) -> list[float]:
    """Drop probabilities as the registered operations take them."""
    return [p] if isinstance(p, float) else list(p)


def _keep(ctx: Any, arguments: tuple[Any, ...], decided: Any) -> None:
    ctx.p, key, ctx.site, rows, ctx.channelwise = arguments
    ctx.decided = decided
    ctx.save_for_backward(key, rows)


def _keep_dropout(ctx: Any, _: Tensor, arguments: tuple[Any, ...], decided: Any, made: list[Tensor]) -> Tensor:
    _keep(ctx, arguments, decided)
    return made.pop()


def _keep_dropout_(ctx: Any, x: Tensor, arguments: tuple[Any, ...], decided: Any) -> Tensor:
    _keep(ctx, arguments, decided)
    ctx.mark_dirty(x)
    return x


def _dropout_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
    # Dropout is linear in x: its gradient is itself, with the mask made again; so is the gradient of that.
    if not torch.is_grad_enabled() and nobody_watches() and is_plain(grad):
        made = cpu.dropped(grad, ctx.decided)
        if made is not None:
            return made, None, None, None
    key, rows = ctx.saved_tensors
    arguments = (ctx.p, key, ctx.site, rows, ctx.channelwise)
    made = dropout(grad, arguments, ctx.decided)
    if made is None:
        made = torch.ops.dropnorm.dropout(grad, _rates(ctx.p), *arguments[1:])
    return made, None, None, None


def _dropout_backward_(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
    return _dropout_backward(ctx, grad)[:3]  # one argument less


def _keep_batch_norm(
    ctx: Any,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    counted: Tensor | None,
    call: Any,
    arguments: tuple[Any, ...],
    made: list[Tensor],
) -> Tensor:
    ctx.save_for_backward(x, weight, bias, counted)
    ctx.call, ctx.arguments = call, arguments
    return made.pop()


def _batch_norm_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, bias, counted = ctx.saved_tensors
    # A gradient that is to be differentiated itself is made by the registered operation, which can be.
    if not torch.is_grad_enabled() and nobody_watches():
        made = cpu.gradients(ctx.call, grad, x, weight, bias, counted)
        if made is not None:
            return *made, None, None, None, None
    eps, activation, negative_slope, dropping, grouped = ctx.arguments
    mean, var = cpu.statistics(ctx.call, x, grouped)
    if dropping is None:
        made = torch.ops.dropnorm.batch_norm_backward(grad, x, weight, mean, var, counted, eps, grouped)
    else:
        p, *rest = dropping
        made = torch.ops.dropnorm.batch_norm_act_dropout_backward(
            grad, x, weight, bias, mean, var, counted, eps, activation, negative_slope, _rates(p), *rest, grouped
        )
    grad_x, *of_parameters = made
    pairs = zip(of_parameters, (weight, bias), strict=True)
    return grad_x, *(None if of is None else each.to(of.dtype) for each, of in pairs), None, None, None, None


_attach_dropout = _function("dropout", _keep_dropout, _dropout_backward)
_attach_dropout_ = _function("dropout_", _keep_dropout_, _dropout_backward_)
_attach_batch_norm = _function("batch_norm_act_dropout", _keep_batch_norm, _batch_norm_backward)


@atexit.register
def _release() -> None:
    """Empty the graphs that are still held when the interpreter ends: torch does not free them any more once it has ended."""
    kinds = {apply.__self__._backward_cls for apply in (_attach_dropout, _attach_dropout_, _attach_batch_norm)}  # type: ignore[attr-defined]
    for node in gc.get_objects():
        if type(node) in kinds:
            vars(node).clear()
