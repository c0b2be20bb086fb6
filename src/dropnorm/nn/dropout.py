"""Dropout of units and of whole channels: torch's layers with a mask that is a function of a key."""

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.dropout import _DropoutNd

from dropnorm import ops
from dropnorm._arguments import checked
from dropnorm._constraints import Flag
from dropnorm._validate import Whole, probability
from dropnorm.errors import ArgumentError, ArgumentTypeError, ShapeError
from dropnorm.ops import _checks, _eager
from dropnorm.random import draw_key, draw_key_in_graph, enter_generator


def checked_generator(generator: torch.Generator | None) -> torch.Generator | None:
    """Refuse a generator on an accelerator: keys are drawn on the CPU, so that a mask does not depend on the device."""
    if generator is not None and not isinstance(generator, torch.Generator):
        raise ArgumentTypeError(
            f"generator={generator!r} is not a generator: expected a torch.Generator. To fix a seed, give "
            f"torch.Generator().manual_seed({generator!r})."
        )
    if generator is not None and generator.device.type != "cpu":
        raise ArgumentError(
            f"generator.device={generator.device} is not supported: expected a CPU generator, "
            f"torch.Generator(). It governs the masks on every device."
        )
    return generator


_KEY = Whole(-(2**63), 2**63 - 1)


class Keyed(torch.nn.Module):
    """A layer that draws one key per training call, from its own generator or torch's default one."""

    generator: torch.Generator | None
    _generator_number: int

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "generator":
            # A plain number, so that a compiled graph is compiled anew when the generator is replaced.
            self._generator_number = enter_generator(value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copied or unpickled layer, whose generator is a new one."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.generator = self.generator

    def _key(self, given: int | Tensor | None) -> Tensor:
        if isinstance(given, Tensor):
            return given
        if given is not None:
            given = _KEY.check(given, "key")
            return torch.tensor(given, dtype=torch.int64, device="cpu")
        return draw_key_in_graph(self._generator_number) if torch.compiler.is_compiling() else draw_key(self.generator)


class _KeyedDropout(Keyed, _DropoutNd):
    """What the four dropouts share."""

    @checked(inplace=Flag())
    def __init__(self, p: float = 0.5, inplace: bool = False, *, generator: torch.Generator | None = None) -> None:
        super().__init__(probability(p), inplace)
        self.generator = checked_generator(generator)

    def _drop(self, input: Tensor, channelwise: bool, key: int | Tensor | None, rows: Tensor | None) -> Tensor:
        if not self.training:
            return input
        key = self._key(key)
        if rows is not None and not isinstance(rows, Tensor):
            raise _checks.no_tensor("rows", rows)
        if not self.inplace:
            # What it does not take, the operation's checks may have a word about.
            try:
                y = _eager.dropout(input, (self.p, key, 0, rows, channelwise))
            except NotImplementedError:  # of a sparse tensor
                y = None
            if y is not None:
                return y
        drop = ops.dropout_ if self.inplace else ops.dropout
        return drop(input, self.p, key, rows=rows, channelwise=channelwise)

    def _drop_channels(self, input: Tensor, spatial: int, key: int | Tensor | None, rows: Tensor | None) -> Tensor:
        """Drop channels of (N, C, *), with that many spatial dimensions; without N it is a single sample."""
        if not isinstance(input, Tensor):
            raise _checks.no_tensor("input", input)
        if input.ndim not in (spatial + 1, spatial + 2):
            raise ShapeError(
                f"input.shape={tuple(input.shape)} does not fit {type(self).__name__}: expected a "
                f"{spatial + 1}-d or {spatial + 2}-d input. To drop single units use Dropout."
            )
        if self.training and input.ndim == spatial + 1:
            return self._drop(input.unsqueeze(0), True, key, rows).squeeze(0)
        return self._drop(input, True, key, rows)

    def extra_repr(self) -> str:
        """The arguments that differ from an ordinary dropout's, after torch's own."""
        return super().extra_repr() + (", generator=given" if self.generator is not None else "")


class Dropout(_KeyedDropout, torch.nn.Dropout):
    """Zeroes each unit with probability p in training, and scales the others so that the mean stays.

    Equation:    training: y = x * kept / (1 - p), kept ~ Bernoulli(1 - p); inference: y = x
    Shape:       input (N, *) -> output (N, *)
    Args:        p: drop probability in [0, 1], default 0.5; inplace: write the output into the input, default False;
                 generator: a CPU generator to draw keys from, default None: torch's default generator.
    Call:        key: an int64 key to use instead of drawing one; rows: int64 (N,), the samples' indices in the mask, by
                 default 0 ... N - 1, so that parts of a batch can be dropped as the whole would be.
    Numerics:    scaled in float32 (float64 for float64), rounded once. p is exact to 2**-32.
    Randomness:  one draw of the generator per training call. The same seed gives the same mask for any number of threads,
                 dtype, memory format and device, eager and compiled. Under activation checkpointing torch restores its
                 default generator only: with a generator of your own, pass the key.
    Raises:      ArgumentError if p is not in [0, 1]; ArgumentTypeError if p is no number, generator no generator,
                 or the input not floating point.
    Example:
        >>> import torch
        >>> from dropnorm import nn
        >>> drop = nn.Dropout(0.5, generator=torch.Generator().manual_seed(0))
        >>> drop(torch.ones(2, 3)).shape
        torch.Size([2, 3])
    Source:      Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    See also:    torch.nn.Dropout: same arguments and defaults; another mask for the same seed, and it stores the mask.
                 keras.layers.Dropout: `rate` for p, a `seed` per layer, `noise_shape`.
    """

    def forward(self, input: Tensor, *, key: int | Tensor | None = None, rows: Tensor | None = None) -> Tensor:
        """Drop units in training mode; return the input itself in inference mode."""
        return self._drop(input, False, key, rows)


class Dropout1d(_KeyedDropout, torch.nn.Dropout1d):
    """Zeroes each channel of a sequence with probability p in training, and scales the others so that the mean stays.

    Equation:    training: y[n, c, :] = x[n, c, :] * kept[n, c] / (1 - p); inference: y = x
    Shape:       input (N, C, L) or (C, L) -> output of the same shape
    Args:        as Dropout
    Call:        as Dropout
    Raises:      ShapeError if the input is neither 2-d nor 3-d; otherwise as Dropout.
    Randomness:  as Dropout; one decision per sample and channel
    Example:
        >>> import torch
        >>> from dropnorm import nn
        >>> nn.Dropout1d(0.2)(torch.ones(8, 16, 50)).shape
        torch.Size([8, 16, 50])
    Source:      Tompson et al. 2015, "Efficient object localization using convolutional networks", arXiv:1411.4280, 3.2.
    See also:    torch.nn.Dropout1d; keras.layers.SpatialDropout1D, whose channels come last.
    """

    def forward(self, input: Tensor, *, key: int | Tensor | None = None, rows: Tensor | None = None) -> Tensor:
        """Drop channels in training mode; return the input itself in inference mode."""
        return self._drop_channels(input, 1, key, rows)


class Dropout2d(_KeyedDropout, torch.nn.Dropout2d):
    """Zeroes each channel of an image with probability p in training, and scales the others so that the mean stays.

    Equation:    training: y[n, c, :, :] = x[n, c, :, :] * kept[n, c] / (1 - p); inference: y = x
    Shape:       input (N, C, H, W) -> output of the same shape. A 3-d input is taken as (N, C, L), with a warning, as in
                 torch.
    Args:        as Dropout
    Call:        as Dropout
    Raises:      ShapeError if the input is neither 3-d nor 4-d (torch warns); otherwise as Dropout.
    Randomness:  as Dropout; one decision per sample and channel
    Example:
        >>> import torch
        >>> from dropnorm import nn
        >>> nn.Dropout2d(0.2)(torch.ones(8, 16, 5, 5)).shape
        torch.Size([8, 16, 5, 5])
    Source:      Tompson et al. 2015, "Efficient object localization using convolutional networks", arXiv:1411.4280, 3.2.
    See also:    torch.nn.Dropout2d; keras.layers.SpatialDropout2D, whose channels come last by default.
    """

    def forward(self, input: Tensor, *, key: int | Tensor | None = None, rows: Tensor | None = None) -> Tensor:
        """Drop channels in training mode; return the input itself in inference mode."""
        if not isinstance(input, Tensor):
            raise _checks.no_tensor("input", input)
        if input.ndim == 3:
            warnings.warn(
                f"Dropout2d got a 3-d input of shape {tuple(input.shape)} and takes it as (N, C, L), as torch does. "
                f"For sequences use Dropout1d; for a single image add a batch dimension.",
                stacklevel=2,
            )
            return self._drop(input, True, key, rows)
        if input.ndim != 4:
            raise ShapeError(
                f"input.shape={tuple(input.shape)} does not fit Dropout2d: expected a 4-d input (N, C, H, W). "
                f"To drop single units use Dropout."
            )
        return self._drop(input, True, key, rows)


class Dropout3d(_KeyedDropout, torch.nn.Dropout3d):
    """Zeroes each channel of a volume with probability p in training, and scales the others so that the mean stays.

    Equation:    training: y[n, c, :, :, :] = x[n, c, :, :, :] * kept[n, c] / (1 - p); inference: y = x
    Shape:       input (N, C, D, H, W) or (C, D, H, W) -> output of the same shape
    Args:        as Dropout
    Call:        as Dropout
    Raises:      ShapeError if the input is neither 4-d nor 5-d (torch warns); otherwise as Dropout.
    Randomness:  as Dropout; one decision per sample and channel
    Example:
        >>> import torch
        >>> from dropnorm import nn
        >>> nn.Dropout3d(0.2)(torch.ones(2, 4, 3, 3, 3)).shape
        torch.Size([2, 4, 3, 3, 3])
    Source:      Tompson et al. 2015, "Efficient object localization using convolutional networks", arXiv:1411.4280, 3.2.
    See also:    torch.nn.Dropout3d; keras.layers.SpatialDropout3D, whose channels come last by default.
    """

    def forward(self, input: Tensor, *, key: int | Tensor | None = None, rows: Tensor | None = None) -> Tensor:
        """Drop channels in training mode; return the input itself in inference mode."""
        return self._drop_channels(input, 3, key, rows)
