"""Dropout and batch norm put into a model that has none, at the right places."""

from typing import Any

from dropnorm._arguments import checked
from dropnorm._constraints import Flag
from dropnorm.surgery.choices import Where, chosen_places, chosen_rate
from dropnorm.surgery.dispatch import is_keras
from dropnorm.surgery.plan import Plan


@checked(batch_norm=Flag())
def regularize(
    model: Any,
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

    Args:        model: any torch.nn.Module, or a functional or Sequential model of Keras; it stays as it is, and the new model
                 is of the same class, in Keras compiled alike. Weights are kept. The bias of a layer that gets a batch norm
                 becomes the bias of the batch norm, since it would be subtracted again.
                 dropout: drop probability in [0, 1) after hidden activations, default 0.2; None or 0: no dropout is added.
                 batch_norm: default True. input_dropout: drop probability of the model's inputs, value by value, default None.
                 where: which places get dropout: "auto" (default) all of them; "last" only the one before the last layer,
                 behind all batch norms, whose statistics it cannot shift; or a list of module paths, such as ["features.*"],
                 or ["block/*"] in Keras.
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
    rates = chosen_rate(dropout, "dropout"), chosen_rate(input_dropout, "input_dropout")
    where = chosen_places(where)
    # What the other framework needs is not loaded.
    if is_keras(model):
        from dropnorm.surgery.keras.regularize import regularize_keras

        return regularize_keras(model, rates[0], batch_norm, rates[1], where, sample)
    from dropnorm.surgery.modules.regularize import regularize_module

    return regularize_module(model, rates[0], batch_norm, rates[1], where, sample)
