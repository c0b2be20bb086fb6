"""Rules on where dropout and batch norm stand."""

from functools import partial

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from dropnorm.nn import BatchNormActDropout2d
from dropnorm.surgery.audit.examination import Examination
from dropnorm.surgery.audit.places import between, leads_out, only_input, shape_of
from dropnorm.surgery.audit.registry import Seen, Values, rule
from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.trace import Flow
from dropnorm.surgery.ways import PASSING, WEIGHTS, ahead, behind, users

_ELEMENTWISE = (nn.Dropout,)
MIXING = WEIGHTS | {Kind.BATCH_NORM, Kind.OTHER_NORM, Kind.GATE, Kind.ADDITION, Kind.OUTPUT, Kind.EMBEDDING}
_DIMENSIONS = {nn.Dropout1d: 3, nn.Dropout2d: 4, nn.Dropout3d: 5}


@rule(
    "DN101",
    "dropout before batch norm",
    "warning",
    traced=True,
    seen="dropout (p={p:g}) goes into the batch norm {norm}{others}: in training its inputs have at least {ratio:.3g} "
    "times the variance of inference",
    why="The running variance is learned of dropped values and used for whole ones, so that every output is scaled wrongly in "
    "inference.",
    source="Li et al. 2019, arXiv:1801.05134",
    fix="Move the dropout behind the batch norm and its activation, or behind the last batch norm of the model.",
)
def dropout_before_batch_norm(examination: Examination) -> Seen:
    """Of a unit with mean c and variance v the ratio is ((c^2 + v) / (1 - p) - c^2) / v, at least 1 / (1 - p)."""
    for flow, node, p in examination.droppers():
        following = ahead(flow, node, MIXING)[0]
        norms = list(dict.fromkeys(flow.name_of(each) for each in following if kind_of(flow, each) is Kind.BATCH_NORM))
        if norms and p < 1.0:
            others = f" and {len(norms) - 1} others" if len(norms) > 1 else ""
            yield flow.where(node), {"p": p, "norm": norms[0], "others": others, "ratio": 1.0 / (1.0 - p)}


@rule(
    "DN102",
    "bias before batch norm",
    "note",
    traced=True,
    seen="its bias of {count} parameters is subtracted again by the batch norm {norm}",
    why="The batch norm subtracts the mean, and with it the bias, and adds a bias of its own: the first one learns nothing.",
    source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2",
    fix="Make the layer with bias=False. In a trained model leave it: it does no harm.",
)
def bias_before_batch_norm(examination: Examination) -> Seen:
    """Only where nothing but the batch norm takes the layer's output."""
    for flow, node in examination.nodes(Kind.BATCH_NORM):
        before = only_input(flow, node)
        layer = None if before is None else flow.module_of(before)
        if before is None or layer is None or kind_of(flow, before) is not Kind.WEIGHT or len(users(flow, before)) > 1:
            continue
        bias, module = getattr(layer, "bias", None), flow.module_of(node)
        # Of another dimension than the one that is normalized the bias is not the same within a channel.
        if bias is not None and bias.numel() == getattr(module, "num_features", bias.numel()):
            yield flow.path_of(before), {"count": bias.numel(), "norm": flow.name_of(node)}


@rule(
    "DN103",
    "dropout after the last layer",
    "error",
    traced=True,
    seen="dropout (p={p:g}) after the last layer: outputs themselves are dropped",
    why="In training a class or quantity is told to be 0 at random, which no weight can mend; the loss is then of noise.",
    source="Srivastava et al. 2014",
    fix="Move the dropout before the last layer.",
)
def dropout_after_outputs(examination: Examination) -> Seen:
    """Only where the outputs come straight from weights."""
    for flow, node, p in examination.droppers():
        if flow.path == "" and _made_by_weights(flow, node) and leads_out(flow, node, PASSING | {Kind.OTHER}):
            yield flow.where(node), {"p": p}


@rule(
    "DN104",
    "batch norm after the last layer",
    "warning",
    traced=True,
    seen="batch norm of the outputs of {layer}",
    why="Outputs of one row then depend on the rows beside it, and their scale is taken from the loss. For features that a "
    "loss compares with each other it may be meant.",
    source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2",
    fix="Take the batch norm out, or put it before an activation.",
)
def batch_norm_after_outputs(examination: Examination) -> Seen:
    """Only of a linear layer, since convolutional parts of larger models end with batch norms."""
    for flow, node in examination.nodes(Kind.BATCH_NORM):
        before = only_input(flow, node)
        if flow.path == "" and before is not None and isinstance(flow.module_of(before), nn.Linear):
            module = flow.module_of(node)
            activated = getattr(module, "activation", "identity") != "identity"
            if not activated and leads_out(flow, node, PASSING | {Kind.OTHER}):
                yield flow.where(node), {"layer": flow.path_of(before)}


@rule(
    "DN105",
    "softmax as the last operation",
    "warning",
    traced=True,
    seen="the outputs are probabilities, by a softmax inside of the model",
    why="Cross-entropy in torch takes logits and has the softmax in it: with two of them gradients are small, and the loss of "
    "ten classes never falls below 1.46.",
    source="the documentation of torch.nn.CrossEntropyLoss",
    fix="Return the logits and take the softmax where predictions are used. With NLLLoss use log_softmax.",
)
def softmax_of_outputs(examination: Examination) -> Seen:
    """A log of it is right with NLLLoss."""
    for flow, node in examination.nodes(Kind.OTHER):
        softmax = isinstance(flow.module_of(node), nn.Softmax | nn.Softmax2d) or (
            node.op != "call_module" and str(getattr(node.target, "__name__", node.target)) == "softmax"
        )
        if flow.path == "" and softmax and leads_out(flow, node, PASSING):
            yield flow.where(node), {}


@rule(
    "DN106",
    "dropout of single units between convolutions",
    "note",
    traced=True,
    seen="dropout (p={p:g}) of single values of feature maps, between {before} and {after}",
    why="Neighbours in a feature map are alike, so that the next convolution sees what was dropped all the same: it drops less "
    "than it says.",
    source="Tompson et al. 2015, arXiv:1411.4280, section 3.2",
    fix="Use Dropout2d (Dropout1d of sequences), which drops whole channels; for whole residual branches, stochastic depth.",
)
def units_between_convolutions(examination: Examination) -> Seen:
    """Feature maps of a single position have no neighbours."""
    for flow, node, p in examination.droppers():
        module = flow.module_of(node)
        function = "dropout" if module is None and getattr(node.target, "__name__", "") == "dropout" else ""
        if not (function or isinstance(module, _ELEMENTWISE) or _drops_units(module)):
            continue
        shape = shape_of(node)
        if shape is not None and (len(shape) < 3 or all(size == 1 for size in shape[2:])):
            continue
        around = between(flow, node, partial(_is_convolution, flow))
        if around is not None:
            before, after = map(flow.name_of, around)
            yield flow.where(node), {"p": p, "before": before, "after": after}


@rule(
    "DN107",
    "dropout of channels on another number of dimensions",
    "error",
    traced=True,
    seen="{layer} gets a {given}-d input of shape {shape}, and is made for {expected}-d ones",
    why="What it takes for a channel is something else: of an input without its batch or channel dimension whole samples are "
    "dropped, or positions.",
    source="the documentation of torch.nn.Dropout1d and Dropout2d",
    fix="Use Dropout for (N, features), Dropout1d for (N, C, L), Dropout2d for (N, C, H, W).",
    needs="batch",
)
def channels_of_other_dimensions(examination: Examination) -> Seen:
    """Only a batch tells."""
    for flow, node in examination.nodes(Kind.DROPOUT):
        module, shape = flow.module_of(node), shape_of(node)
        for kind, expected in _DIMENSIONS.items():
            if isinstance(module, kind) and shape is not None and len(shape) != expected:
                given: Values = {"given": len(shape), "shape": str(shape), "expected": expected}
                yield flow.where(node), {"layer": type(module).__name__, **given}


@rule(
    "DN108",
    "one batch norm at several places",
    "warning",
    traced=True,
    seen="normalizes the outputs of {layers} alike",
    why="Each place has statistics of its own. In training each is normalized by its own, in inference all by one mixture that "
    "fits none.",
    source="Cooijmans et al. 2017, arXiv:1603.09025, section 4",
    fix="Give each place a batch norm of its own; weights may be shared all the same.",
)
def shared_batch_norm(examination: Examination) -> Seen:
    """A whole branch that is called several times, its layers with it, shares its statistics on purpose."""
    places: dict[str, set[str]] = {}
    for flow, node in examination.nodes(Kind.BATCH_NORM):
        module = examination.model.get_submodule(flow.path_of(node)) if node.op == "call_module" else None
        if isinstance(module, _BatchNorm) and (module.training or not examination.model.training):
            sources = behind(flow, node, WEIGHTS | {Kind.EMBEDDING, Kind.BATCH_NORM})[0]
            paths = examination.paths_of[module]
            places.setdefault(paths[0], set()).update(flow.name_of(each) for each in sources[:1])
    for path, layers in places.items():
        if len(layers) > 1:
            yield path, {"layers": " and ".join(sorted(layers))}


def _made_by_weights(flow: Flow, node: fx.Node) -> bool:
    """Whether a value comes from weights with nothing between but what passes values on."""
    before = only_input(flow, node)
    while before is not None and kind_of(flow, before) in PASSING:
        before = only_input(flow, before)
    return before is not None and kind_of(flow, before) is Kind.WEIGHT


def _is_convolution(flow: Flow, node: fx.Node) -> bool:
    module = flow.module_of(node)
    name = str(getattr(node.target, "__name__", ""))
    return isinstance(module, _ConvNd) or (module is None and name.startswith("conv"))


def _drops_units(module: nn.Module | None) -> bool:
    """Whether it is a fused layer for images that drops single values."""
    return isinstance(module, BatchNormActDropout2d) and not module.channelwise
