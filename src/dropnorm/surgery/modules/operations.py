"""What kind of operation a node of a traced graph is: which are weights, norms, activations, and what only passes values on."""

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from dropnorm.surgery.kinds import Kind, kind_of, names_an_activation

__all__ = ["Kind", "is_activation_by_name", "kind_of", "kind_of_module", "kinds_of"]


_ACTIVATIONS = [
    *(
        "CELU",
        "ELU",
        "GELU",
        "GLU",
        "LeakyReLU",
        "LogSigmoid",
        "Mish",
        "PReLU",
        "RReLU",
        "ReLU",
        "ReLU6",
        "SiLU",
        "Sigmoid",
    ),
    *("Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink"),
    "Threshold",
]
_POOLINGS = [f"{how}Pool{d}d" for how in ("Max", "Avg", "AdaptiveMax", "AdaptiveAvg", "LP") for d in (1, 2, 3)]
_RESIZING = ["Upsample", "ZeroPad2d", "ReflectionPad2d", "ReplicationPad2d"]
_OTHER_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm, nn.modules.instancenorm._InstanceNorm)

_OF_MODULES: tuple[tuple[tuple[type, ...], Kind], ...] = (
    ((nn.Linear, _ConvNd), Kind.WEIGHT),
    ((nn.Embedding, nn.EmbeddingBag), Kind.EMBEDDING),
    ((_BatchNorm,), Kind.BATCH_NORM),
    (_OTHER_NORMS, Kind.OTHER_NORM),
    ((nn.SELU,), Kind.SELF_NORMALIZING),
    (tuple(getattr(nn, name) for name in _ACTIVATIONS), Kind.ACTIVATION),
    ((_DropoutNd,), Kind.DROPOUT),
    (tuple(getattr(nn, name) for name in (*_POOLINGS, *_RESIZING)), Kind.POOLING),
    ((nn.Flatten,), Kind.FLATTENING),
    ((nn.Identity,), Kind.IDENTITY),
)

# By name, since F.relu, torch.relu, Tensor.relu and their in-place forms are one operation.
_OF_FUNCTIONS = {
    **dict.fromkeys((name.lower() for name in _ACTIVATIONS), Kind.ACTIVATION),
    **dict.fromkeys(("leaky_relu", "log_sigmoid", "logsigmoid"), Kind.ACTIVATION),
    "selu": Kind.SELF_NORMALIZING,
    "batch_norm": Kind.BATCH_NORM,
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm"), Kind.OTHER_NORM),
    **dict.fromkeys(
        ("linear", "matmul", "bmm", "addmm", "einsum", "bilinear", "scaled_dot_product_attention"), Kind.WEIGHT
    ),
    **dict.fromkeys((f"conv{t}{d}d" for t in ("", "_transpose") for d in (1, 2, 3)), Kind.WEIGHT),
    **dict.fromkeys(("embedding", "embedding_bag"), Kind.EMBEDDING),
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout"), Kind.DROPOUT),
    **dict.fromkeys(("alpha_dropout", "feature_alpha_dropout"), Kind.DROPOUT),
    **dict.fromkeys((f"{how}_pool{d}d" for how in ("max", "avg", "lp") for d in (1, 2, 3)), Kind.POOLING),
    **dict.fromkeys((f"adaptive_{how}_pool{d}d" for how in ("max", "avg") for d in (1, 2, 3)), Kind.POOLING),
    **dict.fromkeys(("interpolate", "pad"), Kind.POOLING),
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze", "mean", "amax"), Kind.FLATTENING),
    **dict.fromkeys(("add", "iadd", "sub", "isub"), Kind.ADDITION),
    **dict.fromkeys(("cat", "concat", "concatenate"), Kind.CONCATENATION),
    **dict.fromkeys(("mul", "imul"), Kind.GATE),
    **dict.fromkeys(("size", "dim", "numel", "ndimension"), Kind.METADATA),
    **dict.fromkeys(("contiguous", "clone", "to", "float", "half", "type_as"), Kind.IDENTITY),
}


def kinds_of(root: nn.Module, graph: fx.Graph) -> dict[fx.Node, Kind]:
    """What kind of operation each node of a module's graph is."""
    kinds: dict[fx.Node, Kind] = {}
    for node in graph.nodes:
        kinds[node] = _kind_of(root, node, kinds)
    return kinds


def _kind_of(root: nn.Module, node: fx.Node, kinds: dict[fx.Node, Kind]) -> Kind:
    if node.op in ("placeholder", "get_attr"):
        return Kind.SOURCE
    if node.op == "output":
        return Kind.OUTPUT
    if node.op == "call_module":
        return kind_of_module(root.get_submodule(str(node.target)))
    if node.target is getattr and node.args[1] in ("shape", "ndim", "dtype", "device"):
        return Kind.METADATA
    values = [each for each in node.all_input_nodes if kinds[each] is not Kind.METADATA]
    if node.all_input_nodes and not values:
        return Kind.METADATA
    kind = _OF_FUNCTIONS.get(_name(node), Kind.OTHER)
    # x + 1, 2 * x and a scale that is learned mix no two signals.
    signals = [each for each in values if each.op != "get_attr"]
    return Kind.IDENTITY if kind in (Kind.ADDITION, Kind.GATE) and len(signals) < 2 else kind


def is_activation_by_name(module: nn.Module) -> bool:
    """Whether a module without weights calls itself an activation: those of other libraries are no torch classes."""
    bare = not any(True for _ in module.parameters()) and not any(True for _ in module.children())
    return bare and names_an_activation(type(module).__name__)


def kind_of_module(module: nn.Module) -> Kind:
    """What kind of operation a module is that is called as one."""
    for types, kind in _OF_MODULES:
        if isinstance(module, types):
            return kind
    if type(module).__name__.endswith("Norm") and not type(module).__module__.startswith("torch."):
        return Kind.OTHER_NORM
    if is_activation_by_name(module):
        return Kind.ACTIVATION
    return Kind.OPAQUE if any(True for _ in module.parameters()) else Kind.OTHER


def _name(node: fx.Node) -> str:
    """The name of a function or method, without the underscores of in-place forms."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return name.strip("_")
