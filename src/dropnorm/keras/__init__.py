"""Drop-in layers for Keras 3, on every backend: Keras's arguments and saved files, and reproducible masks."""

from dropnorm._optional import optional_import

optional_import("keras", "keras", "dropnorm.keras")

from dropnorm.keras.batch_norm import BatchNormalization  # noqa: E402 - the error above comes first
from dropnorm.keras.batch_norm_act_dropout import BatchNormActDropout  # noqa: E402
from dropnorm.keras.dropout import Dropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D  # noqa: E402

__all__ = [
    "BatchNormActDropout",
    "BatchNormalization",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
]
