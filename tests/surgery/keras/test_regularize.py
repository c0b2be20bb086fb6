import keras
import numpy as np
import pytest
from keras import layers

import dropnorm as dn
from dropnorm import keras as own
from dropnorm.errors import ArgumentError, ArgumentTypeError, SurgeryError


def described(model):
    """The layers with what makes them what they are."""
    told = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        config = layer.get_config()
        kept = {
            key: config[key] for key in ("units", "filters", "use_bias", "activation", "rate", "axis") if key in config
        }
        told.append((type(layer).__name__, kept))
    return told


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def edits_of(model, **arguments):
    return [(type(each).__name__, each.path) for each in dn.regularize(model, **arguments).edits]


def told(plan):
    return {note.path: note.text for note in plan.notes}


def mlp():
    return keras.Sequential(
        [
            keras.Input((6,), name="x"),
            layers.Dense(8, activation="relu", name="a"),
            layers.Dense(7, name="b"),
            layers.Activation("tanh", name="t"),
            layers.Dense(3, activation="softmax", name="c"),
        ]
    )


def test_a_dense_net_gets_the_layers_that_one_would_write_by_hand(randomized, agree, normal):
    model = randomized(mlp())
    new = dn.regularize(model, dropout=0.3, sample=normal(4, 6)).apply()
    by_hand = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, use_bias=False),
            own.BatchNormalization(),
            layers.Activation("relu"),
            own.Dropout(0.3),
            layers.Dense(7, use_bias=False),
            own.BatchNormalization(),
            layers.Activation("tanh"),
            own.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )
    assert described(new) == described(by_hand)
    assert all(isinstance(layer, own.BatchNormalization) for layer in (new.layers[1], new.layers[5]))
    # The bias is the batch norm's, and the outputs are the same to the last digits.
    np.testing.assert_array_equal(new.get_layer("a_norm").beta, model.get_layer("a").bias)
    agree(model, new, normal(5, 6), 1e-6)
    assert described(model) == described(mlp())


def test_a_convolutional_net_drops_channels_until_they_are_flattened(randomized, agree, normal):
    x = keras.Input((10, 10, 3))
    y = layers.SeparableConv2D(4, 3, activation="relu", name="a")(x)
    y = layers.MaxPooling2D()(y)
    y = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="b")(y)
    y = layers.Flatten()(y)
    y = keras.ops.relu(layers.Dense(5, name="c")(y))
    model = randomized(keras.Model(x, layers.Dense(2)(y)))
    new = dn.regularize(model, sample=normal(2, 10, 10, 3)).apply()
    assert kinds(new) == [
        *("SeparableConv2D", "BatchNormalization", "Activation", "SpatialDropout2D", "MaxPooling2D"),
        *("DepthwiseConv2D", "BatchNormalization", "Activation", "SpatialDropout2D", "Flatten"),
        *("Dense", "BatchNormalization", "Dropout", "Dense"),
    ]
    assert new.get_layer("b_norm").gamma.shape == (8,)
    agree(model, new, normal(3, 10, 10, 3), 1e-5)


def test_channels_first(normal):
    model = keras.Sequential(
        [
            keras.Input((3, 9)),
            layers.Conv1D(4, 3, activation="relu", data_format="channels_first", name="a"),
            layers.Conv1D(4, 3, data_format="channels_first", name="b"),
        ]
    )
    new = dn.regularize(model, dropout=0.5, sample=normal(2, 3, 9)).apply()
    assert new.get_layer("a_norm").axis == 1
    y = keras.ops.convert_to_numpy(new.get_layer("a_dropout")(np.ones((8, 4, 7), "float32"), training=True))
    assert set(np.unique(y.std(axis=2))) == {0.0}  # whole channels
    assert set(np.unique(y)) == {0.0, 2.0}


def test_nested_models_are_changed_inside_and_one_called_twice_at_both_calls(nested, randomized, agree, normal):
    sample = {name: normal(2, 8, 8, 3, seed=seed) for seed, name in enumerate(("left", "right"))}
    randomized(nested)
    plan = dn.regularize(nested, dropout=0.1, sample=sample)
    new = plan.apply()
    assert kinds(new.get_layer("head")) == ["Flatten", "Dense", "BatchNormalization", "Activation"]
    assert kinds(new.get_layer("block")) == kinds(nested.get_layer("block"))
    assert new.get_layer("drop").rate == 0.1
    assert told(plan)["block/norm"] == "batch norm is there already, after an activation, and kept."
    agree(nested, new, sample, 1e-5)


def test_where_a_nested_model_is_called_twice_and_only_one_call_is_a_place_none_is_made():
    inner = keras.Input((4,))
    block = keras.Model(inner, layers.Dense(4, activation="relu", name="inner")(inner), name="block")
    x = keras.Input((4,))
    y = block(x)
    model = keras.Model(x, [layers.Dense(2, name="head")(y), block(y)])
    plan = dn.regularize(model, batch_norm=False)
    assert plan.edits == ()
    assert told(plan)["block/inner"].startswith("no dropout after it: ")


def test_a_shared_layer_has_dropout_at_each_call_and_no_batch_norm():
    shared = layers.Dense(4, activation="relu", name="shared")
    x = keras.Input((4,))
    plan = dn.regularize(keras.Model(x, layers.Dense(2)(shared(shared(x)))))
    assert told(plan)["shared"].startswith("no batch norm: it is called more than once in a forward pass")
    assert kinds(plan.apply()) == ["Dense", "Dropout", "Dropout", "Dense"]


def test_skips_gates_and_outputs_are_left_whole():
    x = keras.Input((4,))
    a = layers.Dense(4, activation="relu", name="a")(x)
    b = layers.Dense(4, activation="relu", name="b")(a)
    y = layers.Add()([a, b])
    gate = layers.Dense(4, activation="sigmoid", name="gate")(y)
    y = layers.Multiply()([layers.Dense(4, name="c")(y), gate])
    out = layers.Dense(4, activation="relu", name="out")(y)
    plan = dn.regularize(keras.Model(x, [layers.Dense(2)(out), out]), batch_norm=False)
    assert [edit.path for edit in plan.edits] == ["b"]
    assert told(plan) == {
        "a": "no dropout after it: it goes through a skip connection, too, which stays whole.",
        "out": "no dropout after it: it is an output, too.",
    }


def test_what_is_there_is_not_doubled():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4, name="a"),
            layers.BatchNormalization(name="n"),
            layers.ReLU(),
            layers.Dropout(0.5, name="d"),
            layers.Dense(4, activation="relu", name="b"),
            layers.BatchNormalization(name="m"),
            layers.Dense(2),
        ]
    )
    plan = dn.regularize(model, dropout=0.2)
    assert [(type(each).__name__, each.path) for each in plan.edits] == [("SetRate", "d")]
    assert told(plan) == {
        "n": "batch norm is there already, and kept.",
        "m": "batch norm is there already, after an activation, and kept.",
        "d": "dropout is there already: its rate 0.5 becomes 0.2.",
        "b": "no dropout after it: a batch norm follows, whose statistics dropout would shift (Li et al. 2019).",
    }
    assert plan.apply().get_layer("d").rate == 0.2
    assert model.get_layer("d").rate == 0.5


def test_stochastic_depth_keeps_its_rate():
    x = keras.Input((4,))
    y = layers.Dropout(0.05, noise_shape=(None, 1), name="branch")(layers.Dense(4, name="a")(x))
    plan = dn.regularize(keras.Model(x, layers.Dense(2)(layers.Add()([x, y]))))
    assert plan.edits == ()
    assert told(plan) == {"branch": "rate 0.05 is kept: it drops whole branches (stochastic depth)."}


def test_where_last_and_by_name():
    assert edits_of(mlp(), batch_norm=False, where="last") == [("Insert", "t")]
    assert edits_of(mlp(), batch_norm=False, where=["a"]) == [("Insert", "a")]
    assert edits_of(mlp(), batch_norm=False, where=["b"]) == [("Insert", "t")]  # the layer that the activation is of
    with pytest.raises(
        ArgumentError, match=r"\Awhere='aa' matches no place .* expected 'a', 't', 'b'\. Did you mean 'a'\?\Z"
    ):
        dn.regularize(mlp(), where=["aa"])


def test_a_block_s_name_stands_for_what_is_in_it():
    inner = keras.Sequential([layers.Dense(3, activation="relu", name="a"), layers.Dense(3)], name="block")
    model = keras.Sequential([keras.Input((4,)), inner, layers.ReLU(name="r"), layers.Dense(2)])
    assert edits_of(model, batch_norm=False, where=["block"]) == [("Insert", "block/a"), ("Insert", "r")]
    assert edits_of(model, batch_norm=False, where=["block/a"]) == [("Insert", "block/a")]


def test_last_drops_behind_all_batch_norms_and_poolings():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="a"),
            layers.BatchNormalization(),
            layers.ReLU(name="r"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, name="head"),
        ]
    )
    (edit,) = dn.regularize(model, where="last").edits
    assert (edit.path, edit.layer.name) == ("r", "SpatialDropout2D")


def test_what_is_flattened_before_its_activation_has_no_channels():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.ReLU(name="r"), layers.Dense(2)]
    )
    (edit,) = dn.regularize(model, batch_norm=False).edits
    assert (edit.path, edit.layer.name) == ("r", "Dropout")


def test_input_dropout(normal):
    new = dn.regularize(mlp(), dropout=None, batch_norm=False, input_dropout=0.1, sample=normal(2, 6)).apply()
    assert (new.layers[0].name, new.layers[0].rate) == ("x_dropout", 0.1)
    ids, images = keras.Input((5,), dtype="int32", name="ids"), keras.Input((5,), dtype="uint8", name="images")
    embedded = layers.Flatten()(layers.Embedding(9, 4)(ids))
    model = keras.Model(
        [ids, images], layers.Dense(2)(layers.Concatenate()([embedded, layers.Rescaling(1 / 255)(images)]))
    )
    plan = dn.regularize(model, input_dropout=0.1)
    assert told(plan) == {
        "ids": "no input dropout: it is embedded, and indices cannot be dropped.",
        "images": "no input dropout: its values are uint8, and cannot be dropped from.",
    }
    model = keras.Sequential([keras.Input((5,)), layers.Dropout(0.3, name="d"), layers.Dense(2)])
    plan = dn.regularize(model, input_dropout=0.1)
    assert plan.apply().get_layer("d").rate == 0.1
    assert told(plan)["d"] == "rate 0.3: of an input, so that only input_dropout changes it."


def test_other_norms_selu_and_opaque_layers():
    x = keras.Input((4, 3))
    model = keras.Model(x, layers.Dense(2)(layers.ReLU()(layers.LayerNormalization(name="ln")(layers.Dense(3)(x)))))
    assert told(dn.regularize(model, dropout=None)) == {
        "": "no batch norm: ln normalizes already, each sample by itself."
    }
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="selu", name="a"), layers.Dense(2)])
    assert dn.regularize(model).edits == ()
    y = layers.Bidirectional(layers.LSTM(2, dropout=0.3, return_sequences=True), name="rnn")(x)
    y = layers.TimeDistributed(layers.Dropout(0.1), name="td")(layers.MultiHeadAttention(1, 2, name="mha")(y, y))
    assert told(dn.regularize(keras.Model(x, layers.Dense(2)(y)))) == {
        "rnn": "left alone: Bidirectional drops on its own (dropout=0.3).",
        "td": "left alone: TimeDistributed is called as a whole, with Dropout in it.",
    }


def test_masks_reach_the_new_layers():
    x = keras.Input((5,), dtype="int32")
    y = layers.Embedding(9, 4, mask_zero=True, name="e")(x)
    y = layers.Dense(4, activation="relu", name="a")(y)
    model = keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))
    given = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 0, 0]])
    new = dn.regularize(model, sample=given).apply()
    new(given, training=True)
    values = keras.Model(x, model.get_layer("e").output)(given) @ model.get_layer("a").kernel
    # Only what is no padding counts.
    counted = keras.ops.convert_to_numpy(values)[given > 0]
    np.testing.assert_allclose(new.get_layer("a_norm").moving_mean, 0.01 * counted.mean(0), rtol=1e-4, atol=1e-7)


def test_the_new_model_is_compiled_trains_and_is_saved(normal, tmp_path):
    model = mlp()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    new = dn.regularize(model).apply()
    new.fit(normal(32, 6), np.arange(32) % 3, epochs=1, verbose=0)
    assert new.evaluate(normal(4, 6), np.zeros(4), verbose=0, return_dict=True).keys() == {"loss", "accuracy"}
    new.save(tmp_path / "new.keras")
    loaded = keras.models.load_model(tmp_path / "new.keras")
    np.testing.assert_allclose(loaded.predict(normal(4, 6), verbose=0), new.predict(normal(4, 6), verbose=0), atol=1e-6)


def test_a_model_that_is_not_built_and_frozen_and_mixed_layers(normal):
    model = keras.Sequential([layers.Dense(4, activation="relu", name="a"), layers.Dense(2)])
    new = dn.regularize(model, sample=normal(2, 3)).apply()
    assert (new.built, model.built) == (False, False)
    assert new(normal(2, 5)).shape == (2, 2)
    frozen = layers.Dense(
        4, activation="relu", name="a", trainable=False, dtype="mixed_bfloat16", bias_regularizer="l2"
    )
    new = dn.regularize(keras.Sequential([keras.Input((3,)), frozen, layers.Dense(2)])).apply()
    norm = new.get_layer("a_norm")
    assert (norm.trainable, norm.dtype_policy.name) == (False, "mixed_bfloat16")
    assert isinstance(norm.beta_regularizer, keras.regularizers.L2)


def test_names_that_are_taken():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, activation="relu", name="a"),
            layers.Dense(4, name="a_norm"),
            layers.Dense(2),
        ]
    )
    assert [layer.name for layer in dn.regularize(model, dropout=None).apply().layers][1] == "a_norm_2"


class Subclassed(keras.Model):
    def call(self, x):
        return x


def test_what_cannot_be_rewritten(refuses, normal):
    with refuses(
        SurgeryError,
        "model=Subclassed is of a class with a call or constructor of its own, which cannot be followed: expected a functional "
        "or Sequential model. If it was made of inputs and outputs, give keras.Model(model.inputs, model.outputs); otherwise "
        "make it of Keras's functional API.",
    ):
        dn.regularize(Subclassed())
    with refuses(
        ArgumentTypeError,
        "model=Dense is a layer of Keras, and no model: expected a functional or Sequential model. Put the layer into a "
        "keras.Sequential.",
    ):
        dn.regularize(layers.Dense(2))
    with pytest.raises(SurgeryError, match=r"\Amodel=Sequential has no layers: "):
        dn.regularize(keras.Sequential())
    with pytest.raises(
        SurgeryError, match=r"\Asample=ndarray cannot be given to Sequential \(.*expected what the model takes"
    ):
        dn.regularize(mlp(), sample=normal(2, 7))


class Looks(layers.Layer):
    """A layer that computes by how many of its kind there are."""

    made = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        Looks.made += 1
        self.number = Looks.made

    def call(self, x):
        return x * self.number


def test_an_outcome_that_would_be_another_is_refused(normal):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="relu"), Looks(), layers.Dense(2)])
    with pytest.raises(
        SurgeryError, match=r"\Amodel=Sequential cannot be changed safely: afterwards its outputs for the "
    ):
        dn.regularize(model, sample=normal(2, 3))
