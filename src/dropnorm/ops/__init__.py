"""The differentiable operations: each is a function of its inputs alone, registered with torch.library."""

from dropnorm.ops.batch_norm import batch_norm
from dropnorm.ops.batch_norm_act_dropout import batch_norm_act_dropout
from dropnorm.ops.dropout import dropout, dropout_

__all__ = ["batch_norm", "batch_norm_act_dropout", "dropout", "dropout_"]
