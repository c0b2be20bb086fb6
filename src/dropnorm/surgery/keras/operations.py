"""What kind of operation a Keras layer is, or one of `keras.ops` in a functional model."""

from typing import Any

import keras
from keras import layers

from dropnorm.surgery.kinds import Kind, names_an_activation

_POOLED = ("MaxPooling", "AveragePooling", "AdaptiveMaxPooling", "AdaptiveAveragePooling", "UpSampling")
_BY_DIMENSION = (*_POOLED, "ZeroPadding", "Cropping")

DENSE = (layers.Dense,)
CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
CONVOLUTIONAL = (*CONVOLUTIONS, *DEPTHWISE, *SEPARABLE, *TRANSPOSED)
DROPOUTS = (
    *(layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
    *(layers.GaussianDropout, layers.AlphaDropout),
)

_OF_LAYERS: tuple[tuple[tuple[type, ...], Kind], ...] = (
    ((layers.InputLayer,), Kind.SOURCE),
    ((*DENSE, *CONVOLUTIONAL), Kind.WEIGHT),
    ((layers.Embedding,), Kind.EMBEDDING),
    ((layers.BatchNormalization,), Kind.BATCH_NORM),
    (
        (layers.LayerNormalization, layers.GroupNormalization, layers.RMSNormalization, layers.UnitNormalization),
        Kind.OTHER_NORM,
    ),
    ((layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU), Kind.ACTIVATION),
    (DROPOUTS, Kind.DROPOUT),
    (tuple(getattr(layers, f"{name}{d}D") for name in _BY_DIMENSION for d in (1, 2, 3)), Kind.POOLING),
    ((layers.Resizing, layers.CenterCrop), Kind.POOLING),
    (
        tuple(getattr(layers, f"Global{how}Pooling{d}D") for how in ("Max", "Average") for d in (1, 2, 3)),
        Kind.FLATTENING,
    ),
    ((layers.Flatten, layers.Reshape), Kind.FLATTENING),
    ((layers.Add, layers.Subtract, layers.Average, layers.Maximum, layers.Minimum), Kind.ADDITION),
    ((layers.Concatenate,), Kind.CONCATENATION),
    ((layers.Multiply,), Kind.GATE),
    ((layers.Identity, layers.ActivityRegularization, layers.Masking), Kind.IDENTITY),
    ((layers.Rescaling, layers.Normalization, layers.GaussianNoise), Kind.IDENTITY),
    ((layers.Softmax, layers.Lambda), Kind.OTHER),
    ((layers.EinsumDense, layers.Wrapper, layers.RNN, layers.MultiHeadAttention, layers.Attention), Kind.OPAQUE),
)

# Operations by their classes' names: `x + y` between two tensors is an `Add`.
_OF_OPERATIONS = {
    **dict.fromkeys(("Softplus", "Softsign", "Glu", "TanhShrink", "SoftShrink", "HardShrink"), Kind.ACTIVATION),
    **dict.fromkeys(("Threshold", "Squareplus", "SparsePlus"), Kind.ACTIVATION),
    "Selu": Kind.SELF_NORMALIZING,
    "BatchNorm": Kind.BATCH_NORM,
    **dict.fromkeys(("LayerNorm", "RMSNorm", "Normalize"), Kind.OTHER_NORM),
    **dict.fromkeys(("Matmul", "Einsum", "Dot", "Tensordot", "DotProductAttention"), Kind.WEIGHT),
    **dict.fromkeys(("Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose"), Kind.WEIGHT),
    **dict.fromkeys(
        ("MaxPool", "AveragePool", "AdaptiveMaxPool", "AdaptiveAveragePool", "Pad", "Resize"), Kind.POOLING
    ),
    **dict.fromkeys(("Reshape", "Ravel", "Squeeze", "Mean", "Max", "Amax"), Kind.FLATTENING),
    **dict.fromkeys(("Add", "Subtract", "Maximum", "Minimum"), Kind.ADDITION),
    **dict.fromkeys(("Concatenate", "Append", "Hstack", "Vstack"), Kind.CONCATENATION),
    **dict.fromkeys(("Multiply", "Divide", "TrueDivide"), Kind.GATE),
    **dict.fromkeys(("Identity", "Copy", "Cast", "StopGradient"), Kind.IDENTITY),
}


def kind_of_operation(operation: Any, signals: int = 1) -> Kind:
    """What kind of operation a layer is, or one of `keras.ops` that takes so many different tensors."""
    if not isinstance(operation, layers.Layer):
        name = type(operation).__name__
        kind = _OF_OPERATIONS.get(name) or (Kind.ACTIVATION if names_an_activation(name) else Kind.OTHER)
        # x + 1 and 2 * x mix no two signals.
        return Kind.IDENTITY if kind in (Kind.ADDITION, Kind.GATE) and signals < 2 else kind
    if isinstance(operation, layers.Activation):
        return kind_of_activation(operation.activation)
    for types, kind in _OF_LAYERS:
        if isinstance(operation, types):
            # What a class of somebody's own does with its weights is not known.
            return Kind.OPAQUE if kind is Kind.WEIGHT and not computes_as(operation, types) else kind
    return _of_another(operation)


def computes_as(layer: Any, kinds: tuple[Any, ...]) -> bool:
    """Whether a layer computes what these classes do: it is one of them, or of a class that only makes them otherwise."""
    return any(isinstance(layer, kind) and type(layer).call is kind.call for kind in kinds)


def kind_of_activation(function: Any) -> Kind:
    """What kind of operation an activation is that a layer has as an argument."""
    if function is None or function is keras.activations.linear:
        return Kind.IDENTITY
    if function is keras.activations.selu:
        return Kind.SELF_NORMALIZING
    softmax = (keras.activations.softmax, keras.activations.log_softmax, keras.activations.sparsemax)
    return Kind.OTHER if function in softmax else Kind.ACTIVATION


def activation_in(operation: Any) -> Any:
    """The activation that a linear layer applies to its own output, or None."""
    if kind_of_operation(operation) is not Kind.WEIGHT:
        return None
    function = getattr(operation, "activation", None)
    return None if kind_of_activation(function) is Kind.IDENTITY else function


def _of_another(layer: Any) -> Kind:
    """The kind of a layer that is none of the above: one of Keras's without weights, or one of somebody's own."""
    if layer.weights:
        name = type(layer).__name__
        return Kind.OTHER_NORM if name.endswith(("Norm", "Normalization")) else Kind.OPAQUE
    if names_an_activation(type(layer).__name__):
        return Kind.ACTIVATION
    if type(layer).__name__.startswith("Random") and type(layer).__module__.startswith("keras."):
        return Kind.IDENTITY  # what varies images in training
    is_own = not type(layer).__module__.startswith("keras.")
    return Kind.OPAQUE if is_own and not layer.built else Kind.OTHER
