"""A model's dropout layers switched on, everything else in inference mode, with masks by row and sample."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from dropnorm import ops
from dropnorm.errors import ArgumentError, DropnormError, ShapeError, SurgeryError
from dropnorm.nn import BatchNormActDropout1d, BatchNormActDropout2d, Dropout, Dropout1d, Dropout2d, Dropout3d
from dropnorm.surgery.modules.observe import described
from dropnorm.surgery.modules.receipt import is_one_of

_FUSED = (BatchNormActDropout1d, BatchNormActDropout2d)
_CHANNELWISE = (torch.nn.Dropout1d, torch.nn.Dropout2d, torch.nn.Dropout3d, torch.nn.FeatureAlphaDropout)
_ALPHA = (torch.nn.AlphaDropout, torch.nn.FeatureAlphaDropout)
_KNOWN = (*_FUSED, *_CHANNELWISE, *_ALPHA, torch.nn.Dropout, Dropout, Dropout1d, Dropout2d, Dropout3d)
# What SELU tends to far below zero, which alpha dropout puts in place of a unit (Klambauer et al. 2017, arXiv:1706.02515).
SELU_LIMIT = -1.7580993408473766

Run = Callable[[Any, Tensor, Tensor], Tensor]
Passes = AbstractContextManager[Run]


def dropout_layers(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The layers that drop units in training, by their paths."""
    layers = ((path, module) for path, module in model.named_modules() if isinstance(module, (_DropoutNd, *_FUSED)))
    return {path: module for path, module in layers if module.p > 0.0}


@contextmanager
def masked_passes(model: torch.nn.Module, key: int) -> Iterator[Run]:
    """A function of (x, rows, samples) that gives outputs (samples, rows, *); afterwards the model is as it was.

    The mask of row n in sample s is that of row index s * 2**32 + n under the key, with a site per call of a dropout.
    """
    layers = dropout_layers(model)
    _check(model, layers)
    call = _Call(torch.tensor(key, dtype=torch.int64, device="cpu"))
    with ExitStack() as stack:
        # In inference mode a dropout does nothing by itself: the hook behind it drops.
        for module in [module for module in model.modules() if module.training]:
            stack.callback(setattr, module, "training", True)
            module.training = False
        for path, layer in layers.items():
            stack.callback(layer.register_forward_hook(call.hook(path)).remove)

        def run(x: Tensor, rows: Tensor, samples: Tensor) -> Tensor:
            chosen = x[rows.to(x.device)]
            outputs: Tensor | None = None
            if call.may_share:
                try:
                    call.begin(rows, samples, shared=True)
                    outputs = model(chosen)
                except Exception:
                    # A value from before the first dropout meets one from behind it, or a forward knows how many rows it got.
                    outputs = None
                call.may_share = outputs is not None and outputs.shape[:1] == call.rows.shape
            if not call.may_share:
                call.begin(rows, samples, shared=False)
                try:
                    outputs = model(_repeated(chosen, len(samples)))
                except DropnormError:
                    raise
                except Exception as error:
                    raise SurgeryError(
                        f"x={described(x)} cannot be given to {type(model).__name__} ({type(error).__name__}: {error}): "
                        f"expected a batch as the model takes it. Look at its shape and type."
                    ) from error
            assert outputs is not None
            if not call.site:
                raise ArgumentError(
                    "no dropout layer of the model is called in its forward pass: expected one, whose masks are what is "
                    "sampled. Call it as a layer, not as F.dropout."
                )
            return outputs.reshape(len(samples), len(rows), *outputs.shape[1:])

        yield run


class _Call:
    """The masks of one pass: whose rows they are, and how many dropouts were called before.

    What comes before the first dropout is the same in all samples: if `shared` it is computed once, and repeated there.
    """

    def __init__(self, key: Tensor) -> None:
        self.key, self.may_share = key, True
        self.rows, self.site, self.copies = torch.empty(0, dtype=torch.int64), 0, 1

    def begin(self, rows: Tensor, samples: Tensor, shared: bool) -> None:
        self.rows, self.site = ((samples[:, None] << 32) | rows).flatten(), 0
        self.copies = len(samples) if shared else 1

    def hook(self, path: str) -> Callable[[Any, Any, Any], Tensor]:
        def drop(layer: Any, _: Any, output: Tensor) -> Tensor:
            site, self.site = self.site, self.site + 1
            drop_units = ops.dropout
            if self.copies > 1 and site == 0 and output.ndim and output.shape[0] * self.copies == len(self.rows):
                # Nobody else has the copies: fresh memory would cost more than dropping.
                output, drop_units = _repeated(output, self.copies), ops.dropout_
            channelwise = isinstance(layer, _CHANNELWISE) or (isinstance(layer, _FUSED) and layer.channelwise)
            if output.shape[0] != len(self.rows) or output.ndim < 1 + channelwise:
                wanted = f"({len(self.rows)}, channels, *)" if channelwise else f"({len(self.rows)}, *)"
                raise ShapeError(
                    f"the dropout {path!r} got the shape {tuple(output.shape)}: expected {wanted}, the samples along the first "
                    f"dimension. Move the batch there (batch_first=True) to sample this model."
                )
            p, rows = layer.p, self.rows.to(output.device)
            if isinstance(layer, _ALPHA):
                return _alpha_dropout(output, p, self.key, site, rows, channelwise)
            return drop_units(output, p, self.key, site=site, rows=rows, channelwise=channelwise)

        return drop


def _repeated(x: Tensor, times: int) -> Tensor:
    # Four times as fast as repeat for a single row, of which flatten alone makes no copies.
    return x.expand(times, *x.shape).flatten(0, 1).contiguous()


def _alpha_dropout(x: Tensor, p: float, key: Tensor, site: int, rows: Tensor, channelwise: bool) -> Tensor:
    """Dropped units are SELU's limit; then all are scaled and shifted so that mean and variance stay, as torch does."""
    if p == 1.0:
        return torch.zeros_like(x)
    kept = ops.dropout(torch.ones_like(x), p, key, site=site, rows=rows, channelwise=channelwise) != 0
    scale: float = ((1.0 - p) * (1.0 + p * SELU_LIMIT**2)) ** -0.5
    return scale * torch.where(kept, x, SELU_LIMIT) - scale * p * SELU_LIMIT


def _check(model: torch.nn.Module, layers: dict[str, torch.nn.Module]) -> None:
    if not layers:
        raise ArgumentError(
            "model has no dropout layer with p above 0: expected one, whose masks are what is sampled. Put a torch.nn.Dropout "
            "or dropnorm.nn.Dropout in, and train the model with it."
        )
    for path, layer in layers.items():
        if not is_one_of(layer, _KNOWN):
            raise ArgumentError(
                f"the dropout {path!r} is of the class {type(layer).__name__}, with a forward of its own: expected a layer of "
                f"torch's or dropnorm's, since nothing else must drop. Put a torch.nn.Dropout in its place."
            )
    for path, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ArgumentError(
                f"the batch norm {path!r} keeps no running statistics (track_running_stats=False): expected some, since "
                f"samples must not depend on the rows beside them. Train it with running statistics."
            )
