"""Where an operation stands: what it takes, where its value goes, what is before and behind it."""

from collections.abc import Callable

from torch import fx

from dropnorm.surgery.kinds import AnyNode, Graph, Kind, kind_of
from dropnorm.surgery.modules.recording import SHAPE
from dropnorm.surgery.ways import WEIGHTS, ahead, behind, inputs, users

# Positions and defaults of (p, training) in torch's functions.
_FUNCTIONS: dict[str, tuple[int, float, int, bool]] = {
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "dropout3d"), (1, 0.5, 2, True)),
    **dict.fromkeys(("alpha_dropout", "feature_alpha_dropout"), (1, 0.5, 2, False)),
    "feature_dropout": (1, 0.5, 2, True),
}
_ATTENTION_RATE = 4  # dropout_p of scaled_dot_product_attention


def function_dropout(node: fx.Node) -> tuple[float, bool]:
    """The rate of a dropout that is called as a function, and whether it is on."""
    name = str(getattr(node.target, "__name__", node.target)).strip("_")
    if name == "scaled_dot_product_attention":
        rate = node.kwargs.get("dropout_p", node.args[_ATTENTION_RATE] if len(node.args) > _ATTENTION_RATE else 0.0)
        return (float(rate), True) if isinstance(rate, float | int) else (0.0, False)
    if name not in _FUNCTIONS:
        return 0.0, False
    rate_at, rate_default, training_at, training_default = _FUNCTIONS[name]
    rate = node.kwargs.get("p", node.args[rate_at] if len(node.args) > rate_at else rate_default)
    training = node.kwargs.get("training", node.args[training_at] if len(node.args) > training_at else training_default)
    training = node.kwargs.get("train", training)
    return (float(rate), bool(training)) if isinstance(rate, float | int) else (0.0, False)


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """The shape of what comes to a node, where a batch has shown it."""
    shape: tuple[int, ...] | None = node.meta.get(SHAPE)
    return shape


def only_input(flow: Graph[AnyNode], node: AnyNode) -> AnyNode | None:
    """The one operation whose value a node takes, beside parameters, or None."""
    # In graphs of torch.fx parameters are nodes, too.
    signals = [each for each in inputs(flow, node) if getattr(each, "op", "") != "get_attr"]
    return signals[0] if len(signals) == 1 else None


def leads_out(flow: Graph[AnyNode], node: AnyNode, through: frozenset[Kind]) -> bool:
    """Whether a value goes to the output and nowhere else, through operations of these kinds alone."""
    following = users(flow, node)
    if not following:
        return False
    return all(
        kind_of(flow, each) is Kind.OUTPUT or (kind_of(flow, each) in through and leads_out(flow, each, through))
        for each in following
    )


def between(
    flow: Graph[AnyNode], node: AnyNode, is_convolution: Callable[[AnyNode], bool]
) -> tuple[AnyNode, AnyNode] | None:
    """One of the convolutions before and one of those behind a node, if nothing else takes or makes its values."""
    sources, passed = behind(flow, node, WEIGHTS)
    takers, passed_after = ahead(flow, node, WEIGHTS)
    if not sources or not takers or Kind.FLATTENING in passed | passed_after:
        return None
    return (sources[0], takers[0]) if all(map(is_convolution, (*sources, *takers))) else None
