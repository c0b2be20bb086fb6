"""A model made ready to be deployed: batch norm folded into the layers beside it, dropout gone."""

from typing import TYPE_CHECKING, Any

from dropnorm._arguments import checked
from dropnorm.surgery.dispatch import is_keras

if TYPE_CHECKING:
    from dropnorm.surgery.keras.receipt import Receipt as KerasReceipt
    from dropnorm.surgery.modules.receipt import Receipt


@checked()
def fold(model: Any, *, sample: Any = None) -> "Receipt | KerasReceipt":
    """The model for inference, with fewer layers: `fold(model).model` computes what the model does in inference mode.

    Equation:    behind z = W x + b a batch norm y = s z + t, s = weight / sqrt(running_var + eps), t = bias - s running_mean,
                 becomes y = (s W) x + (s b + t); before a layer, y = W (s x + t) + b becomes y = (W s) x + (W t + b)
    Args:        model: any torch.nn.Module, or a functional or Sequential model of Keras; it stays as it is. sample: a batch as
                 the model takes it. With it what cannot be traced is followed as it runs, and the outcome is compared with
                 the model's.
    Returns:     Receipt: the folded `model` in inference mode, what was `done`, `notes` on each batch norm that stays and why,
                 and `undo()`, which puts everything back; for Keras it gives a copy of the model as it was.
    Numerics:    folded in float64 and rounded once to the layer's type, so that outputs are equal to its rounding. A batch norm
                 before a convolution is folded only where no zeros are padded in between, since it would not shift those.
    Raises:      ArgumentTypeError and SurgeryError as `regularize`; SurgeryError where outputs would differ.
    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8), torch.nn.Dropout2d())
        >>> dn.fold(net).model
        Sequential(
          (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
          (1): Identity()
          (2): Identity()
        )
    See also:    torch.nn.utils.fusion.fuse_conv_bn_eval, of two layers; torch.fx.experimental.optimization.fuse, of traceable
                 models and convolutions.
    """
    if is_keras(model):
        from dropnorm.surgery.keras.fold import fold_keras

        return fold_keras(model, sample)
    from dropnorm.surgery.modules.fold import fold_module

    return fold_module(model, sample)
