"""Moving statistics against a two-pass computation in float64, whatever the batches; and all as it was after an error."""

import keras
import numpy as np
import pytest
from keras import layers

import dropnorm as dn
from dropnorm import keras as own
from dropnorm.errors import ArgumentError, NonFiniteError, SurgeryError


def array(values):
    return keras.ops.convert_to_numpy(values).astype("float64")


def branched():
    """Two batch norms side by side, and one behind both, with dropout between."""
    x = keras.Input((5, 5, 3))
    left = layers.ReLU()(layers.BatchNormalization(name="left")(layers.Conv2D(4, 3, padding="same")(x)))
    right = own.BatchNormalization(name="right", momentum=0.5)(layers.Conv2D(4, 1)(x))
    y = layers.Dropout(0.5, seed=1)(layers.Add(name="sum")([left, right]))
    y = layers.GlobalAveragePooling2D()(own.BatchNormActDropout(0.5, "silu", name="last")(y))
    return keras.Model(x, layers.Dense(2)(y))


def expected_of(model, x):
    """What comes to each batch norm, from all rows at once, when those before it are right already."""
    found = {}
    for name in ("left", "right", "last"):
        norm = model.get_layer(name)
        values = array(keras.Model(model.input, norm.input)(x)).reshape(-1, 4)
        found[name] = values.mean(0), values.var(0)
        norm.moving_mean.assign(found[name][0])
        norm.moving_variance.assign(found[name][1])
    return found


@pytest.mark.parametrize("sizes", [[50], [20, 20, 10], [49, 1]])
def test_statistics_are_those_of_a_two_pass_computation(sizes, randomized, normal):
    x = 3 * normal(50, 5, 5, 3) + 5
    model, other = randomized(branched()), randomized(branched())
    report = dn.recalibrate(model, [(each, np.zeros(len(each))) for each in np.split(x, np.cumsum(sizes)[:-1])])
    for name, (mean, variance) in expected_of(other, x).items():
        norm = model.get_layer(name)
        np.testing.assert_allclose(array(norm.moving_mean), mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(array(norm.moving_variance), variance, rtol=1e-4)
    assert (report.passes, report.rows, report.not_reached) == (2, 50, ())
    assert [(each.path, each.level, each.values) for each in report.layers] == [
        *(("left", 0, 1250), ("right", 0, 1250)),
        ("last", 1, 1250),
    ]


def test_how_far_off_they_were_and_part_of_the_way(normal):
    model = keras.Sequential([keras.Input((3,)), layers.BatchNormalization(name="n", epsilon=0.5)])
    x = 2 * normal(1000, 3) + 4
    report = dn.recalibrate(model, [x], momentum=0.25)
    (layer,) = report.layers
    mean, variance = x.astype("float64").mean(0), x.astype("float64").var(0)
    assert layer.mean_shift == pytest.approx(np.median(mean) / 1.5**0.5, rel=1e-5)
    assert layer.variance_ratio == pytest.approx(np.median(variance + 0.5) / 1.5, rel=1e-5)
    np.testing.assert_allclose(array(model.get_layer("n").moving_mean), 0.25 * mean, rtol=1e-5)
    np.testing.assert_allclose(array(model.get_layer("n").moving_variance), 0.75 + 0.25 * variance, rtol=1e-5)


class Subclassed(keras.Model):
    """Two batch norms in an order that only a run shows."""

    def __init__(self):
        super().__init__()
        self.second, self.first = layers.BatchNormalization(name="second"), layers.BatchNormalization(name="first")

    def call(self, x, training=False):
        return self.second(keras.ops.relu(self.first(x, training=training)), training=training)


def test_a_model_with_a_call_of_its_own(normal):
    model, x = Subclassed(), 3 * normal(40, 3) + 1
    model(x)
    report = dn.recalibrate(model, [x[:30], x[30:]])
    assert [(each.path, each.level) for each in report.layers] == [("first", 0), ("second", 1)]
    hidden = np.maximum((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), 0)
    np.testing.assert_allclose(array(model.second.moving_mean), hidden.mean(0), rtol=1e-4)


def test_masked_positions_channels_first_and_renorm(normal):
    x = keras.Input((4,), dtype="int32")
    y = layers.Embedding(9, 3, mask_zero=True, name="e")(x)
    model = keras.Model(x, layers.BatchNormalization(name="n")(y))
    given = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    dn.recalibrate(model, [given])
    values = array(model.get_layer("e").embeddings)[[1, 2, 3]]
    np.testing.assert_allclose(array(model.get_layer("n").moving_mean), values.mean(0), rtol=1e-5)

    model = keras.Sequential([keras.Input((3, 5)), layers.BatchNormalization(axis=1, renorm=True, name="n")])
    x = normal(20, 3, 5) + 2
    dn.recalibrate(model, [x])
    norm = model.get_layer("n")
    np.testing.assert_allclose(array(norm.moving_mean), x.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(array(norm.renorm_mean), x.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(array(norm.renorm_stddev), np.sqrt(x.var((0, 2)) + 1e-3), rtol=1e-5)


def test_several_inputs_and_loaders_that_give_lists(normal):
    one, two = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([one, two], layers.BatchNormalization(name="n")(layers.Add()([one, two])))
    x, y = normal(10, 3), normal(10, 3, seed=1)
    dn.recalibrate(model, [[x, y]])
    np.testing.assert_allclose(array(model.get_layer("n").moving_mean), (x + y).mean(0), rtol=1e-4)
    dn.recalibrate(model, [([x, x], np.zeros(10))])
    np.testing.assert_allclose(array(model.get_layer("n").moving_mean), (2 * x).mean(0), rtol=1e-4)
    single = keras.Sequential([keras.Input((3,)), layers.BatchNormalization(name="n")])
    assert dn.recalibrate(single, [[x, np.zeros(10)]]).rows == 10
    assert dn.recalibrate(single, x).rows == 10


class Parts(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, number):
        return np.full((4, 3), float(number)), np.zeros(4)


def test_a_dataset_of_keras_ends():
    model = keras.Sequential([keras.Input((3,)), layers.BatchNormalization(name="n")])
    assert dn.recalibrate(model, Parts()).rows == 12
    np.testing.assert_allclose(array(model.get_layer("n").moving_variance), 2 / 3, rtol=1e-6)


def test_after_an_error_all_is_as_it_was(normal, refuses):
    model = branched()
    before = [array(each) for each in model.variables]
    bad = normal(4, 5, 5, 3)
    bad[0, 0, 0, 0] = np.nan
    with pytest.raises(NonFiniteError, match=r"\ANaN or infinity comes to the batch norm 'left': "):
        dn.recalibrate(model, [normal(4, 5, 5, 3), bad])
    with pytest.raises(SurgeryError, match=r"\Abatches cannot be given to Functional \(.* All is as it was\.\Z"):
        dn.recalibrate(model, [normal(4, 5, 5, 3), normal(4, 2)])
    with pytest.raises(SurgeryError, match=r"\Abatches is empty: "):
        dn.recalibrate(model, [])
    for old, now in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(array(now), old)
    assert "call" not in vars(model.get_layer("left"))


def test_models_without_statistics():
    with pytest.raises(ArgumentError, match=r"\Amodel has no batch norm with running statistics: "):
        dn.recalibrate(keras.Sequential([keras.Input((3,)), layers.Dense(2)]), [np.ones((2, 3))])
    with pytest.raises(
        SurgeryError, match=r"\Amodel=Sequential is not built, so that its batch norms have no statistics yet"
    ):
        dn.recalibrate(keras.Sequential([layers.BatchNormalization()]), [np.ones((2, 3))])
