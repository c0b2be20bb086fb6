import keras
import numpy as np
import pytest
from keras import layers

from dropnorm.errors import SurgeryError
from dropnorm.surgery.keras.graph import read_graph
from dropnorm.surgery.keras.rebuild import Changes, New, rebuilt


def values(model):
    return [keras.ops.convert_to_numpy(each) for each in model.variables]


def sample_of(normal):
    return {"left": normal(2, 8, 8, 3), "right": normal(2, 8, 8, 3, seed=1)}


def test_a_copy_is_the_same_and_shares_nothing(nested, randomized, agree, normal):
    nested.get_layer("block").get_layer("norm").trainable = False
    before = values(randomized(nested))
    nodes = {each: len(each._inbound_nodes) for each in read_graph(nested).paths}
    new = rebuilt(nested)
    agree(nested, new, sample_of(normal), 1e-6)
    assert (type(new), new.name, new.output_names) == (type(nested), nested.name, nested.output_names)
    assert set(new.input) == set(nested.input)
    assert [each.name for each in new.layers] == [each.name for each in nested.layers]
    assert [each.path for each in new.trainable_weights] == [each.path for each in nested.trainable_weights]
    assert not {id(each) for each in new.variables} & {id(each) for each in nested.variables}
    for variable in new.weights:
        variable.assign(keras.ops.zeros(variable.shape))
    for old, now in zip(before, values(nested), strict=True):
        np.testing.assert_array_equal(old, now)
    assert nodes == {each: len(each._inbound_nodes) for each in nodes}


def test_a_copy_is_saved_and_loaded(nested, randomized, agree, normal, tmp_path):
    changes = Changes(after={("head/hidden", 0): [New(layers.Dropout(0.2, name="new"))]}, removed={"drop"})
    new = rebuilt(randomized(nested), changes)
    new.save(tmp_path / "new.keras")
    loaded = keras.models.load_model(tmp_path / "new.keras")
    agree(nested, loaded, sample_of(normal), 1e-6)
    assert loaded.get_layer("head").get_layer("new").rate == 0.2


def test_layers_are_put_in_replaced_and_removed_at_their_places(names):
    model = keras.Sequential(
        [
            keras.Input((4,), name="x"),
            layers.Dense(3, name="a"),
            layers.Dropout(0.5, name="d"),
            layers.Dense(2, name="b"),
        ]
    )
    changes = Changes(
        instead={"a": New(layers.Dense(3, use_bias=False, name="a"), values={"kernel": np.full((4, 3), 2.0)})},
        after={("x", 0): [New(layers.Identity(name="after_x"))], ("a", 0): [New(layers.ReLU(name="after_a"))]},
        removed={"d"},
    )
    new = rebuilt(model, changes)
    assert isinstance(new, keras.Sequential)
    assert names(new) == ["after_x", "a", "after_a", "b"]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(new.get_layer("a").kernel), np.full((4, 3), 2.0))
    functional = rebuilt(model._functional, changes)
    assert names(functional) == names(new)


def test_a_change_at_one_call_of_a_shared_layer_leaves_the_other_calls(normal):
    shared = layers.Dense(3, name="shared")
    x = keras.Input((3,))
    model = keras.Model(x, shared(shared(x)))
    double = keras.layers.Rescaling(2.0, name="double")
    new = rebuilt(model, Changes(after={("shared", 0): [New(double)]}))
    kernel, bias = (keras.ops.convert_to_numpy(each) for each in shared.weights)
    given = normal(2, 3)
    expected = (2 * (given @ kernel + bias)) @ kernel + bias
    np.testing.assert_allclose(keras.ops.convert_to_numpy(new(given)), expected, rtol=1e-5, atol=1e-6)
    assert len(new.weights) == 2


def test_a_model_that_two_others_hold_is_one(normal, agree):
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="dense")], name="inner")
    one, two = (keras.Sequential([keras.Input((3,)), inner], name=name) for name in ("one", "two"))
    x = keras.Input((3,))
    model = keras.Model(x, two(one(x)))
    assert {each.path for each in read_graph(model).operations if each.layer is inner.layers[0]} == {"one/inner/dense"}
    new = rebuilt(model, Changes(after={("one/inner/dense", 0): [New(layers.ReLU(name="new"))]}))
    assert len(new.weights) == 2
    assert new.get_layer("two").get_layer("inner") is new.get_layer("one").get_layer("inner")
    assert [layer.name for layer in new.get_layer("two").get_layer("inner").layers] == ["dense", "new"]


def test_what_is_removed_at_an_output_leaves_its_name(names):
    x = keras.Input((3,))
    model = keras.Model(x, layers.Dropout(0.1, name="out")(layers.Dense(2, name="a")(x)))
    for each in (
        model,
        keras.Sequential([keras.Input((3,)), layers.Dense(2, name="a"), layers.Dropout(0.1, name="out")]),
    ):
        new = rebuilt(each, Changes(removed={"out"}))
        assert names(new) == ["a", "out"]
        assert isinstance(new.get_layer("out"), layers.Identity)


def test_masks_arguments_and_the_training_flag_are_kept(normal):
    x = keras.Input((5,), dtype="int32")
    y = layers.Embedding(9, 4, mask_zero=True, name="e")(x)
    y = layers.Dropout(0.5, seed=3, name="d")(y, training=True)
    model = keras.Model(x, layers.LSTM(3)(y))
    new = rebuilt(model, Changes(after={("e", 0): [New(layers.Identity(name="new"))]}))
    given = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 7]])
    # The same seed, as often used: the same masks.
    expected, got = (keras.ops.convert_to_numpy(each(given)) for each in (model, new))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    again = keras.ops.convert_to_numpy(new(given))
    assert not np.allclose(got, again)


def test_a_sequential_without_input_shape_gets_its_layers(normal, names):
    model = keras.Sequential([layers.Dense(3, name="a"), layers.Dense(2, name="b")])
    new = rebuilt(model, Changes(after={("a", 0): [New(layers.ReLU(name="r"))]}))
    assert names(new) == ["a", "r", "b"]
    assert not new.built
    assert not model.built
    assert new(normal(2, 5)).shape == (2, 2)


def test_compiled_alike_with_an_optimizer_and_metrics_of_its_own(nested, normal):
    def own_loss(y, z):
        return keras.ops.mean(keras.ops.abs(y - z))

    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5), momentum=0.7)
    nested.compile(
        optimizer, {"a": own_loss, "b": "mse"}, {"a": 1.0, "b": 2.0}, {"a": keras.metrics.CategoricalAccuracy("acc")}
    )
    new = rebuilt(nested)
    assert new.compiled
    assert new.optimizer is not nested.optimizer
    assert new.optimizer.get_config() == nested.optimizer.get_config()
    data = sample_of(normal), {"a": np.eye(3)[[0, 2]], "b": np.ones((2, 1))}
    assert new.evaluate(*data, verbose=0, return_dict=True) == pytest.approx(
        nested.evaluate(*data, verbose=0, return_dict=True), rel=1e-5
    )
    new.fit(*data, verbose=0)
    nested.evaluate(*data, verbose=0)  # whose weights are still there
    assert not rebuilt(keras.Sequential([layers.Dense(2)])).compiled


def test_mixed_precision_is_kept(normal):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    keras.config.set_dtype_policy("float32")
    new = rebuilt(model)
    assert new.layers[0].dtype_policy.name == "mixed_bfloat16"
    assert keras.backend.standardize_dtype(new(normal(2, 3)).dtype) == "bfloat16"


def test_wrappers_and_layers_of_somebody_s_own(normal, agree):
    class Own(layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units, self.inner = units, layers.Dense(units)

        def call(self, x):
            return self.inner(x)

        def get_config(self):
            return super().get_config() | {"units": self.units}

    x = keras.Input((4, 3))
    y = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)
    y = layers.TimeDistributed(layers.Dense(3))(y)
    y = layers.MultiHeadAttention(2, 2)(y, y)
    model = keras.Model(x, Own(2, name="own")(y))
    model.get_layer("own").inner.trainable = False
    new = rebuilt(model)
    agree(model, new, normal(2, 4, 3), 1e-5)
    assert not new.get_layer("own").inner.trainable


def test_what_preprocessing_has_learned_is_copied(normal, agree):
    known = layers.Normalization(axis=-1)
    known.adapt(3 + 2 * normal(50, 3))
    words = layers.IntegerLookup(num_oov_indices=1, name="words")
    words.adapt(np.array([7, 7, 8]))
    model = keras.Sequential([keras.Input((3,)), known, layers.Dense(2)])
    new = rebuilt(model)
    assert abs(keras.ops.convert_to_numpy(new.layers[0].mean).mean() - 3) < 1
    agree(model, new, normal(4, 3), 1e-6)
    assert rebuilt(keras.Sequential([words])).get_layer("words").get_vocabulary() == words.get_vocabulary()


def test_a_layer_that_cannot_be_copied_is_named(refuses):
    class Own(layers.Layer):
        def __init__(self, units):
            super().__init__(name="own")
            self.units = units

    with pytest.raises(
        SurgeryError, match=r"\A'own' \(Own\) cannot be copied \(.*\): expected layers that .* Give the class"
    ):
        rebuilt(keras.Sequential([keras.Input((3,)), Own(3)]))
