"""Checks of tensors that the operations share. They run at each call, so they look at metadata only."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from dropnorm._contract import checked_site
from dropnorm._validate import probability
from dropnorm.errors import ArgumentError, ArgumentTypeError, ShapeError


def floating(x: Tensor) -> None:
    """Refuse what has no fractions: integers, booleans, complex numbers."""
    if not x.is_floating_point():
        raise ArgumentTypeError(
            f"x.dtype={x.dtype} is not supported: expected float32, float64, bfloat16 or float16. "
            f"Convert it with x.float()."
        )


def rates(x: Tensor, p: float | Sequence[float], key: Tensor, site: int, rows: Tensor | None) -> list[float]:
    """Refuse what makes no mask for x; return the drop probabilities, one per key."""
    if (
        rows is None
        and site == 0
        and type(p) is float
        and 0.0 <= p <= 1.0
        and key.ndim == 0
        and key.dtype == torch.int64
    ):
        return [p]  # what nearly every call is
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
    values = list(p) if isinstance(p, Iterable) and not isinstance(p, str) else [p] * groups
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
    if x.ndim < 2 + grouped:
        layout = "(groups, N, C, *)" if grouped else "(N, C, *)"
        raise ShapeError(f"x.shape={tuple(x.shape)} has no channel dimension: expected {layout}.")
    expected = (x.shape[0], x.shape[2]) if grouped else (x.shape[1],)
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and tuple(parameter.shape) != expected:
            raise ShapeError(
                f"{name}.shape={tuple(parameter.shape)} does not fit x.shape={tuple(x.shape)}: expected {expected}."
            )
    positions = (*x.shape[: 1 + grouped], *x.shape[2 + grouped :])
    if mask is not None and (tuple(mask.shape) != positions or mask.dtype.is_floating_point or mask.dtype.is_complex):
        raise ShapeError(
            f"mask.shape={tuple(mask.shape)} of {mask.dtype} does not fit x.shape={tuple(x.shape)}: expected a "
            f"boolean mask of shape {positions}, True where a position counts."
        )
