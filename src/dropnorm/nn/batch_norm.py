"""Batch normalization: torch's layers with padding masks, and running statistics that a bad batch cannot poison."""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnorm import ops
from dropnorm._arguments import checked
from dropnorm._constraints import Flag
from dropnorm._validate import choice
from dropnorm.errors import DropnormError, NonFiniteError, ShapeError, SingletonError
from dropnorm.kernels import cpu
from dropnorm.nn._constraints import COUNT, NUMBER, Device, FloatingType
from dropnorm.nn._path import path_of
from dropnorm.ops import _checks, _eager

NonFinite = Literal["raise", "skip", "propagate"]
Singleton = Literal["raise", "running"]


class _BatchNorm(torch.nn.modules.batchnorm._BatchNorm):
    """What the batch norms share: which statistics normalize a batch, and what it leaves in the running ones."""

    @checked(
        num_features=COUNT,
        eps=NUMBER,
        momentum=NUMBER,
        affine=Flag(),
        track_running_stats=Flag(),
        device=Device(),
        dtype=FloatingType(),
        bias=Flag(),
    )
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        bias: bool = True,
        nonfinite: NonFinite = "raise",
        singleton: Singleton = "raise",
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.nonfinite = choice(nonfinite, "nonfinite", ("raise", "skip", "propagate"))
        self.singleton = choice(singleton, "singleton", ("raise", "running"))

    def _check_input_dim(self, input: Tensor) -> None:
        if not isinstance(input, Tensor):
            raise _checks.no_tensor("input", input)
        try:
            super()._check_input_dim(input)  # type: ignore[no-untyped-call] # torch's
        except ValueError as error:
            raise ShapeError(
                f"input.shape={tuple(input.shape)} does not fit {path_of(self)}: {error}. Reshape it, or use the layer for "
                f"such inputs."
            ) from error

    def forward(self, input: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """Normalize by the batch's statistics in training mode, by the running ones in inference mode."""
        return self._forward(input, mask, None, None)

    def _forward(self, input: Tensor, mask: Tensor | None, key: Tensor | None, rows: Tensor | None) -> Tensor:
        self._check_input_dim(input)
        if mask is not None and not isinstance(mask, Tensor):
            raise _checks.no_tensor("mask", mask)
        if input.shape[1] != self.num_features:
            raise ShapeError(
                f"input.shape={tuple(input.shape)} does not fit {path_of(self)}: "
                f"expected {self.num_features} channels in dimension 1, got {input.shape[1]}."
            )
        training, running_mean = self.training, self._own("running_mean")
        if not training and running_mean is not None:
            return self._by_running(input, key, rows)
        if mask is None and input.numel() > self.num_features:
            y = self._in_eager(input, running_mean, key, rows)
            if y is not None:
                return y
        count: int | Tensor = math.prod((input.shape[0], *input.shape[2:]))
        if mask is not None and count:
            count = mask.count_nonzero()
        enough = self._enough(input, count)
        if enough is False:
            return self._by_running(input, key, rows)
        y, mean, var = self._by_batch(input, mask, key, rows)
        if training and self.track_running_stats and running_mean is not None:
            self._track(mean, var, count)
        return torch.where(enough, y, self._by_running(input, key, rows)) if isinstance(enough, Tensor) else y

    def _in_eager(
        self, input: Tensor, running_mean: Tensor | None, key: Tensor | None, rows: Tensor | None
    ) -> Tensor | None:
        """Do the usual by native calls alone; None where anything is unusual."""
        weight, bias = self._own("weight"), self._own("bias")
        try:
            made = _eager.batch_norm(input, weight, bias, None, self.eps, *self._following(key, rows), False)
        except NotImplementedError:  # of a sparse tensor
            made = None
        if made is None:
            return None
        y, call = made
        running_var, batches = self._own("running_var"), self._own("num_batches_tracked")
        if not (self.training and self.track_running_stats) or running_mean is None:
            return y
        if running_var is None or batches is None:
            return y
        counted = call.track(running_mean, running_var, batches, self.momentum, self.nonfinite != "propagate")
        if counted:
            torch.autograd.graph.increment_version((running_mean, running_var, batches))
        elif counted is None:
            self._track(*cpu.statistics(call, input, False), input.numel() // self.num_features)
        elif self.nonfinite == "raise":
            raise self._nonfinite_error(torch.isfinite(torch.stack(cpu.statistics(call, input, False))))
        return y

    def _own(self, name: str) -> Tensor | None:
        """The parameter or buffer of this name, several times as fast as a module's way to it where nobody has replaced it."""
        if name in self._buffers:
            return self._buffers[name]
        if name in self._parameters:
            return self._parameters[name]
        replaced: Tensor | None = getattr(self, name)
        return replaced

    def _following(
        self,
        key: Tensor | None,  # noqa: ARG002 - the fused layers drop units too
        rows: Tensor | None,  # noqa: ARG002
    ) -> tuple[str, float, tuple[Any, ...] | None]:
        """Activation, negative slope, and what is dropped."""
        return "identity", 0.0, None

    def _by_batch(
        self,
        input: Tensor,
        mask: Tensor | None,
        key: Tensor | None,  # noqa: ARG002 - the fused layers drop units too
        rows: Tensor | None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor, Tensor]:
        return ops.batch_norm(input, self.weight, self.bias, mask=mask, eps=self.eps)

    def _by_running(self, input: Tensor, key: Tensor | None, rows: Tensor | None) -> Tensor:  # noqa: ARG002
        _checks.floating(input, "input")
        _checks.same_device(input, "input", running_mean=self.running_mean)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)

    def _enough(self, input: Tensor, count: int | Tensor) -> bool | Tensor:
        """Whether a channel has the two values that a variance needs; a tensor if only the data can tell."""
        if not isinstance(count, Tensor) and count != 1:
            return True
        if self.singleton == "running" and self.running_mean is not None:
            return count > 1
        require(
            count > 1,
            f"{type(self).__name__}({self.num_features}) got fewer than two values per channel",
            lambda: SingletonError(
                f"input.shape={tuple(input.shape)} gives {path_of(self)} fewer than two values per channel, "
                f"which have no variance: expected more where the batch's own statistics normalize it. Use a "
                f'larger batch (drop_last=True in the loader), or singleton="running" to normalize such a batch '
                f"by the running statistics."
            ),
        )
        return True

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor, count: int | Tensor) -> None:
        """Move the running statistics towards the batch's, unless the batch is empty or must not count."""
        running_mean, running_var, batches = self.running_mean, self.running_var, self.num_batches_tracked
        if running_mean is None or running_var is None or batches is None or (type(count) is int and count == 0):
            return
        counts = count > 1
        if self.nonfinite != "propagate":
            finite = torch.isfinite(torch.stack((mean, var)))
            if self.nonfinite == "raise":
                require(
                    finite.all(),
                    f"{type(self).__name__}({self.num_features}) got NaN or infinity in training mode",
                    lambda: self._nonfinite_error(finite),
                )
            # A compiled graph may write the statistics before it comes to its assertion.
            if self.nonfinite == "skip" or torch.compiler.is_compiling():
                counts = finite.all() & counts
        unbiased = var * (count / ((count - 1).clamp(min=1) if isinstance(count, Tensor) else count - 1))
        if isinstance(counts, Tensor):
            mean, unbiased = torch.where(counts, mean, running_mean), torch.where(counts, unbiased, running_var)
        batches.add_(counts)
        momentum = batches.clamp(min=1).to(mean.dtype).reciprocal() if self.momentum is None else self.momentum
        for running, new in ((running_mean, mean), (running_var, unbiased)):
            running.copy_(torch.lerp(running.to(new.dtype), new, momentum))

    def _nonfinite_error(self, finite: Tensor) -> NonFiniteError:
        channels = (~finite.all(0)).nonzero().flatten().tolist()
        listed = ", ".join(map(str, channels[:5])) + (", ..." if len(channels) > 5 else "")
        return NonFiniteError(
            f"The batch given to {path_of(self)} holds NaN or infinity, or overflows, in {len(channels)} of "
            f"{self.num_features} channels ({listed}): expected finite values in training mode. The running "
            f'statistics are as they were. Look for what made them; nonfinite="skip" leaves such batches out of '
            f'the running statistics, nonfinite="propagate" does as torch.'
        )


def require(condition: bool | Tensor, compiled_message: str, error: Callable[[], DropnormError]) -> None:
    """Raise the error unless the condition holds; in a compiled graph, which cannot look, leave an assertion there."""
    if isinstance(condition, Tensor) and condition.is_meta:
        return  # There is no data that could be wrong.
    if isinstance(condition, Tensor) and torch.compiler.is_compiling():
        torch._assert_async(condition, compiled_message)
    elif not condition:
        raise error()


class BatchNorm1d(_BatchNorm, torch.nn.BatchNorm1d):
    """Normalizes each feature by its mean and variance in the batch, then scales and shifts it.

    Equation:    training: y = (x - mean) / sqrt(var + eps) * weight + bias, with the batch's mean and biased variance;
                 inference: the same with running_mean and running_var
    Shape:       input (N, C) or (N, C, L) -> output of the same shape
    Args:        num_features: C; eps: added to the variance, default 1e-5; momentum: weight of the new value in the running
                 statistics, default 0.1, None for a cumulative average; affine: learn weight and bias, default True;
                 track_running_stats: default True; device, dtype, bias: as in torch.
                 nonfinite: what a batch with NaN or infinity does to the running statistics: "raise" (default) a
                 NonFiniteError that names the layer, "skip" leaves them as they were, "propagate" poisons them, as torch.
                 singleton: what a batch with fewer than two values per channel gets: "raise" (default) a SingletonError,
                 "running" the running statistics, as in inference, which it does not update.
    Call:        mask: bool (N,) or (N, L), True where a position counts in the statistics. All positions are normalized;
                 padding must be finite.
    State:       weight (C,) ones, bias (C,) zeros; running_mean (C,) zeros, running_var (C,) ones, num_batches_tracked ():
                 running = (1 - momentum) * running + momentum * new, with the unbiased variance (divided by count - 1).
                 An empty batch updates nothing.
    Numerics:    sums in float32 (float64 for float64), in two passes: a mean of 1e4 does not swallow a deviation of 1.
    Raises:      ShapeError for a wrong number of channels; ValueError for a wrong number of dimensions; NonFiniteError,
                 SingletonError as above. Compiled, what only the data can tell is a RuntimeError.
    Example:
        >>> import torch
        >>> from dropnorm import nn
        >>> norm = nn.BatchNorm1d(3)
        >>> lengths = torch.tensor([5, 2])
        >>> norm(torch.randn(2, 3, 5), mask=torch.arange(5) < lengths[:, None]).shape
        torch.Size([2, 3, 5])
    Source:      Ioffe & Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2.
    See also:    torch.nn.BatchNorm1d: same arguments, defaults and state dict. keras.layers.BatchNormalization: momentum
                 weighs the old value (0.99), epsilon is 1e-3, the moving variance is biased, channels come last.
    """


class BatchNorm2d(_BatchNorm, torch.nn.BatchNorm2d):
    """Normalizes each channel of images by its mean and variance in the batch, then scales and shifts it.

    Equation:    as BatchNorm1d, with statistics over N, H and W
    Shape:       input (N, C, H, W) -> output of the same shape and memory format
    Args:        as BatchNorm1d
    Call:        mask: bool (N, H, W), True where a position counts in the statistics
    State:       as BatchNorm1d
    Numerics:    as BatchNorm1d
    Raises:      as BatchNorm1d
    Example:
        >>> import torch
        >>> from dropnorm import nn
        >>> nn.BatchNorm2d(3)(torch.randn(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
    Source:      Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2.
    See also:    torch.nn.BatchNorm2d: same arguments, defaults and state dict; for Keras see BatchNorm1d.
    """


class BatchNorm3d(_BatchNorm, torch.nn.BatchNorm3d):
    """Normalizes each channel of volumes by its mean and variance in the batch, then scales and shifts it.

    Equation:    as BatchNorm1d, with statistics over N, D, H and W
    Shape:       input (N, C, D, H, W) -> output of the same shape and memory format
    Args:        as BatchNorm1d
    Call:        mask: bool (N, D, H, W), True where a position counts in the statistics
    State:       as BatchNorm1d
    Numerics:    as BatchNorm1d
    Raises:      as BatchNorm1d
    Example:
        >>> import torch
        >>> from dropnorm import nn
        >>> nn.BatchNorm3d(3)(torch.randn(2, 3, 4, 4, 4)).shape
        torch.Size([2, 3, 4, 4, 4])
    Source:      Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2.
    See also:    torch.nn.BatchNorm3d: same arguments, defaults and state dict; for Keras see BatchNorm1d.
    """
