"""Drop-in layers for PyTorch: torch.nn's arguments, semantics and state dicts, and reproducible masks."""

from dropnorm.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from dropnorm.nn.batch_norm_act_dropout import BatchNormActDropout1d, BatchNormActDropout2d
from dropnorm.nn.dropout import Dropout, Dropout1d, Dropout2d, Dropout3d

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BatchNormActDropout1d",
    "BatchNormActDropout2d",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
]
