"""The CPU backend: native kernels for what lies in memory channels first or last, a copy of what does not, or the reference.

The native module reads tensors itself, and says of each call whether it took it; what it leaves is not an error.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dropnorm._contract import checked_site
from dropnorm.kernels import reference
from dropnorm.kernels.instruction_sets import kernels

ACTIVATION_NUMBERS = {name: number for number, name in enumerate(reference.ACTIVATIONS)}


def decide(p: float | Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool) -> Any:
    """The mask's decisions as the native kernels take them; None where there are no kernels for key and rows."""
    native = kernels()
    return None if native is None else native.decide(p, key, checked_site(site), rows, channelwise)


def dropped(x: Tensor, decided: Any) -> Tensor | None:
    """Drop the decided units of x into a new tensor; None where the native kernel takes neither x nor a copy of it."""
    native: Any = kernels()
    y = torch.empty_like(x)
    if native.dropout(x, y, decided, torch.get_num_threads()):
        return y
    ordered = _ordered(x)
    result = torch.empty_like(ordered)
    return y.copy_(result) if native.dropout(ordered, result, decided, torch.get_num_threads()) else None


def dropped_in_place(x: Tensor, decided: Any) -> bool:
    """Drop in x itself, and say whether that was possible."""
    native: Any = kernels()
    done: bool = native.dropout(x, x, decided, torch.get_num_threads())
    return done


def normalized(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    counted: Tensor | None,
    eps: float,
    activation: str,
    negative_slope: float,
    decided: Any,
    grouped: bool,
) -> tuple[Tensor, Any] | None:
    """Batch norm, activation and dropout (none, if nothing is decided) of x, and the call with what its gradients need.

    None where the native kernels take neither these tensors nor copies of them.
    """
    native: Any = kernels()
    call = native.BatchNorm(eps, ACTIVATION_NUMBERS[activation], negative_slope, decided, grouped)
    y = torch.empty_like(x)
    if call.forward(x, y, weight, bias, counted, torch.get_num_threads()):
        return y, call
    given = (x, weight, bias, counted)
    if not all(tensor is None or tensor.is_cpu for tensor in given):
        return None
    copies = [None if tensor is None else _ordered(tensor) for tensor in given]
    result = torch.empty_like(copies[0])  # type: ignore[arg-type] # x is not None
    if call.forward(copies[0], result, *copies[1:], torch.get_num_threads()):
        return y.copy_(result), call
    return None


def statistics(call: Any, x: Tensor, grouped: bool) -> tuple[Tensor, Tensor]:
    """Mean and variance that a forward pass of x has kept."""
    shape = (x.shape[0], x.shape[2]) if grouped else (x.shape[1],)
    dtype = reference.accumulation_dtype(x)
    mean, var = torch.empty(shape, dtype=dtype, device="cpu"), torch.empty(shape, dtype=dtype, device="cpu")
    call.statistics(mean, var)
    return mean, var


def gradients(
    call: Any, grad: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, counted: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None] | None:
    """The gradients of x, weight and bias from that of the call's output, of what there is; None as for `normalized`."""
    grad_x = torch.empty_like(x)
    grad_weight = None if weight is None else torch.empty_like(weight)
    grad_bias = None if bias is None else torch.empty_like(bias)
    of_parameters = (grad_weight, grad_bias)
    if call.backward(grad, x, weight, bias, counted, grad_x, *of_parameters, torch.get_num_threads()):
        return grad_x, grad_weight, grad_bias
    # A gradient may lie otherwise than x, as that of a sum does.
    along = grad_x.copy_(grad)
    if call.backward(along, x, weight, bias, counted, grad_x, *of_parameters, torch.get_num_threads()):
        return grad_x, grad_weight, grad_bias
    first, *rest = (None if tensor is None else _ordered(tensor) for tensor in (x, weight, bias, counted))
    along = _ordered(grad).to(x.dtype, copy=True)
    if call.backward(along, first, *rest, along, *of_parameters, torch.get_num_threads()):
        return grad_x.copy_(along), grad_weight, grad_bias
    return None


def dropout(x: Tensor, p: Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool) -> Tensor:
    """Drop as the reference does, to the bit."""
    decided = decide(p, _ordered(key), site, rows if rows is None else _ordered(rows), channelwise)
    y = None if decided is None else dropped(x, decided)
    return reference.dropout(x, p, key, site, rows, channelwise) if y is None else y


def batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None, eps: float, grouped: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The reference's batch norm: (y, mean, var)."""
    made = kernels() and normalized(x, weight, bias, mask, eps, "identity", 0.0, None, grouped)
    if not made:
        return reference.batch_norm(x, weight, bias, mask, eps, grouped)
    y, call = made
    return y, *statistics(call, x, grouped)


def batch_norm_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor,
    var: Tensor,
    mask: Tensor | None,
    eps: float,
    grouped: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, weight and bias."""
    made = _recalled(grad, x, weight, None, mean, var, mask, eps, "identity", 0.0, None, grouped)
    return made or reference.batch_norm_backward(grad, x, weight, mean, var, mask, eps, grouped)


def batch_norm_act_dropout(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    eps: float,
    activation: str,
    negative_slope: float,
    p: Sequence[float],
    key: Tensor,
    site: int,
    rows: Tensor | None,
    channelwise: bool,
    grouped: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The reference's fused operation: (y, mean, var)."""
    decided = decide(p, _ordered(key), site, rows if rows is None else _ordered(rows), channelwise)
    made = decided and normalized(x, weight, bias, mask, eps, activation, negative_slope, decided, grouped)
    if not made:
        return reference.batch_norm_act_dropout(
            x, weight, bias, mask, eps, activation, negative_slope, p, key, site, rows, channelwise, grouped
        )
    y, call = made
    return y, *statistics(call, x, grouped)


def batch_norm_act_dropout_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    mask: Tensor | None,
    eps: float,
    activation: str,
    negative_slope: float,
    p: Sequence[float],
    key: Tensor,
    site: int,
    rows: Tensor | None,
    channelwise: bool,
    grouped: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, weight and bias; the normalized input and the mask are made again."""
    decided = decide(p, _ordered(key), site, rows if rows is None else _ordered(rows), channelwise)
    made = decided and _recalled(
        grad, x, weight, bias, mean, var, mask, eps, activation, negative_slope, decided, grouped
    )
    return made or reference.batch_norm_act_dropout_backward(
        grad,
        x,
        weight,
        bias,
        mean,
        var,
        mask,
        eps,
        activation,
        negative_slope,
        p,
        key,
        site,
        rows,
        channelwise,
        grouped,
    )


def _recalled(
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    mask: Tensor | None,
    eps: float,
    activation: str,
    negative_slope: float,
    decided: Any,
    grouped: bool,
) -> tuple[Tensor, Tensor, Tensor] | None:
    """The gradients where a forward pass has left its statistics in tensors; those of parameters in their own type."""
    native = kernels()
    if native is None:
        return None
    call = native.BatchNorm(eps, ACTIVATION_NUMBERS[activation], negative_slope, decided, grouped)
    mean, var = _ordered(mean), _ordered(var)
    ordered = x if call.recall(x, mean, var) else _ordered(x)
    if ordered is not x and not call.recall(ordered, mean, var):
        return None
    # A registered operation returns gradients of both parameters, in the accumulation type, whether they are there or not.
    ones, zeros = torch.ones_like(mean), torch.zeros_like(mean)
    weight = ones if weight is None else _ordered(weight).to(mean.dtype)
    bias = zeros if bias is None else _ordered(bias).to(mean.dtype)
    made = gradients(call, grad, ordered, weight, bias, mask)
    if made is None:
        return None
    grad_x, grad_weight, grad_bias = made
    assert grad_weight is not None
    assert grad_bias is not None
    return grad_x if ordered is x else torch.empty_like(x).copy_(grad_x), grad_weight, grad_bias


def _ordered(tensor: Tensor) -> Tensor:
    """The values as a plain tensor in the usual order, in the processor's memory."""
    return tensor.detach().as_subclass(Tensor).cpu().contiguous()
