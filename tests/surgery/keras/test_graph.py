import keras
import pytest
from keras import layers

from dropnorm.surgery.keras.graph import is_graph, read_graph
from dropnorm.surgery.kinds import Kind


def listed(graph):
    return [(each.path, each.part, each.kind) for each in graph.operations]


def one(graph, path, part="whole"):
    (found,) = (each for each in graph.operations if (each.path, each.part) == (path, part))
    return found


def test_a_sequential_is_a_chain_and_an_activation_inside_of_a_layer_an_operation_of_its_own():
    model = keras.Sequential(
        [keras.Input((6,), name="x"), layers.Dense(4, activation="relu", name="a"), layers.Dense(2, name="b")]
    )
    graph = read_graph(model)
    assert listed(graph) == [
        ("x", "whole", Kind.SOURCE),
        ("a", "weights", Kind.WEIGHT),
        ("a", "activation", Kind.ACTIVATION),
        ("b", "whole", Kind.WEIGHT),
        ("", "whole", Kind.OUTPUT),
    ]
    for before, after in zip(graph.operations, graph.operations[1:], strict=False):
        assert before.users == [after]
        assert after.all_input_nodes == [before]
    assert [each.shape for each in graph.operations[:-1]] == [(None, 6), (None, 4), (None, 4), (None, 2)]


def test_a_sequential_that_is_not_built_is_read_all_the_same():
    graph = read_graph(keras.Sequential([layers.Dense(4, name="a"), layers.Dropout(0.1, name="d")]))
    assert [(each.path, each.kind, each.shape) for each in graph.operations] == [
        ("", Kind.SOURCE, None),
        ("a", Kind.WEIGHT, None),
        ("d", Kind.DROPOUT, None),
        ("", Kind.OUTPUT, None),
    ]


def test_nested_models_are_followed_and_one_that_is_called_twice_makes_its_operations_twice(nested):
    graph = read_graph(nested)
    conv = graph.at(("block/conv", 0), "weights")
    assert [each.all_input_nodes[0].path for each in conv] == ["left", "right"]
    assert graph.calls(conv[0].layer) == 2
    assert graph.paths[conv[0].layer] == ["block/conv"]
    norm, doubled = one(graph, "add").all_input_nodes
    assert (norm.path, doubled.kind, type(doubled.layer).__name__) == ("block/norm", Kind.IDENTITY, "Multiply")
    assert one(graph, "head/flat").all_input_nodes == [one(graph, "add")]
    assert {each.kind for each in one(graph, "drop").users} == {Kind.WEIGHT, Kind.ACTIVATION}
    assert {each.path for each in graph.operations[-1].all_input_nodes} == {"a", "b"}


def test_each_call_of_a_shared_layer_is_an_operation():
    shared = layers.Dense(3, name="shared")
    x = keras.Input((3,), name="x")
    graph = read_graph(keras.Model(x, shared(shared(x))))
    assert [each.place for each in graph.operations if each.layer is shared] == [("shared", 0), ("shared", 1)]
    assert graph.calls(shared) == 2


def test_masks_are_no_values():
    x = keras.Input((5,), dtype="int32", name="x")
    y = layers.LSTM(3, name="lstm")(layers.Embedding(9, 4, mask_zero=True, name="embedding")(x))
    graph = read_graph(keras.Model(x, y))
    assert one(graph, "lstm").all_input_nodes == [one(graph, "embedding")]
    assert [each.kind for each in graph.operations if each.path.startswith("not_equal")] == [Kind.METADATA]


def test_what_a_layer_is_called_with():
    x = keras.Input((5,))
    graph = read_graph(keras.Model(x, layers.Dropout(0.1, name="d")(x, training=True)))
    assert one(graph, "d").arguments == {"training": True}


class Subclassed(keras.Model):
    def call(self, x):
        return x


class OwnCall(keras.Sequential):
    def call(self, x, training=None):
        return super().call(x, training=training) * 2


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: Subclassed(), False),
        (lambda: OwnCall([layers.Dense(2)]), False),
        (lambda: keras.Sequential([layers.Dense(2)]), True),
        (lambda: OwnStep(x := keras.Input((2,)), layers.Dense(2)(x)), True),
        (lambda: layers.Dense(2), False),
        (lambda: 3, False),
    ],
)
def test_which_models_are_nothing_but_their_graph(made, told):
    assert is_graph(made()) is told
