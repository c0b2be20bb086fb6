"""Dropout and batch norm taken out of a model."""

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dropnorm.surgery.edits import Edit, Remove, ReturnBias, SetRate
from dropnorm.surgery.inside import kept_rates
from dropnorm.surgery.operations import Kind, kind_of
from dropnorm.surgery.plan import Plan, make_plan
from dropnorm.surgery.reading import Note, Reading, is_dropout, is_fused, read
from dropnorm.surgery.ways import inputs


def remove(model: nn.Module, *, dropout: bool = True, batch_norm: bool = True, sample: Any = None) -> Plan:
    """Plan to take dropout, batch norm or both out of a model: print the plan to see it, `plan.apply()` makes the new model.

    A layer leaves its Sequential, and where others ask for it by name an Identity takes its place. The layer before a batch
    norm gets the bias of the batch norm if it has none. So `remove` undoes `regularize` to the bit where layers had a bias and
    nothing was trained since; a trained batch norm changes what the network computes, and the rest must be trained on.

    Args:        model: any torch.nn.Module; it stays as it is. dropout: take out dropout, default True; batch_norm: take out
                 batch norm, default True. Of a fused module what is kept stays. sample: as in `regularize`; needed only to take
                 layers out of the Sequentials of a module that cannot be traced.
    Returns:     Plan
    Raises:      ArgumentTypeError and SurgeryError as `regularize`.
    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(8, 2))
        >>> dn.remove(net).apply()
        Sequential(
          (0): Linear(in_features=4, out_features=8, bias=True)
          (1): ReLU()
          (2): Linear(in_features=8, out_features=2, bias=True)
        )
    """
    reading = read(model, sample)
    decided: list[Edit | Note] = [*kept_rates(reading)] if dropout else []
    for module, paths in reading.paths.items():
        if batch_norm and isinstance(module, _BatchNorm):
            decided += [Remove(path, _is_flat(reading, path), keep_dropout=not dropout) for path in paths]
            decided += _biases(reading, module, paths[0])
        elif dropout and is_fused(module):
            decided.append(SetRate(paths[0], 0.0))
        elif dropout and is_dropout(module):
            decided += [Remove(path, _is_flat(reading, path)) for path in paths]
    return make_plan(reading, decided, None)


def _is_flat(reading: Reading, path: str) -> bool:
    return len(reading.paths[reading.module(path)]) == 1 and any(
        reading.is_in_sequential(flow, path) for flow in reading.trace.flows if path.startswith(flow.path)
    )


def _biases(reading: Reading, norm: nn.Module, path: str) -> Iterator[ReturnBias | Note]:
    """The layer before a batch norm gets a bias if it has none, since the batch norm had one."""
    places = [(flow, node) for flow, node in reading.nodes() if flow.module_of(node) is norm]
    for flow, node in places:
        before = inputs(flow, node)[0]
        layer = flow.module_of(before)
        if layer is not None and kind_of(flow, before) is Kind.WEIGHT and getattr(layer, "bias", None) is None:
            yield ReturnBias(flow.path_of(before), path)
    if not places:
        yield Note(path, "removed, but the layer before it is not known, and stays without bias if it has none.")
