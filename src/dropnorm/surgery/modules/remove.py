"""Dropout and batch norm taken out of a torch module."""

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dropnorm.surgery.edits import Edit, Remove, ReturnBias, SetRate
from dropnorm.surgery.modules.inside import kept_rates
from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.plan import make_plan
from dropnorm.surgery.modules.reading import Reading, is_dropout, is_fused, read
from dropnorm.surgery.notes import Note
from dropnorm.surgery.plan import Plan
from dropnorm.surgery.ways import inputs


def remove_from_module(model: nn.Module, dropout: bool, batch_norm: bool, sample: Any) -> Plan:
    """The plan of `dn.remove` for a torch module."""
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
