"""Dropout and batch norm taken out of a model."""

from typing import Any

from dropnorm._arguments import checked
from dropnorm._constraints import Flag
from dropnorm.surgery.dispatch import is_keras
from dropnorm.surgery.plan import Plan


@checked(dropout=Flag(), batch_norm=Flag())
def remove(model: Any, *, dropout: bool = True, batch_norm: bool = True, sample: Any = None) -> Plan:
    """Plan to take dropout, batch norm or both out of a model: print the plan to see it, `plan.apply()` makes the new model.

    A layer leaves its Sequential, and where others ask for it by name an Identity takes its place. The layer before a batch
    norm gets the bias of the batch norm if it has none. So `remove` undoes `regularize` to the bit where layers had a bias and
    nothing was trained since; a trained batch norm changes what the network computes, and the rest must be trained on.

    Args:        model: any torch.nn.Module, or a functional or Sequential model of Keras; it stays as it is. dropout: take out
                 dropout, default True; batch_norm: take out batch norm, default True. Of a fused module what is kept stays.
                 sample: as in `regularize`; needed only to take layers out of the Sequentials of a module that cannot be
                 traced.
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
    if is_keras(model):
        from dropnorm.surgery.keras.remove import remove_from_keras

        return remove_from_keras(model, dropout, batch_norm, sample)
    from dropnorm.surgery.modules.remove import remove_from_module

    return remove_from_module(model, dropout, batch_norm, sample)
