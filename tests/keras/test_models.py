"""The layers in whole models: the listings that people have, saved files, clones, compiled training, export."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from dropnorm.keras import BatchNormActDropout, BatchNormalization, Dropout, SpatialDropout1D

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.skipif(BACKEND == "numpy", reason="NumPy does not train")
OURS = {"Dropout": Dropout, "BatchNormalization": BatchNormalization}
LAYERS = {
    "dropout": "model.add(layers.Dropout(0.2))\n",
    "batch norm": "model.add(layers.BatchNormalization())\n",
    "both": "model.add(layers.BatchNormalization())\nmodel.add(layers.Dropout(0.2))\n",
}
LISTING = """
model = models.Sequential()
model.add(layers.Dense(128, activation='relu', input_shape=(784,)))
{}model.add(layers.Dense(10, activation='softmax'))
model.compile(optimizer='adam', loss='sparse_categorical_crossentropy', metrics=['accuracy'])
"""


@pytest.fixture(scope="module")
def digits():
    """Scikit-learn's digits as images of 28 x 28, flattened, and their labels: a part to train on, and a part to test on."""
    images, labels = load_digits(return_X_y=True)
    nearest = np.arange(28) * 8 // 28
    pixels = images.reshape(-1, 8, 8)[:, nearest][:, :, nearest].reshape(-1, 784).astype("float32") / 16
    return (pixels[:1400], labels[:1400]), (pixels[1400:], labels[1400:])


@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`")  # the listing is as people have it
@pytest.mark.parametrize(
    ("package", "what"),
    [*(("keras", what) for what in LAYERS), ("tensorflow.keras", "dropout"), ("tensorflow.keras", "batch norm")],
)
def test_a_listing_runs_with_only_the_layers_import_changed(package, what, digits, tmp_path):
    code = LISTING.format(LAYERS[what])
    code = code.replace("layers.Dropout", "Dropout").replace("layers.BatchNorm", "BatchNorm")
    names = {}
    exec(f"from {package} import layers, models\nfrom dropnorm.keras import BatchNormalization, Dropout\n{code}", names)
    model, (train, test) = names["model"], digits
    model.fit(*train, epochs=4, verbose=0)
    # Such a net is right on about 91 % of these; a net that does not learn on 10 %.
    assert model.evaluate(*test, verbose=0)[1] > 0.8
    kinds = [type(layer) for layer in model.layers]
    assert (Dropout in kinds, BatchNormalization in kinds) == (what != "batch norm", what != "dropout")


def net(dropout=Dropout, norm=BatchNormalization):
    """A functional model with both layers twice, one of them in a branch."""
    x = keras.Input((6, 4))
    y = keras.layers.Dense(8)(x)
    y = norm(name="first")(y)
    y = keras.layers.Activation("relu")(y)
    y = keras.layers.Add()([y, dropout(0.3, seed=1, name="drop")(keras.layers.Dense(8)(x))])
    y = norm(axis=1, scale=False, name="second")(y)
    y = dropout(0.2, name="last")(keras.layers.Flatten()(y))
    return keras.Model(x, keras.layers.Dense(3, name="head")(y))


def trained(model, normal, **compile):
    model.compile("adam", "mse", **compile)
    model.fit(normal(48, 6, 4), normal(48, 3, seed=1), batch_size=20, epochs=2, verbose=0)
    return model


def predicted(model, normal):
    return model.predict(normal(5, 6, 4, seed=3), verbose=0)


@pytest.fixture
def nets():
    """A model of our layers and one of Keras's, with weights as after some training."""
    made = net(), net(keras.layers.Dropout, keras.layers.BatchNormalization)
    random = np.random.default_rng(2)
    for model in made:
        model.set_weights([random.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    return made


def replaced_in(model):
    """The same model with our layers in the place of Keras's."""

    def replaced(layer):
        return OURS.get(type(layer).__name__, type(layer)).from_config(layer.get_config())

    swapped = keras.models.clone_model(model, clone_function=replaced)
    swapped.set_weights(model.get_weights())
    assert type(swapped.get_layer("drop")) is Dropout
    assert type(swapped.get_layer("second")) is BatchNormalization
    return swapped


def agree(one, other, normal):
    np.testing.assert_allclose(predicted(one, normal), predicted(other, normal), rtol=1e-5, atol=1e-5)


def test_files_of_weights_pass_both_ways(nets, normal, tmp_path):
    for model, other in (nets, nets[::-1]):
        model.save_weights(tmp_path / "net.weights.h5")
        assert np.abs(predicted(model, normal) - predicted(other, normal)).max() > 1e-3
        kinds = type(other.get_layer("drop")), type(other.get_layer("first"))
        loaded = net(*kinds)
        loaded.load_weights(tmp_path / "net.weights.h5")
        agree(loaded, model, normal)


def test_saved_models_are_loaded_as_they_were_and_keras_s_take_our_layers(nets, normal, tmp_path):
    ours, theirs = nets
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    loaded = keras.models.load_model(tmp_path / "ours.keras")
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in ours.layers]
    agree(loaded, ours, normal)
    agree(replaced_in(keras.models.load_model(tmp_path / "theirs.keras")), theirs, normal)


def test_our_saved_models_are_loaded_as_keras_s_where_dropnorm_is_not(nets, normal, tmp_path):
    nets[0].save(tmp_path / "ours.keras")
    np.save(tmp_path / "x.npy", normal(5, 6, 4, seed=3))
    code = (
        "import sys, keras, numpy as np\n"
        "names = 'Dropout', 'BatchNormalization'\n"
        "theirs = {f'dropnorm>{name}': getattr(keras.layers, name) for name in names}\n"
        "model = keras.models.load_model('ours.keras', custom_objects=theirs)\n"
        "np.save('y.npy', model.predict(np.load('x.npy'), verbose=0))\n"
        "print('dropnorm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False"], done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), predicted(nets[0], normal), rtol=1e-5, atol=1e-5)


def test_a_loaded_model_draws_its_masks_from_the_first_as_in_keras(tmp_path, array, tensor):
    model = keras.Sequential([keras.Input((40,)), Dropout(0.5, seed=4)])
    x = tensor(np.ones((8, 40)))
    first, second = (array(model(x, training=True)) for _ in range(2))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(array(again(x, training=True)), first)
    assert not np.array_equal(first, second)


def test_models_are_cloned(nets, normal):
    clone = keras.models.clone_model(nets[0])
    clone.set_weights(nets[0].get_weights())
    assert [type(layer) for layer in clone.layers] == [type(layer) for layer in nets[0].layers]
    np.testing.assert_array_equal(predicted(clone, normal), predicted(nets[0], normal))


@pytest.mark.skipif(BACKEND == "torch", reason="a minute of C++; the layers alone are compiled in their own tests")
def test_training_compiled(normal):
    model = net()
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=True)
    x = normal(40, 6, 4)
    losses = model.fit(x, x.sum((1, 2))[:, None], batch_size=20, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_a_compiled_training_step_is_an_eager_one(normal):
    # That the loss falls is not enough: with gradients of other units than the forward pass dropped it does, too.
    def trained(**how):
        keras.utils.set_random_seed(3)
        head = keras.layers.Dense(1)
        model = keras.Sequential([keras.Input((12,)), Dropout(0.3, seed=1), BatchNormActDropout(0.4, seed=2), head])
        model.compile(keras.optimizers.SGD(0.5), "mse", **how)
        model.fit(normal(32, 12), normal(32, 1, seed=1), batch_size=16, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    for ours, theirs in zip(trained(jit_compile=True), trained(run_eagerly=True, jit_compile=False), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_mixed_precision(normal):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = trained(net(), normal)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert keras.backend.standardize_dtype(model.get_layer("first").gamma.dtype) == "float32"


def test_subclassed_models(normal, tmp_path):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.block, self.drop, self.head = BatchNormActDropout(0.2), SpatialDropout1D(0.2), keras.layers.Dense(3)

        def call(self, x, training=False):
            return self.head(keras.ops.mean(self.drop(self.block(x, training=training), training=training), axis=1))

    model, again = trained(Net(), normal), Net()
    model.save_weights(tmp_path / "net.weights.h5")
    again(normal(5, 6, 4))
    again.load_weights(tmp_path / "net.weights.h5")
    np.testing.assert_array_equal(predicted(again, normal), predicted(model, normal))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_export_to_a_saved_model(nets, normal, tmp_path):
    import tensorflow as tf

    nets[0].export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(served.serve(normal(5, 6, 4, seed=3)), predicted(nets[0], normal), rtol=1e-5, atol=1e-6)
