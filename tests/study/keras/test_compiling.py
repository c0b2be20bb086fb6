import keras
import pytest
from keras import layers

from dropnorm.study.arms import named_arm
from dropnorm.study.keras.compiling import compile_for_study

PLAIN, LIMITED = named_arm("plain"), named_arm("max_norm")


def model():
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(4, activation="relu"),
            layers.Dense(3),
        ]
    )


def test_a_model_without_an_optimizer_gets_adam_and_the_loss_of_its_outputs():
    net = model()
    compile_for_study(net, "logits", PLAIN, 0.0)
    assert isinstance(net.optimizer, keras.optimizers.Adam)
    assert net.optimizer.built
    assert isinstance(net.loss, keras.losses.SparseCategoricalCrossentropy)
    assert net.loss.from_logits


def test_a_compiled_one_keeps_what_decides_its_training():
    net, loss = model(), keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    optimizer = keras.optimizers.SGD(
        keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9), momentum=0.8, clipnorm=1.0
    )
    net.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=True)
    compile_for_study(net, "logits", PLAIN, 0.0)
    assert net.optimizer is optimizer
    assert net.loss is loss
    assert net.run_eagerly
    assert net.get_compile_config()["metrics"] is None, "the study measures by itself"


def test_an_optimizer_that_knows_other_variables_is_made_anew():
    net = model()
    net.compile(keras.optimizers.RMSprop(0.02, rho=0.7), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    net.optimizer.build(net.trainable_variables)
    before = net.optimizer
    compile_for_study(net, "logits", PLAIN, 0.3)
    assert net.optimizer is not before
    assert (net.optimizer.rho, net.optimizer.weight_decay) == (0.7, 0.3)
    assert float(net.optimizer.learning_rate) == pytest.approx(0.02)


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "in one that scales the loss"])
def test_weights_decay_and_nothing_else(wrapped):
    net, optimizer = model(), keras.optimizers.Adam()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.LossScaleOptimizer(optimizer) if wrapped else optimizer, loss)
    compile_for_study(net, "logits", PLAIN, 0.3)
    decaying = [each.name for each in net.trainable_variables if optimizer._use_weight_decay(each)]
    assert optimizer.weight_decay == 0.3
    assert decaying == ["kernel"] * 3


def test_the_weights_into_hidden_units_are_limited_all_of_a_unit_together():
    net = model()
    compile_for_study(net, "logits", LIMITED, 0.0)
    limits = [layer.kernel.constraint for layer in net.layers if hasattr(layer, "kernel")]
    assert [None if limit is None else (limit.max_value, limit.axis) for limit in limits] == [
        (3.0, [0, 1, 2]),
        (3.0, [0]),
        None,
    ]
