"""Rules on what dropout and batch norm are set to, and on dropout that is no layer."""

from dropnorm.surgery.audit.examination import Examination
from dropnorm.surgery.audit.places import function_dropout
from dropnorm.surgery.audit.registry import Seen, rule
from dropnorm.surgery.modules.operations import Kind, kind_of

_KERAS_MOMENTUM = 0.9
_KERAS_EPSILON = 1e-3
_TORCH_MOMENTUM = 0.1
_MUCH = 0.7


@rule(
    "DN121",
    "momentum of another framework",
    "warning",
    seen="momentum={momentum:g} weighs the newest batch with {momentum:.3g}, and all before it with {rest:.3g}",
    why="torch's momentum weighs the new value, Keras's and TensorFlow's the old one. Read the other way the running "
    "statistics are those of the last batch alone.",
    source="the documentation of torch.nn.BatchNorm2d; pytorch/examples issue 289",
    fix="Use momentum={rest:.3g}.",
)
def momentum_of_another_framework(examination: Examination) -> Seen:
    """Nobody wants the running statistics to forget nine tenths with each batch."""
    for path, norm in examination.batch_norms.items():
        if norm.momentum is not None and norm.track_running_stats and norm.momentum >= _KERAS_MOMENTUM:
            yield path, {"momentum": norm.momentum, "rest": 1.0 - norm.momentum}


@rule(
    "DN122",
    "epsilon of another framework",
    "note",
    seen="eps={eps:g} with torch's momentum of {momentum:g}",
    why="Keras's default is 1e-3, torch's 1e-5. Weights carried over need the one they were trained with; channels of "
    "small variance come out far smaller with the larger one.",
    source="the documentation of torch.nn.BatchNorm2d and keras.layers.BatchNormalization",
    fix="Use eps=1e-5, unless the weights come from Keras: then the momentum should be 0.01, too.",
)
def epsilon_of_another_framework(examination: Examination) -> Seen:
    """With Keras's momentum beside it, the epsilon has been carried over on purpose."""
    for path, norm in examination.batch_norms.items():
        if norm.momentum == _TORCH_MOMENTUM and norm.eps >= _KERAS_EPSILON:
            yield path, {"eps": norm.eps, "momentum": norm.momentum}


@rule(
    "DN123",
    "dropout that stays on in inference",
    "error",
    traced=True,
    seen="{function} drops (p={p:g}) in inference mode, too",
    why="Predictions are random, and worse than they could be. A function does not know the model's mode unless it is told.",
    source="the documentation of torch.nn.functional; pytorch issue 124464",
    fix="Give it training=self.training, or dropout_p=p if self.training else 0.0; or use a layer.",
)
def dropout_in_inference(examination: Examination) -> Seen:
    """As the model runs in inference mode."""
    for flow in examination.inference_flows:
        for node in flow.graph.nodes:
            if node.op == "call_function" and kind_of(flow, node) in (Kind.DROPOUT, Kind.WEIGHT):
                rate, on = function_dropout(node)
                if on and rate > 0.0:
                    yield flow.where(node), {"function": flow.name_of(node), "p": rate}


@rule(
    "DN124",
    "dropout of everything",
    "error",
    traced=True,
    seen="p=1: all is dropped in training",
    why="No signal and no gradient passes; what is behind learns of constants alone.",
    fix="Use a rate below 1, such as p=0.5. To keep 80 % of the units use p=0.2.",
)
def dropout_of_everything(examination: Examination) -> Seen:
    """Functions too."""
    for flow, node, p in examination.droppers():
        if p == 1.0:
            yield flow.where(node), {"p": p}


@rule(
    "DN125",
    "dropout of most",
    "warning",
    traced=True,
    seen="p={p:g}: each unit is kept in {kept:.3g} of the steps",
    why="Training error rises steeply for rates above 0.7; and a rate is often meant as the share that is kept, as in "
    "the paper.",
    source="Srivastava et al. 2014, section 7.3 and figure 9",
    fix="Use a rate between 0.1 and 0.5. If {p:g} was to be kept, use p={kept:.3g}.",
)
def dropout_of_most(examination: Examination) -> Seen:
    """Above the range that the paper found to work."""
    for flow, node, p in examination.droppers():
        if _MUCH < p < 1.0:
            yield flow.where(node), {"p": p, "kept": 1.0 - p}
