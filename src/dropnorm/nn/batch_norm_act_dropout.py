"""Batch normalization, an activation and dropout as one module."""

from typing import Any

import torch
from torch import Tensor

from dropnorm import ops
from dropnorm._arguments import checked
from dropnorm._constraints import Flag
from dropnorm._validate import choice, probability
from dropnorm.kernels.reference import ACTIVATIONS, activate
from dropnorm.nn._constraints import NUMBER
from dropnorm.nn.batch_norm import BatchNorm1d, BatchNorm2d, NonFinite, Singleton, _BatchNorm
from dropnorm.nn.dropout import Keyed, checked_generator


class _BatchNormActDropout(Keyed, _BatchNorm):
    """What the fused modules share: a batch norm whose output goes on through an activation and dropout."""

    @checked(negative_slope=NUMBER, channelwise=Flag())
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
        activation: str = "relu",
        negative_slope: float = 0.01,
        p: float = 0.5,
        channelwise: bool = False,
        generator: torch.Generator | None = None,
        nonfinite: NonFinite = "raise",
        singleton: Singleton = "raise",
    ) -> None:
        super().__init__(
            num_features,
            eps,
            momentum,
            affine,
            track_running_stats,
            device,
            dtype,
            bias=bias,
            nonfinite=nonfinite,
            singleton=singleton,
        )
        self.activation = choice(activation, "activation", ACTIVATIONS)
        self.negative_slope = negative_slope
        self.p = probability(p)
        self.channelwise = channelwise
        self.generator = checked_generator(generator)

    def forward(
        self,
        input: Tensor,
        *,
        mask: Tensor | None = None,
        key: int | Tensor | None = None,
        rows: Tensor | None = None,
    ) -> Tensor:
        """Normalize, activate and drop in training mode; normalize by running statistics and activate in inference."""
        return self._forward(input, mask, self._key(key) if self.training else None, rows)

    def _by_batch(
        self, input: Tensor, mask: Tensor | None, key: Tensor | None, rows: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        return ops.batch_norm_act_dropout(
            input,
            self.weight,
            self.bias,
            0.0 if key is None else self.p,
            torch.zeros((), dtype=torch.int64, device="cpu") if key is None else key,
            activation=self.activation,
            negative_slope=self.negative_slope,
            mask=mask,
            eps=self.eps,
            rows=rows,
            channelwise=self.channelwise,
        )

    def _following(self, key: Tensor | None, rows: Tensor | None) -> tuple[str, float, tuple[Any, ...] | None]:
        dropping = None if key is None else (self.p, key, 0, rows, self.channelwise)
        return self.activation, self.negative_slope, dropping

    def _by_running(self, input: Tensor, key: Tensor | None, rows: Tensor | None) -> Tensor:
        y = activate(super()._by_running(input, key, rows), self.activation, self.negative_slope)
        return y if key is None else ops.dropout(y, self.p, key, rows=rows, channelwise=self.channelwise)

    def extra_repr(self) -> str:
        """The batch norm's arguments, then the activation's and the dropout's."""
        channelwise = ", channelwise=True" if self.channelwise else ""
        torch_repr = super().extra_repr()  # type: ignore[no-untyped-call] # torch's
        return f"{torch_repr}, activation={self.activation!r}, p={self.p}{channelwise}"


class BatchNormActDropout1d(_BatchNormActDropout, BatchNorm1d):
    """Batch normalization, an activation and dropout of a (N, C) or (N, C, L) input, fused into one operation.

    Equation:    training: y = dropout(activation(batch_norm(x)), p); inference: y = activation(batch_norm(x)) by running
                 statistics
    Shape:       input (N, C) or (N, C, L) -> output of the same shape
    Args:        as BatchNorm1d, and: activation: "identity", "relu" (default), "leaky_relu", "gelu" (exact) or "silu";
                 negative_slope: leaky_relu's, default 0.01; p: drop probability in [0, 1], default 0.5; channelwise: drop
                 whole channels of a sample, default False; generator: as in Dropout.
    Call:        mask: as in BatchNorm1d; key, rows: as in Dropout
    State:       BatchNorm1d's, under the same names
    Numerics:    everything between input and output in float32 (float64 for float64), rounded once. Kept for the backward
                 pass: the input; the normalized values and the mask are made again.
    Randomness:  as Dropout
    Raises:      ArgumentError for an unknown activation or p outside [0, 1]; otherwise as BatchNorm1d.
    Example:
        >>> import torch
        >>> from dropnorm import nn
        >>> block = torch.nn.Sequential(torch.nn.Linear(8, 16, bias=False), nn.BatchNormActDropout1d(16, p=0.2))
        >>> block(torch.randn(4, 8)).shape
        torch.Size([4, 16])
    Source:      Ioffe & Szegedy 2015, arXiv:1502.03167; Srivastava et al. 2014; dropout comes last, since before a batch
                 norm it shifts the variance between training and inference (Li et al. 2019, arXiv:1801.05134).
    See also:    torch.nn.Sequential(BatchNorm1d, ReLU, Dropout), of which it is the function; no counterpart in Keras.
    """


class BatchNormActDropout2d(_BatchNormActDropout, BatchNorm2d):
    """Batch normalization, an activation and dropout of a (N, C, H, W) input, fused into one operation.

    Equation:    as BatchNormActDropout1d
    Shape:       input (N, C, H, W) -> output of the same shape
    Args:        as BatchNormActDropout1d
    Call:        mask: as in BatchNorm2d; key, rows: as in Dropout
    State:       BatchNorm2d's, under the same names
    Numerics:    as BatchNormActDropout1d
    Randomness:  as Dropout
    Raises:      as BatchNormActDropout1d
    Example:
        >>> import torch
        >>> from dropnorm import nn
        >>> nn.BatchNormActDropout2d(3, activation="silu", p=0.1, channelwise=True)(torch.randn(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
    Source:      as BatchNormActDropout1d; Tompson et al. 2015, arXiv:1411.4280, for channelwise.
    See also:    torch.nn.Sequential(BatchNorm2d, ReLU, Dropout or Dropout2d); no counterpart in Keras.
    """
