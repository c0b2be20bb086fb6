import keras
import numpy as np
import pytest
from keras import layers

import dropnorm as dn
from dropnorm import keras as own
from dropnorm.errors import SurgeryError


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def sequential(*inner, shape=(6,)):
    return keras.Sequential([keras.Input(shape), *inner])


def notes(receipt):
    return {note.path: note.text for note in receipt.notes}


def test_batch_norm_before_and_behind_goes_into_one_layer_and_dropout_is_gone(randomized, agree, normal):
    model = randomized(
        sequential(
            layers.BatchNormalization(name="before"),
            layers.Dense(5, use_bias=False, name="a"),
            layers.Dropout(0.3, name="d"),
            own.BatchNormalization(name="behind"),
            layers.ReLU(),
            layers.GaussianNoise(0.2, name="g"),
            layers.Dense(2),
        )
    )
    receipt = dn.fold(model, sample=normal(4, 6))
    assert kinds(receipt.model) == ["Dense", "ReLU", "Dense"]
    assert [(each.path, each.text) for each in receipt.done] == [
        ("before", "batch norm is in a"),
        ("d", "dropout is gone"),
        ("behind", "batch norm is in a"),
        ("g", "noise is gone"),
    ]
    assert receipt.notes == ()
    assert str(receipt).splitlines()[0] == "Sequential: 2 batch norms folded, 1 dropout gone, 1 noise gone"
    agree(model, receipt.model, normal(9, 6), 1e-5)
    assert kinds(model)[0] == "BatchNormalization"


def test_undo_gives_what_was(randomized, agree, normal):
    model = randomized(sequential(layers.Dense(5), layers.BatchNormalization(), layers.Dropout(0.5, name="d")))
    before = [keras.ops.convert_to_numpy(each) for each in model.weights]
    receipt = dn.fold(model)
    model.layers[0].kernel.assign(0 * model.layers[0].kernel)
    back = receipt.undo()
    assert kinds(back) == kinds(model)
    for old, now in zip(before, back.weights, strict=True):
        np.testing.assert_array_equal(now, old)
    assert receipt.undo() is not back


def test_through_nested_models_and_a_block_that_is_called_twice(randomized, agree, normal):
    inner = keras.Input((8, 8, 3))
    conv = layers.Conv2D(4, 3, padding="same", name="conv")(inner)
    block = keras.Model(inner, layers.ReLU()(layers.BatchNormalization(name="norm")(conv)), name="block")
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    y = layers.Concatenate()([block(left), block(right)])
    y = keras.Sequential([layers.Conv2D(3, 1)], name="head")(y)
    model = randomized(keras.Model([left, right], layers.BatchNormalization(name="last")(y)))
    receipt = dn.fold(model, sample=[normal(2, 8, 8, 3), normal(2, 8, 8, 3, seed=1)])
    assert [(each.path, each.text) for each in receipt.done] == [
        ("block/norm", "batch norm is in block/conv"),
        ("last", "batch norm is in head/" + model.get_layer("head").layers[0].name),
    ]
    assert receipt.model.output_names == model.output_names
    agree(model, receipt.model, [normal(3, 8, 8, 3), normal(3, 8, 8, 3, seed=2)], 1e-5)


def test_a_fused_layer_leaves_its_activation(randomized, agree, normal):
    model = randomized(sequential(layers.Dense(5), own.BatchNormActDropout(0.5, "tanh", name="f"), layers.Dense(2)))
    receipt = dn.fold(model, sample=normal(4, 6))
    assert kinds(receipt.model) == ["Dense", "Activation", "Dense"]
    agree(model, receipt.model, normal(4, 6), 1e-5)


def test_valid_and_pointwise_convolutions_take_a_batch_norm_before_them_and_padding_ones_do_not(
    randomized, agree, normal
):
    folds = [
        layers.Conv2D(4, 3),
        layers.Conv2D(4, 1, padding="same", strides=2),
        layers.Conv2D(4, 1, activation="relu"),
    ]
    stays = [
        layers.Conv2D(4, 3, padding="same"),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.Conv2DTranspose(4, 2),
    ]
    for layer in folds + stays:
        model = randomized(sequential(layers.BatchNormalization(name="n"), layer, shape=(8, 8, 3)))
        receipt = dn.fold(model, sample=normal(2, 8, 8, 3))
        assert bool(receipt.done) is (layer in folds)
        agree(model, receipt.model, normal(2, 8, 8, 3, seed=1), 1e-5)
    assert notes(dn.fold(sequential(layers.BatchNormalization(name="n"), stays[0], shape=(8, 8, 3))))["n"] == (
        f"stays: {stays[0].name} pads zeros, which the batch norm does not shift."
    )


class OwnNorm(layers.BatchNormalization):
    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs, training=training, mask=mask)


def model_of(function, shape=(6,)):
    x = keras.Input(shape)
    return keras.Model(x, function(x))


def shared(x):
    dense = layers.Dense(6, name="shared")
    return layers.BatchNormalization(name="n")(dense(dense(x)))


def two_users(x):
    y = layers.Dense(6)(x)
    return layers.Add()([layers.BatchNormalization(name="n")(y), y])


NO_LAYER = "stays: no Dense, Conv, DepthwiseConv, SeparableConv or ConvTranspose without an activation stands alone"


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: layers.BatchNormalization(name="n")(layers.Dense(6, activation="relu")(x)), NO_LAYER),
        (two_users, NO_LAYER),
        (shared, "stays: shared is called at other places, too."),
        (
            lambda x: layers.BatchNormalization(name="n")(layers.Dense(6)(x), training=True),
            "stays: it is called with training=True, and normalizes by each batch.",
        ),
        (
            lambda x: OwnNorm(name="n")(layers.Dense(6)(x)),
            "stays: the forward of OwnNorm is another one than Keras's and ours.",
        ),
        (
            lambda x: layers.BatchNormalization(axis=1, name="n")(layers.Dense(6, name="a")(layers.Reshape((3, 2))(x))),
            "stays: it normalizes another dimension than the features of a.",
        ),
    ],
)
def test_what_stays_and_why(function, reason, randomized, agree, normal):
    model = randomized(model_of(function))
    receipt = dn.fold(model)
    assert receipt.done == ()
    assert notes(receipt)["n"].startswith(reason)
    agree(model, receipt.model, normal(4, 6), 1e-6)


def test_dropout_that_is_always_on_stays(normal):
    receipt = dn.fold(model_of(lambda x: layers.Dropout(0.5, name="d")(x, training=True)))
    assert notes(receipt) == {"d": "stays: the dropout is called with training=True."}


def test_a_model_that_is_not_built():
    receipt = dn.fold(keras.Sequential([layers.Dense(2), layers.BatchNormalization(name="n"), layers.Dropout(0.1)]))
    assert notes(receipt) == {"n": "stays: it has no statistics yet, since the model is not built."}


def test_low_rank_and_quantized_weights_stay():
    model = sequential(layers.Dense(5, name="a"), layers.BatchNormalization(name="n"))
    model.get_layer("a").enable_lora(2)
    assert notes(dn.fold(model)) == {"n": "stays: a: its weight has a low-rank part (LoRA), which stands for itself."}


def test_a_compiled_model_and_its_file(randomized, normal, tmp_path):
    model = randomized(sequential(layers.Dense(5), layers.BatchNormalization(name="n")))
    model.compile("adam", "mse")
    folded = dn.fold(model).model
    data = normal(4, 6), normal(4, 5)
    assert folded.evaluate(*data, verbose=0) == pytest.approx(model.evaluate(*data, verbose=0), rel=1e-4)
    folded.save(tmp_path / "folded.keras")
    loaded = keras.models.load_model(tmp_path / "folded.keras")
    np.testing.assert_array_equal(loaded.predict(data[0], verbose=0), folded.predict(data[0], verbose=0))


def test_half_precision(randomized, agree, normal):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = randomized(sequential(layers.Dense(5), layers.BatchNormalization(), layers.ReLU()))
    receipt = dn.fold(model, sample=normal(4, 6))
    assert len(receipt.done) == 1
    agree(model, receipt.model, normal(4, 6), 0.03)


class Counts(layers.Layer):
    """A layer that computes by how many of its kind there are."""

    made = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        Counts.made += 1
        self.number = Counts.made

    def call(self, x):
        return x * self.number


def test_an_outcome_that_would_be_another_is_refused(normal):
    with pytest.raises(SurgeryError, match=r"\Amodel=Sequential cannot be changed safely: its outputs for the sample"):
        dn.fold(sequential(layers.Dense(4), layers.BatchNormalization(), Counts()), sample=normal(2, 6))
