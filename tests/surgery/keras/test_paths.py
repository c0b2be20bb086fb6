import keras
from keras import layers

from dropnorm.surgery.keras.paths import layers_of


class Block(layers.Layer):
    """Two dropouts of one name in a list."""

    def __init__(self):
        super().__init__(name="block")
        self.drops = [layers.Dropout(0.1, name="drop"), layers.Dropout(0.2, name="drop")]

    def call(self, x):
        return self.drops[1](self.drops[0](x))


def test_layers_are_found_in_models_in_models_and_in_layers():
    shared = layers.Dense(3, name="shared")
    inner = keras.Sequential(
        [keras.Input((3,), name="in"), shared, layers.BatchNormalization(name="norm")], name="inner"
    )
    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, Block()(inner(shared(inputs))))
    found = layers_of(model)
    assert sorted(found) == ["block", "block/drop", "block/drop~2", "inner", "inner/in", "inner/norm", "shared", "x"]
    assert found["shared"] is shared
    assert found["block/drop~2"].rate == 0.2
