"""Checks of tensors that the operations share. They run at each call, so they look at metadata only."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from dropnorm._constraints import Flag
from dropnorm._contract import checked_site
from dropnorm._validate import number, probability
from dropnorm.errors import ArgumentError, ArgumentTypeError, ShapeError


def no_tensor(name: str, value: object) -> ArgumentTypeError:
    """The error for what is no tensor."""
    return ArgumentTypeError(
        f"{name}={type(value).__name__} is no tensor: expected a torch.Tensor. Convert it with torch.as_tensor({name})."
    )


def tensors(**values: object) -> None:
    """Refuse what is neither a tensor nor None."""
    for name, value in values.items():
        if value is not None and not isinstance(value, Tensor):
            raise no_tensor(name, value)


def same_device(x: Tensor, name: str = "x", **others: Tensor | None) -> None:
    """Refuse tensors that are not where x is."""
    for other, value in others.items():
        if value is not None and value.device != x.device:
            raise ArgumentError(
                f"{name}.device={x.device} is not where {other} is, on {value.device}: expected one device. Move it with "
                f"{name}.to({str(value.device)!r})."
            )


def numbers(**values: object) -> None:
    """Refuse what is no number, such as an eps of None."""
    for name, value in values.items():
        if type(value) is not float and not isinstance(value, torch.SymFloat):
            number(value, name)


def flags(**values: object) -> None:
    """Refuse what is neither True nor False."""
    for name, value in values.items():
        if type(value) is not bool:
            Flag().check(value, name)


def floating(x: Tensor, name: str = "x") -> None:
    """Refuse what has no fractions: integers, booleans, complex numbers."""
    if not isinstance(x, Tensor):
        raise no_tensor(name, x)
    if not x.is_floating_point():
        raise ArgumentTypeError(
            f"{name}.dtype={x.dtype} is not supported: expected float32, float64, bfloat16 or float16. "
            f"Convert it with {name}.float()."
        )
    if x.layout is not torch.strided and (x.is_sparse or x.is_sparse_csr):
        raise ArgumentTypeError(
            f"{name}.layout={x.layout} is not supported: expected a dense tensor. Convert it with {name}.to_dense()."
        )


def rates(x: Tensor, p: float | Sequence[float], key: Tensor, site: int, rows: Tensor | None) -> list[float]:
    """Refuse what makes no mask for x; return the drop probabilities, one per key."""
    if (
        rows is None
        and type(site) is int
        and site == 0
        and type(p) is float
        and 0.0 <= p <= 1.0
        and isinstance(key, Tensor)
        and key.ndim == 0
        and key.dtype == torch.int64
    ):
        return [p]  # what nearly every call is
    if key is None:
        raise no_tensor("key", key)
    tensors(key=key, rows=rows)
    checked_site(site)
    for name, whole in (("key", key), ("rows", rows)):
        if whole is not None and whole.dtype != torch.int64:
            raise ArgumentTypeError(
                f"{name}.dtype={whole.dtype} is not supported: expected torch.int64. Convert it with {name}.long()."
            )
    groups = key.numel() if key.ndim else 1
    if key.ndim > 1 or (key.ndim == 1 and (x.ndim < 2 or x.shape[0] != groups)):
        raise ShapeError(
            f"key.shape={tuple(key.shape)} does not fit x.shape={tuple(x.shape)}: expected a key of shape (), or "
            f"(groups,) for an x of shape (groups, N, *)."
        )
    values = (
        list(p) if isinstance(p, Iterable) and not isinstance(p, str) and getattr(p, "ndim", 1) != 0 else [p] * groups
    )
    if len(values) != groups:
        raise ArgumentError(f"p has {len(values)} values for {groups} groups: expected one number, or one per group.")
    if rows is not None and tuple(rows.shape) != tuple(x.shape[key.ndim : key.ndim + 1]):
        raise ShapeError(
            f"rows.shape={tuple(rows.shape)} does not fit x.shape={tuple(x.shape)}: expected one row index per sample."
        )
    return [probability(value) for value in values]


def channels(x: Tensor, weight: Tensor | None, bias: Tensor | None, mask: Tensor | None, grouped: bool) -> None:
    """Refuse an x without channels, and parameters or a mask that do not fit it."""
    floating(x)
    tensors(weight=weight, bias=bias, mask=mask)
    if x.ndim < 2 + grouped:
        layout = "(groups, N, C, *)" if grouped else "(N, C, *)"
        raise ShapeError(f"x.shape={tuple(x.shape)} has no channel dimension: expected {layout}.")
    expected = (x.shape[0], x.shape[2]) if grouped else (x.shape[1],)
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != expected:
            raise ShapeError(
                f"{name}.shape={tuple(parameter.shape)} does not fit x.shape={tuple(x.shape)}: expected {expected}."
            )
    same_device(x, weight=weight, bias=bias, mask=mask)
    positions = (*x.shape[: 1 + grouped], *x.shape[2 + grouped :])
    if mask is not None and (tuple(mask.shape) != positions or mask.dtype.is_floating_point or mask.dtype.is_complex):
        raise ShapeError(
            f"mask.shape={tuple(mask.shape)} of {mask.dtype} does not fit x.shape={tuple(x.shape)}: expected a "
            f"boolean mask of shape {positions}, True where a position counts."
        )
