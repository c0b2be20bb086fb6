"""Rules on what dropout and batch norm are set to in a Keras model."""

from dropnorm.surgery.audit.registry import Seen
from dropnorm.surgery.keras.audit.examination import Examination
from dropnorm.surgery.keras.audit.registry import rule, same_rule
from dropnorm.surgery.keras.layers import rate_of
from dropnorm.surgery.keras.reading import has_rate

_TORCH_MOMENTUM, _TORCH_EPSILON = 0.1, 1e-5
_KERAS_MOMENTUM = 0.99
CALLED = "where it is called, as model(x), though not in predict"
ALWAYS = "in predict, too"


@rule(
    "DN121",
    seen="momentum={momentum:g} weighs the newest batch with {rest:.3g}, and all before it with {momentum:g}",
    why="Keras's momentum weighs the old value, torch's the new one. Read the other way the moving statistics are those of the "
    "last batch alone.",
    source="the documentation of keras.layers.BatchNormalization",
)
def momentum_of_another_framework(examination: Examination) -> Seen:
    """Nobody wants the moving statistics to forget nine tenths with each batch."""
    for path, norm in examination.batch_norms.items():
        if norm.momentum <= _TORCH_MOMENTUM:
            yield path, {"momentum": norm.momentum, "rest": 1.0 - norm.momentum}


@rule(
    "DN122",
    seen="epsilon={eps:g} with Keras's momentum of {momentum:g}",
    why="torch's default is 1e-5, Keras's 1e-3. Weights carried over need the one they were trained with; channels of small "
    "variance come out far larger with the smaller one.",
    fix="Use epsilon=1e-3, unless the weights come from torch: then the momentum should be 0.9, too.",
)
def epsilon_of_another_framework(examination: Examination) -> Seen:
    """With torch's momentum beside it, the epsilon has been carried over on purpose."""
    for path, norm in examination.batch_norms.items():
        if norm.momentum == _KERAS_MOMENTUM and norm.epsilon <= _TORCH_EPSILON:
            yield path, {"eps": norm.epsilon, "momentum": norm.momentum}


@rule(
    "DN123",
    traced=False,
    seen="called with training=True it drops (p={p:g}) {where}",
    why="Predictions are random, and differ with how they are asked for: in a functional model predict overrides what a layer "
    "was called with, and a call of the model does not.",
    source="the documentation of keras.layers.Dropout",
    fix="Leave training out of the call. For many predictions with dropout on there is dropnorm.mc_predict.",
)
def dropout_in_inference(examination: Examination) -> Seen:
    """As the model is wired, and as a batch shows."""
    for each in examination.wired:
        if each.training and has_rate(each.layer) and rate_of(each.layer) > 0.0:
            yield each.path, {"p": rate_of(each.layer), "where": CALLED}
    for call in examination.always:
        if has_rate(call.layer) and rate_of(call.layer) > 0.0:
            yield call.path, {"p": rate_of(call.layer), "where": ALWAYS}


same_rule("DN124")
same_rule("DN125")
