"""The doctor looks at Keras models: every code by the examples of its page, nothing touched, nothing invented."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from keras import layers

import dropnorm as dn
from dropnorm import keras as own
from dropnorm.errors import ArgumentError, ArgumentTypeError, SurgeryError
from dropnorm.surgery.audit.registry import OF_KERAS_ALONE
from dropnorm.surgery.audit.rules import RULES as OF_TORCH
from dropnorm.surgery.keras.audit.registry import NO_MEANING
from dropnorm.surgery.keras.audit.rules import RULES

PAGE = (Path(__file__).parents[4] / "docs" / "doctor.md").read_text(encoding="utf-8")
PART = PAGE[PAGE.index("## Keras models") : PAGE.index("## On known architectures")]


def net(*more):
    hidden = [layers.Dense(16, use_bias=False), layers.BatchNormalization(), layers.ReLU(), *more]
    return keras.Sequential([keras.Input((8,)), *hidden, layers.Dense(3)])


@pytest.mark.parametrize("code", sorted(RULES))
def test_the_page_has_an_example_with_exactly_this_finding_and_one_without(code):
    """The page itself is run by the tests of the documentation, and below what needs TensorFlow."""
    rule = RULES[code]
    assert re.search(rf"^\| {code} \| {rule.severity} \| .* \| {rule.needs} \|$", PART, re.M)
    section = re.search(rf"^# {code}: {re.escape(rule.name)}\n(.*?)(?=^# DN|\Z)", PART, re.M | re.S)
    assert section is not None
    assert f'.codes == ("{code}",)' in section[1]
    assert ".codes == ()" in section[1]


def test_every_rule_of_torch_has_a_meaning_or_a_reason_not_to():
    assert set(RULES) | set(NO_MEANING) == set(OF_TORCH) | set(OF_KERAS_ALONE)
    assert not set(RULES) & set(NO_MEANING)
    assert all(code in PART for code in NO_MEANING)


def test_the_rules_speak_of_keras():
    for rule in RULES.values():
        told = " ".join((rule.seen, rule.why, rule.fix))
        assert not re.search(r"\bp=|running|\beval\(|\bbias=False|requires_grad|Dropout2d|BatchNorm[12]d", told), (
            rule.code
        )


BEHAVIOUR = """
import keras, numpy as np
from keras import layers
import dropnorm as dn
keras.utils.set_random_seed(0)
hidden = layers.Dense(64, activation="relu"), layers.Dropout(0.6, seed=1), layers.Dense(64), layers.BatchNormalization()
model = keras.Sequential([keras.Input((8,)), *hidden, layers.ReLU(), layers.Dense(3)])
model.compile("adamw", "sparse_categorical_crossentropy")
x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
found = dn.audit(model, loader=[(x, x)])
assert found.codes == ("DN109", "DN303", "DN102", "DN221"), found.codes
shift = next(finding for finding in found.findings if finding.code == "DN303")
measured, predicted = shift.values["measured"], float(shift.values["predicted"].split(", ")[-1].split()[0])
assert abs(measured - predicted) < 0.1, shift
assert found.findings == dn.audit(model, loader=[(x, x)]).findings
"""


TWO_DEVICES = """
import tensorflow
cpu = tensorflow.config.list_physical_devices("CPU")[0]
tensorflow.config.set_logical_device_configuration(cpu, [tensorflow.config.LogicalDeviceConfiguration()] * 2)
"""


def test_on_jax():
    on("jax", BEHAVIOUR)


def test_on_tensorflow_with_the_example_that_needs_it():
    example = PART[PART.index("# DN224: ") :]
    on("tensorflow", TWO_DEVICES + BEHAVIOUR + example[: example.index("```")])


def on(backend, script):
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_model_is_left_as_it_was(normal):
    model = net(layers.Dropout(0.5, seed=3), layers.GaussianNoise(0.1, seed=4), own.BatchNormActDropout(0.3, seed=5))
    model.compile("adamw", "mse")
    model.fit(normal(64, 8), normal(64, 3), verbose=0)
    for layer in model.layers[3:6]:
        layer.trainable = False
    variables = [*model.variables, *model.optimizer.variables]
    variables += [layer.seed_generator.state for layer in model.layers[3:6]]
    before = [np.array(keras.ops.convert_to_numpy(each)) for each in variables]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    cache = dict(vars(model.optimizer).get("_exclude_from_weight_decay_cache", {}))
    batch = normal(32, 8)
    dn.audit(model, batch, loader=[(batch, normal(32, 3))] * 3)
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]
    assert not any("call" in vars(layer) for layer in model._flatten_layers())
    assert vars(model.optimizer).get("_exclude_from_weight_decay_cache", {}) == cache
    np.testing.assert_array_equal(batch, normal(32, 8))


def test_a_model_that_is_not_built_stays_so(normal):
    hidden = [layers.Dense(16, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    model = keras.Sequential([*hidden, layers.Dropout(0.8), layers.Dense(3)])
    assert dn.audit(model).codes == ("DN125",)
    assert dn.audit(model, normal(4, 8)).codes == ("DN125", "DN223")
    assert not model.built
    assert not model.weights


class Net(keras.Model):
    """With a call of its own, in which layers are always in training mode."""

    def __init__(self, always):
        super().__init__()
        self.hidden, self.norm = layers.Dense(16), layers.BatchNormalization(momentum=0.1, name="norm")
        self.drop, self.head = layers.Dropout(0.5, name="drop"), layers.Dense(3)
        self.always = always

    def call(self, x, training=False):
        x = self.norm(self.hidden(x), training=self.always or training)
        return self.head(self.drop(x, training=self.always or training))


def test_models_with_a_call_of_their_own(normal):
    model = Net(always=True)
    model(normal(2, 8))
    alone = dn.audit(model, ignore="DN2")
    assert alone.codes == ("DN121",)
    assert alone.not_checked["DN101"] == "only a functional or Sequential model has a graph"
    assert alone.not_checked["DN123"] == dn.audit(model).not_checked["DN204"] == "needs a batch"
    seen = dn.audit(model, normal(64, 8), ignore="DN203")
    assert seen.codes == ("DN123", "DN204", "DN121")
    assert [finding.path for finding in seen.findings] == ["drop", "norm", "norm"]
    assert "DN101" in seen.not_checked
    assert "DN123" not in seen.not_checked
    calm = Net(always=False)
    calm(normal(2, 8))
    assert dn.audit(calm, normal(64, 8), loader=[normal(64, 8)]).codes == ("DN121",)


def test_what_fit_leaves_in_a_model_is_read(normal):
    model = net()
    model.compile("sgd", "mse")
    model.fit(normal(32, 8), normal(32, 3), epochs=2, verbose=0, validation_split=0.5)
    assert set(dn.audit(model).not_checked) == {"DN203", "DN222", "DN223", "DN301", "DN302", "DN303"}
    model.fit(normal(32, 8), normal(32, 3), verbose=0)
    assert {"DN311", "DN312"} < set(dn.audit(model).not_checked)
    assert dn.audit(net(), optimizer=keras.optimizers.AdamW(0.1)).codes == ("DN221",)


def test_several_inputs_and_outputs(normal):
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    x = layers.Dropout(0.5)(layers.Concatenate()([left, right]))
    outputs = {"one": layers.Dense(3, activation="softmax", name="one")(x), "two": layers.Dense(3, name="two")(x)}
    model = keras.Model({"left": left, "right": right}, outputs)
    loss = "sparse_categorical_crossentropy"
    model.compile("sgd", {"one": loss, "two": loss})
    rows = {"left": normal(32, 4), "right": normal(32, 4)}
    found = dn.audit(model, rows, loader=[(rows, normal(32))])
    assert [(finding.code, finding.path) for finding in found.findings] == [("DN109", "two")]
    model.compile("sgd", {"one": loss, "two": "mse"})
    assert dn.audit(model).codes == ()


def test_rules_are_chosen_by_codes_of_either_framework():
    model = net(layers.Dropout(0.9), layers.BatchNormalization(momentum=0.0))
    assert dn.audit(model, select="DN12").codes == ("DN121", "DN125")
    assert dn.audit(model, select=["DN205", "DN125"], ignore="DN107").codes == ("DN125",)
    assert dn.audit(torch.nn.Linear(2, 2), ignore="DN109").codes == ()
    with pytest.raises(ArgumentError, match="select='DN9' is the code of no rule"):
        dn.audit(model, select="DN9")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"model": layers.Dense(3)},
            ArgumentTypeError,
            "model=Dense is a single layer of Keras: expected a keras.Model",
        ),
        ({"optimizer": "adam"}, ArgumentTypeError, "optimizer=str is no keras.optimizers.Optimizer: expected the one"),
        ({"batch": np.ones((4, 9))}, SurgeryError, r"batch=an array of shape \(4, 9\) cannot be given to Sequential"),
        ({"loader": [np.ones((4, 9))]}, SurgeryError, "batch=an array|loader=an array"),
        ({"loader": iter([])}, ArgumentTypeError, "loader=list_iterator cannot be gone through several times"),
        ({"loader": []}, SurgeryError, "loader is empty"),
        ({"history": {"loss": [1.0]}}, ArgumentError, "history has 'loss', and no losses of validation"),
    ],
)
def test_what_cannot_be_looked_at(arguments, error, message):
    with pytest.raises(error, match=rf"\A{message}"):
        dn.audit(**{"model": net()} | arguments)


def test_a_model_of_a_class_that_is_not_built():
    with pytest.raises(ArgumentTypeError, match=r"\Amodel=Net is not built, so that it has no weights yet: expected"):
        dn.audit(Net(always=False))


def test_text_and_json(normal):
    found = dn.audit(net(layers.Dropout(0.9, name="drop")), normal(8, 8))
    assert found.table().splitlines()[1].split()[:3] == ["DN125", "warning", "drop"]
    assert "each unit is kept in 0.1 of the steps" in str(found)
    assert type(found).model_validate_json(found.model_dump_json()) == found
