"""The weights of Keras's linear layers: how many outputs they make, and whether they can be made otherwise."""

from typing import Any

from dropnorm.surgery.keras.operations import DENSE, DEPTHWISE


def outputs_of(layer: Any) -> int:
    """How many features or channels a linear layer makes; 0 for a depthwise convolution that is not built."""
    if isinstance(layer, DENSE):
        return int(layer.units)
    if isinstance(layer, DEPTHWISE):
        return int(layer.kernel.shape[-2] * layer.kernel.shape[-1]) if layer.built else 0
    return int(layer.filters)


def axis_of(layer: Any) -> int:
    """The dimension of the features or channels that a linear layer makes."""
    return 1 if getattr(layer, "data_format", "") == "channels_first" else -1


def obstacle(layer: Any) -> str:
    """Why a linear layer cannot be made anew with other weights, or nothing."""
    if getattr(layer, "lora_enabled", False):
        return "its weight has a low-rank part (LoRA), which stands for itself."
    if getattr(layer, "quantization_mode", None) is not None:
        return "its weight is quantized."
    return ""
