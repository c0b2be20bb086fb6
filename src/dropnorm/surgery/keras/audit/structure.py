"""Rules on where dropout and batch norm stand in a Keras model."""

from typing import Any

import keras

from dropnorm.surgery.audit.places import between, only_input
from dropnorm.surgery.audit.registry import Seen
from dropnorm.surgery.keras.audit.examination import Examination
from dropnorm.surgery.keras.audit.registry import new_rule, rule, same_rule
from dropnorm.surgery.keras.graph import Graph, Operation
from dropnorm.surgery.keras.layers import CHANNELWISE, is_channelwise
from dropnorm.surgery.keras.operations import CONVOLUTIONAL
from dropnorm.surgery.keras.outputs import PROBABILITIES, name_of_activation
from dropnorm.surgery.kinds import Kind
from dropnorm.surgery.ways import PASSING, WEIGHTS, behind, users

# What leaves each channel where it is.
_KEEPING = {
    *(Kind.ACTIVATION, Kind.SELF_NORMALIZING, Kind.DROPOUT, Kind.POOLING, Kind.IDENTITY),
    *(Kind.BATCH_NORM, Kind.OTHER_NORM),
}

same_rule("DN101")


@rule("DN102", fix="Make the layer with use_bias=False. In a trained model leave it: it does no harm.")
def bias_before_batch_norm(examination: Examination) -> Seen:
    """Only where nothing but the batch norm takes the layer's output, and along the dimension of the bias."""
    for graph, node in examination.nodes(Kind.BATCH_NORM):
        before = only_input(graph, node)
        if before is None or before.kind is not Kind.WEIGHT or len(users(graph, before)) > 1:
            continue
        count = _channels(before.layer)
        if getattr(before.layer, "use_bias", False) and count and _fits(node, before, count):
            yield graph.where(before), {"count": count, "norm": graph.name_of(node)}


@rule("DN103")
def dropout_after_outputs(examination: Examination) -> Seen:
    """Only where the outputs come straight from weights, or from a softmax or sigmoid of them."""
    for graph, node, p in examination.droppers():
        before = only_input(graph, node)
        while before is not None and (before.kind in PASSING or _makes_probabilities(before)):
            before = only_input(graph, before)
        if before is not None and before.kind is Kind.WEIGHT and _leads_out(graph, node):
            yield graph.where(node), {"p": p}


@rule("DN104")
def batch_norm_after_outputs(examination: Examination) -> Seen:
    """Only of a Dense layer, since convolutional parts of larger models end with batch norms."""
    for graph, node in examination.nodes(Kind.BATCH_NORM):
        before = only_input(graph, node)
        if before is None or not isinstance(before.layer, keras.layers.Dense) or before.part == "activation":
            continue
        activated = getattr(node.layer, "activation", keras.activations.linear) is not keras.activations.linear
        if not activated and _leads_out(graph, node):
            yield graph.where(node), {"layer": before.path}


@rule(
    "DN106",
    fix="Use SpatialDropout2D (SpatialDropout1D of sequences), which drops whole channels; for whole residual branches, "
    "stochastic depth: Dropout(rate, noise_shape=(None, 1, 1, 1)).",
)
def units_between_convolutions(examination: Examination) -> Seen:
    """Feature maps of a single position have no neighbours."""
    for graph, node, p in examination.droppers():
        layer, shape = node.layer, node.shape
        is_of_units = isinstance(layer, keras.layers.Dropout | keras.layers.BatchNormalization)
        if not is_of_units or is_channelwise(layer) or getattr(layer, "noise_shape", None) is not None:
            continue
        around = between(graph, node, _is_convolution)
        if around is None or shape is None or len(shape) < 3:
            continue
        first = getattr(around[1].layer, "data_format", "channels_last") == "channels_first"
        if any(size != 1 for size in (shape[2:] if first else shape[1:-1])):
            yield graph.where(node), {"p": p, "before": around[0].path, "after": around[1].path}


@rule("DN108")
def shared_batch_norm(examination: Examination) -> Seen:
    """A whole branch that is called several times, its layers with it, shares its statistics on purpose."""
    places: dict[int, set[str]] = {}
    for graph, node in examination.nodes(Kind.BATCH_NORM):
        if isinstance(node.layer, keras.layers.BatchNormalization) and node.layer.trainable:
            sources = behind(graph, node, WEIGHTS | {Kind.EMBEDDING, Kind.BATCH_NORM})[0]
            places.setdefault(id(node.layer), set()).update(graph.name_of(each) for each in sources[:1])
    for norm, layers in places.items():
        if len(layers) > 1:
            yield examination.paths[norm], {"layers": " and ".join(sorted(layers))}


@new_rule(
    "DN111",
    name="channels along another axis",
    severity="warning",
    traced=True,
    seen="{what} along axis {axis}, while the channels of {layer} are along axis {channels}",
    why="A batch norm then has a mean and variance for each position and not for each channel, and a dropout of channels drops "
    "positions.",
    source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2",
    fix="Use axis={channels} in BatchNormalization, and in a dropout of channels the data_format of the convolution.",
)
def channels_along_another_axis(examination: Examination) -> Seen:
    """Behind a convolution, through what leaves channels where they are."""
    for graph, node in examination.nodes(Kind.BATCH_NORM, Kind.DROPOUT):
        layer, shape = node.layer, node.shape
        source = _convolution_before(graph, node)
        if source is None or shape is None or not isinstance(layer, (keras.layers.BatchNormalization, *CHANNELWISE)):
            continue
        channels = _axis(source.layer)
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        axis = layer.axis if is_norm else _axis(layer)
        if isinstance(axis, int) and (axis - channels) % len(shape):
            what = "normalizes" if is_norm else "drops"
            yield graph.where(node), {"what": what, "axis": axis, "layer": source.path, "channels": channels}


def _leads_out(graph: Graph, node: Operation) -> bool:
    """Whether nothing but a softmax or sigmoid and what passes values on comes behind."""
    following = users(graph, node)
    return bool(following) and all(
        each.kind is Kind.OUTPUT
        or ((each.kind in PASSING | {Kind.OTHER} or _makes_probabilities(each)) and _leads_out(graph, each))
        for each in following
    )


def _makes_probabilities(operation: Operation) -> bool:
    return operation.part != "weights" and name_of_activation(operation.layer) in PROBABILITIES


def _channels(layer: Any) -> int | None:
    """How many numbers the bias of a Dense or convolution has."""
    return getattr(layer, "filters", None) or getattr(layer, "units", None) or _of_depthwise(layer)


def _of_depthwise(layer: Any) -> int | None:
    bias = getattr(layer, "bias", None)
    return None if bias is None else int(bias.shape[-1])


def _fits(norm: Operation, before: Operation, count: int) -> bool:
    """Whether a batch norm normalizes along the dimension of the bias."""
    shape = before.shape
    return shape is None or (isinstance(norm.layer.axis, int) and shape[norm.layer.axis] == count)


def _is_convolution(operation: Operation) -> bool:
    return isinstance(operation.layer, CONVOLUTIONAL) or type(operation.layer).__name__.endswith("Conv")


def _convolution_before(graph: Graph, node: Operation) -> Operation | None:
    before = only_input(graph, node)
    while before is not None and before.kind in _KEEPING:
        before = only_input(graph, before)
    return before if before is not None and isinstance(before.layer, CONVOLUTIONAL) else None


def _axis(layer: Any) -> int:
    return 1 if getattr(layer, "data_format", "channels_last") == "channels_first" else -1
