"""What rules are shown of a model."""

import keras
from keras import layers

from dropnorm import keras as own
from dropnorm.surgery.keras.audit.examination import Examination
from dropnorm.surgery.keras.graph import read_graph
from dropnorm.surgery.kinds import Kind


def test_a_model_by_its_layers_and_operations():
    inputs, norm = keras.Input((4,)), layers.BatchNormalization(name="norm")
    fused = own.BatchNormActDropout(0.3, name="fused")
    inner = keras.Sequential(
        [keras.Input((4,)), norm, layers.Dropout(0.0), layers.GaussianDropout(0.4, name="noise")], name="in"
    )
    model = keras.Model(inputs, fused(inner(inputs)))
    seen = Examination(model, read_graph(model))
    assert seen.batch_norms == {"in/norm": norm, "fused": fused}
    assert [(node.path, rate) for _, node, rate in seen.droppers()] == [("in/noise", 0.4), ("fused", 0.3)]
    assert [node.path for _, node in seen.nodes(Kind.BATCH_NORM)] == ["in/norm", "fused"]
    assert seen.paths[id(norm)] == "in/norm"
    assert seen.wired == []
    assert list(Examination(model, None).droppers()) == []


def test_modes_that_layers_are_called_in_wherever_they_are():
    inputs = keras.Input((4,))
    part = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(name="norm")], name="part")
    x = layers.Dropout(0.5, name="drop")(part(inputs, training=False), training=True)
    model = keras.Model(inputs, x, name="inner")
    outer = keras.Sequential([keras.Input((4,)), model])
    found = {(each.path, each.training) for each in Examination(outer, None).wired}
    assert found >= {("inner/part/norm", False), ("inner/drop", True)}
    assert {path.partition("/")[0] for path, _ in found} == {"inner"}
