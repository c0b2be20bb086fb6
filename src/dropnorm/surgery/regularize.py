"""Dropout and batch norm put into a model that has none, at the right places."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from dropnorm._validate import choice, probability
from dropnorm.errors import ArgumentError, ArgumentTypeError, SurgeryError
from dropnorm.surgery.dropouts import Where, dropouts
from dropnorm.surgery.edits import Edit
from dropnorm.surgery.input_dropout import input_dropouts
from dropnorm.surgery.inside import kept_rates
from dropnorm.surgery.norms import batch_norms
from dropnorm.surgery.plan import Plan, make_plan
from dropnorm.surgery.reading import Note, Reading, read


def regularize(
    model: nn.Module,
    *,
    dropout: float | None = 0.2,
    batch_norm: bool = True,
    input_dropout: float | None = None,
    where: Where = "auto",
    sample: Any = None,
) -> Plan:
    """Plan where dropout and batch norm go in a model: print the plan to see it, `plan.apply()` makes the new model.

    Batch norm goes between a layer and its activation, dropout after the activation, of whole channels in convolutional
    parts; dropout never right before a batch norm, and nothing after the last layer. What is there already is not doubled:
    a batch norm is kept, a dropout gets the new rate. What is left alone is listed with the reason.

    Args:        model: any torch.nn.Module; it stays as it is, and the new model is of the same class. Weights are kept. The
                 bias of a layer that gets a batch norm becomes the bias of the batch norm, since it would be subtracted again.
                 dropout: drop probability in [0, 1) after hidden activations, default 0.2; None or 0: no dropout is added.
                 batch_norm: default True. input_dropout: drop probability of the model's inputs, value by value, default None.
                 where: which places get dropout: "auto" (default) all of them; "last" only the one before the last layer,
                 behind all batch norms, whose statistics it cannot shift; or a list of module paths, such as ["features.*"].
                 sample: a batch as the model takes it: a tensor, a tuple of arguments or a dictionary of named ones. With it
                 the shapes are known where the code leaves them open, and the outcome is checked: in inference mode it must
                 compute what the model did, as new batch norms do until they are trained.
    Returns:     Plan
    Raises:      ArgumentError for a rate or a place that is not there; ArgumentTypeError for what is no module, or is scripted,
                 quantized, compiled or wrapped for parallel training; SurgeryError where nothing can be traced, the model
                 cannot be copied, the sample does not fit, or the outcome would fail or compute something else.
    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> [type(layer).__name__ for layer in dn.regularize(net).apply()]
        ['Linear', 'BatchNorm1d', 'ReLU', 'Dropout', 'Linear']
    Source:      where batch norm goes: Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2; dropout: Srivastava et al. 2014;
                 of channels: Tompson et al. 2015, arXiv:1411.4280; "last": Li et al. 2019, arXiv:1801.05134.
    """
    rate, input_rate = _rate(dropout, "dropout"), _rate(input_dropout, "input_dropout")
    where = _where(where)
    reading = read(model, sample)
    if reading.trace.untraceable and not reading.trace.flows:
        raise _nothing_to_see(reading)
    decided: list[Edit | Note] = [*_untraceable(reading), *kept_rates(reading)]
    if batch_norm:
        decided += batch_norms(reading)
    if rate:
        decided += dropouts(reading, rate, where)
    if input_rate:
        decided += input_dropouts(reading, input_rate)
    return make_plan(reading, decided, sample)


def _untraceable(reading: Reading) -> list[Note]:
    return [
        Note(each.path, f"cannot be traced ({each.reason}): only what is inside its own modules is looked at.")
        for each in reading.trace.untraceable
    ]


def _nothing_to_see(reading: Reading) -> SurgeryError:
    broken = reading.trace.untraceable[0]
    return SurgeryError(
        f"model={type(reading.model).__name__}: no place for dropout or batch norm is found, since the forward of "
        f"{broken.path or 'the model'!r} ({broken.name}) cannot be traced: {broken.reason}. Expected a forward that torch.fx "
        f"can follow, without control flow that depends on values. Move layers and their activations into a "
        f"torch.nn.Sequential, which is looked into on its own."
    )


def _rate(value: float | None, name: str) -> float:
    if value is None:
        return 0.0
    if probability(value, name) == 1.0:
        raise ArgumentError(f"{name}={value!r} drops everything: expected 0 <= {name} < 1. Use a rate such as 0.2.")
    return float(value)


def _where(where: Any) -> Where:
    if isinstance(where, str):
        if where not in ("auto", "last"):
            choice(where, "where", ("auto", "last"))
        return where
    if not isinstance(where, Sequence) or not all(isinstance(each, str) for each in where):
        raise ArgumentTypeError(
            f"where={where!r} is no choice of places: expected 'auto', 'last' or a list of module paths. For one path give "
            f"a list of one, such as ['features.*']."
        )
    return tuple(where)
