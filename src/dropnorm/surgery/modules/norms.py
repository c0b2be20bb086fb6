"""Which layers get a batch norm: those that an activation follows, and that are not normalized yet."""

from collections.abc import Iterator

from torch import fx, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from dropnorm.surgery.edits import Insert, NewLayer
from dropnorm.surgery.modules.operations import Kind, kind_of, kind_of_module
from dropnorm.surgery.modules.placing import place_norm
from dropnorm.surgery.modules.reading import Reading
from dropnorm.surgery.modules.trace import Flow
from dropnorm.surgery.notes import Note
from dropnorm.surgery.rules import OTHER_NORM, SELF_NORMALIZING, is_self_normalizing, norm_of, wants_norm
from dropnorm.surgery.ways import inputs, is_last


def batch_norms(reading: Reading) -> Iterator[Insert | Note]:
    """A batch norm for each layer that should have one, or a note why it has none."""
    other = [path for path, module in reading.trace.model.named_modules() if kind_of_module(module) is Kind.OTHER_NORM]
    other += [node.name for flow, node in reading.nodes() if kind_of(flow, node) is Kind.OTHER_NORM]
    if other:
        yield Note("", OTHER_NORM.format(other[0]))
        return
    for flow, node in reading.nodes():
        layer = flow.module_of(node)
        if layer is None or kind_of(flow, node) is not Kind.WEIGHT or is_last(flow, node):
            continue
        path = flow.path_of(node)
        if there := norm_of(flow, node):
            norm, told = there
            yield Note(flow.path_of(norm) if norm.op == "call_module" else path, told)
        elif wants_norm(flow, node):
            reason = _refusal(reading, flow, node, layer)
            yield Note(path, f"no batch norm: {reason}") if reason else _insert(reading, flow, node, layer)


def _refusal(reading: Reading, flow: Flow, node: fx.Node, layer: nn.Module) -> str:
    """Why a layer cannot have a batch norm, or nothing."""
    path = flow.path_of(node)
    if is_self_normalizing(flow, node):
        return SELF_NORMALIZING
    if parametrize.is_parametrized(layer):
        return "its weight has a parametrization, which the batch norm would undo."
    if len(reading.paths[layer]) > 1:
        return f"it is the same module as {reading.paths[layer][1]}, and its uses have statistics of their own."
    if not reading.is_called_once(flow, path):
        if reading.observation is None and flow.path:
            return "it is not known how often it is called, since the model cannot be traced. Give a batch as sample=."
        return "it is called more than once in a forward pass, and each use has statistics of its own."
    if isinstance(layer, nn.Linear):
        if reading.observation is not None:
            flat = reading.observation.dimensions[path] == {2}
        else:
            flat = is_flat(flow, inputs(flow, node)[0])
        if not flat and reading.observation is not None:
            return "its input has more than the two dimensions (N, features) of BatchNorm1d."
        if not flat:
            return (
                "its input may have more than the two dimensions (N, features) of BatchNorm1d. Give a batch as sample=."
            )
    if place_norm(reading, flow, node) is None:
        return "the forward pass takes its weight or bias, too."
    return ""


def is_flat(flow: Flow, node: fx.Node, *, arguments: bool = True) -> bool:
    """Whether a value has two dimensions, by what made it; of an argument of the model it is what `arguments` says."""
    kind = kind_of(flow, node)
    if kind in (Kind.ACTIVATION, Kind.DROPOUT, Kind.IDENTITY, Kind.BATCH_NORM, Kind.ADDITION, Kind.CONCATENATION):
        return is_flat(flow, inputs(flow, node)[0], arguments=arguments)
    if kind is Kind.WEIGHT:
        is_linear = isinstance(flow.module_of(node), nn.Linear)
        return is_linear and is_flat(flow, inputs(flow, node)[0], arguments=arguments)
    if kind is not Kind.FLATTENING:
        return arguments and node.op == "placeholder"
    if isinstance(module := flow.module_of(node), nn.Flatten):
        return bool(module.start_dim == 1 and module.end_dim == -1)
    if node.target in ("view", "reshape"):
        return len(node.args) == 3
    start = node.kwargs.get("start_dim", node.args[1] if len(node.args) > 1 else 0)
    is_flatten = getattr(node.target, "__name__", node.target) == "flatten"
    return is_flatten and bool(start == 1) and len(node.args) < 3


def _insert(reading: Reading, flow: Flow, node: fx.Node, layer: nn.Module) -> Insert:
    place = place_norm(reading, flow, node)
    assert place is not None
    if isinstance(layer, _ConvNd):
        new = NewLayer(f"BatchNorm{len(layer.kernel_size)}d", layer.out_channels)
    else:
        assert isinstance(layer, nn.Linear)
        new = NewLayer("BatchNorm1d", layer.out_features)
    biases = [id(module.bias) for module in reading.paths if getattr(module, "bias", None) is not None]
    own_bias = layer.bias is not None and biases.count(id(layer.bias)) == 1
    return Insert(place.path, place.after, place.flat, new, like=flow.path_of(node), takes_bias=own_bias)
