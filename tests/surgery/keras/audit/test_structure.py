"""Where dropout and batch norm stand, in the cases that examples of the page leave out: alarms that must not be, above all."""

import keras
import pytest
from keras import layers

import dropnorm as dn
from dropnorm import keras as own

relu, flat = layers.ReLU, layers.Flatten


def conv(**more):
    return layers.Conv2D(4, 3, **{"use_bias": False} | more)


def found(*body, inputs=(12, 12, 3)):
    model = keras.Sequential([keras.Input(inputs), *body])
    return [(each.code, each.path, each.values) for each in dn.audit(model, select="DN1").findings]


def codes(*body, inputs=(12, 12, 3)):
    return [code for code, *_ in found(*body, inputs=inputs)]


def dense(*body):
    return codes(*body, layers.Dense(2), inputs=(4,))


@pytest.mark.parametrize("between", [[], [relu(name="first")], [layers.MaxPooling2D(1)], [keras.Sequential([relu()])]])
@pytest.mark.parametrize("dropout", [layers.SpatialDropout2D, own.SpatialDropout2D])
def test_dropout_before_batch_norm_through_what_passes_it_on(dropout, between):
    seen = found(
        conv(), dropout(0.5, name="drop"), *between, layers.BatchNormalization(name="norm"), relu(), conv(), flat()
    )
    assert seen == [("DN101", "drop", {"p": 0.5, "norm": "norm", "others": "", "ratio": 2.0})]


def test_other_dropouts_before_batch_norm():
    norm = layers.BatchNormalization
    assert dense(layers.Dense(4), layers.GaussianDropout(0.5), norm(), relu()) == ["DN101"]
    assert dense(layers.Dense(4, use_bias=False), own.BatchNormActDropout(0.5), norm(), relu()) == ["DN101"]
    assert dense(layers.Dense(4), layers.Dropout(0.0), norm(), relu()) == []
    assert dense(layers.Dropout(0.5), layers.Dense(4, use_bias=False), norm(), relu()) == []


def test_a_bias_is_of_use_behind_an_activation_or_where_it_goes_elsewhere_too():
    norm = layers.BatchNormalization
    assert dense(layers.Dense(4, activation="relu"), norm(), relu()) == []
    inputs = keras.Input((4,))
    y = layers.Dense(4)(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Add()([relu()(norm()(y)), y])))
    assert dn.audit(model).codes == ()
    assert found(conv(use_bias=True, name="conv"), norm(name="norm"), relu(), flat()) == [
        ("DN102", "conv", {"count": 4, "norm": "norm"})
    ]
    depthwise = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")
    assert found(depthwise, norm(name="norm"), relu(), flat()) == [("DN102", "depthwise", {"count": 6, "norm": "norm"})]


def test_a_bias_along_another_axis_than_the_batch_norm_s_is_of_use():
    assert (
        codes(layers.Dense(4), layers.BatchNormalization(axis=1), relu(), flat(), layers.Dense(2), inputs=(6, 3)) == []
    )


@pytest.mark.parametrize(
    ("behind", "code"),
    [
        ([layers.Dense(3)], ["DN103"]),
        ([layers.Dense(3), layers.Softmax()], ["DN103"]),
        ([layers.Dense(3, activation="sigmoid")], ["DN103"]),
        ([layers.Dense(3, activation="relu")], []),
        ([layers.Dense(3, activation="relu"), layers.Dropout(0.1, name="inner"), layers.Dense(3)], ["DN103"]),
    ],
)
def test_dropout_of_outputs_and_not_of_features(behind, code):
    assert codes(*behind, layers.Dropout(0.5), inputs=(4,)) == code


def test_dropout_before_the_last_layer_is_none_of_outputs():
    assert codes(layers.Dense(8), layers.Dropout(0.5), layers.Dense(3, activation="softmax"), inputs=(4,)) == []
    assert codes(layers.Dense(3), layers.Dropout(0.5), layers.Activation("softmax"), inputs=(4,)) == ["DN103"]


def test_batch_norm_of_outputs_and_not_of_a_backbone():
    bare = layers.Dense(3, use_bias=False)
    assert codes(bare, layers.BatchNormalization(), layers.Activation("sigmoid"), inputs=(4,)) == ["DN104"]
    assert codes(conv(), layers.BatchNormalization()) == []
    assert codes(bare, layers.BatchNormalization(), relu(), inputs=(4,)) == []


def test_dropout_of_units_between_convolutions():
    relus = conv(activation="relu"), conv(activation="relu")
    assert codes(relus[0], own.BatchNormActDropout(0.2), relus[1], flat()) == ["DN106"]
    assert codes(relus[0], own.BatchNormActDropout(0.2, channelwise=True), relus[1], flat()) == []
    assert codes(relus[0], layers.Dropout(0.2, noise_shape=(None, 1, 1, 1)), relus[1], flat()) == []
    assert codes(relus[0], flat(), layers.Dropout(0.2), layers.Dense(3)) == []
    single = keras.Sequential([layers.GlobalAveragePooling2D(keepdims=True), layers.Dropout(0.2)])
    assert codes(relus[0], single, layers.Conv2D(4, 1), flat()) == []


def test_a_branch_that_is_called_twice_shares_on_purpose():
    inputs = keras.Input((4,)), keras.Input((4,))
    hidden = [layers.Dense(8, use_bias=False), layers.BatchNormalization(), relu()]
    branch = keras.Sequential([keras.Input((4,)), *hidden])
    model = keras.Model(inputs, layers.Dense(2)(layers.Subtract()([branch(inputs[0]), branch(inputs[1])])))
    assert dn.audit(model).codes == ()


def test_channels_along_the_axis_of_the_convolution():
    first = {"data_format": "channels_first"}
    norm, drop = layers.BatchNormalization, layers.SpatialDropout2D
    assert codes(conv(**first), norm(axis=1), relu(), drop(0.2, **first), flat()) == []
    assert codes(conv(**first), norm(), relu(), drop(0.2), flat()) == ["DN111", "DN111"]
    assert codes(conv(), norm(axis=3), relu(), drop(0.2), flat()) == []
    seen = found(conv(name="conv"), relu(), drop(0.2, name="drop", **first), flat())
    assert seen == [("DN111", "drop", {"what": "drops", "axis": 1, "layer": "conv", "channels": -1})]
    assert codes(conv(), flat(), norm(axis=1), layers.Dense(2)) == []
