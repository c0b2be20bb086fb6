"""Networks looked over: what a factory's net shows, and what is refused."""

import pytest
from torch import nn

from dropnorm.errors import ArgumentError
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.check import look_over
from dropnorm.study.modules.factory import factory_name


def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, outputs))


def architecture_of(function, **given):
    return ModuleArchitecture(**{"factory": factory_name(function), "features": 4, "outputs": 3} | given)


def test_an_architecture_is_told_apart_by_its_layers():
    known = look_over(architecture_of(small))
    assert known == look_over(architecture_of(small))
    assert known.output_layer == 1
    assert known.fingerprint != look_over(architecture_of(small, outputs=2)).fingerprint


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def net(features):\n    return nn.Linear(features, 7)", r"gives shape \(4, 7\) for a batch"),
        ("def net():\n    return nn.Linear(9, 3)", "makes a net that fails on a batch of shape"),
        ("def net():\n    return nn.Identity()", "has no parameter to train"),
        (
            "def net():\n    return nn.Linear(4, 3).double()",
            "has 'weight' of torch.float64: expected",
        ),
        (
            "def net():\n    return nn.Linear(4, 3, device='meta')",
            "makes 'weight' on the device 'meta': expected",
        ),
        ("def net():\n    return nn.LazyLinear(3)", "leaves the shape of 'weight' open: expected layers that know"),
        (
            "def net():\n    made = nn.Linear(4, 3)\n    made.register_buffer('far', torch.ones(1, device='meta'))\n"
            "    return made",
            "makes 'far' on the device 'meta'",
        ),
        ("def net():\n    return nn.Linear(4, 3).requires_grad_(False)", "has no parameter to train"),
        ("one = nn.Linear(4, 3)\ndef net():\n    return one", "gives the same module twice"),
        (
            "def net():\n    made = nn.Linear(4, 3)\n    nn.init.constant_(made.bias, float('nan'))\n    return made",
            "gives NaN or infinity before it is trained",
        ),
        (
            "import random\ndef net():\n    made = nn.Linear(4, 3)\n    nn.init.constant_(made.bias, random.random())\n"
            "    return made",
            "gives another net at each call",
        ),
    ],
)
def test_a_factory_that_cannot_be_studied_is_refused(written, body, message):
    with pytest.raises(ArgumentError, match=message):
        look_over(written(body))


KEEPING = """
import threading
class Keeping(nn.Linear):
    def forward(self, x):
        self.last = KEPT
        return super().forward(x)
def net(features, outputs):
    return Keeping(features, outputs)
"""


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ("x @ self.weight.T", "RuntimeError: Only Tensors created explicitly"),
        ("threading.Lock()", "TypeError: cannot pickle"),
    ],
)
def test_a_net_that_cannot_be_copied_is_refused(written, kept, why):
    with pytest.raises(ArgumentError) as refused:
        look_over(written(KEEPING.replace("KEPT", kept)))
    text = str(refused.value)
    assert f"makes a net that cannot be copied ({why}" in text
    assert "expected one that copy.deepcopy takes after a training pass" in text
    assert text.endswith(
        "Keep no results of forward in the module but detached, and no handles or locks; or give the module a "
        "__deepcopy__."
    )


def test_a_net_that_keeps_detached_results_can_be_studied(written):
    assert look_over(written(KEEPING.replace("KEPT", "(x @ self.weight.T).detach()"))).parameters == 15


def test_a_net_that_fails_in_training_alone_is_refused(written):
    body = (
        "class Odd(nn.Linear):\n    def forward(self, x):\n        return super().forward(x[0] if self.training else x)[9:]\n"
        "class Net(nn.Linear):\n    def forward(self, x):\n"
        "        return super().forward(x) if not self.training else self.absent(x)\n"
        "def net(features, outputs):\n    return Net(features, outputs)"
    )
    with pytest.raises(ArgumentError, match=r"fails in training mode(.|\n)*self\.absent\(x\)(.|\n)*AttributeError"):
        look_over(written(body))


def test_a_net_that_computes_on_the_cpu_alone_is_refused_for_another_device(written):
    """The meta device stands for an accelerator: it too refuses tensors of another device."""
    body = (
        "class Scaled(nn.Linear):\n    def forward(self, x):\n        return super().forward(x) * torch.ones(3)\n"
        "def net(features, outputs):\n    return Scaled(features, outputs)"
    )
    architecture = written(body)
    assert look_over(architecture).parameters == 15
    with pytest.raises(ArgumentError) as refused:
        look_over(architecture, "meta")
    text = str(refused.value)
    assert "makes a net that fails on the device 'meta'. Expected one that computes where its input is." in text
    assert "or study it with --device cpu:" in text
    assert "* torch.ones(3)" in text
    assert look_over(architecture_of(small), "meta") == look_over(architecture_of(small))


def of_rows(features, outputs):
    return nn.Linear(features, outputs)


def of_rows_by_nothing():
    return nn.Linear(4, 3)


def of_images(image, outputs):
    return nn.Sequential(
        nn.Conv2d(image[0], 2, 3, padding=1), nn.Flatten(), nn.Linear(2 * image[1] * image[2], outputs)
    )


def of_images_by_nothing():
    return of_images((1, 2, 2), 3)


def of_images_that_asks_for_features_too(features, outputs):
    return of_images((1, 2, 2), outputs)


def of_images_whose_rows_are_counted(features, image, outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(features, outputs))


@pytest.mark.parametrize(
    ("factory", "image"),
    [
        (of_rows, None),
        (of_rows_by_nothing, None),
        (of_images, (1, 2, 2)),
        (of_images_by_nothing, (1, 2, 2)),
        (of_images_that_asks_for_features_too, (1, 2, 2)),
        (of_images_whose_rows_are_counted, (1, 2, 2)),
    ],
)
def test_images_are_given_as_the_net_takes_them(factory, image):
    found = look_over(architecture_of(factory, image=(1, 2, 2)))
    assert (found.image, found.parameters > 0) == (image, True)


def fails(image, outputs):
    return nn.Sequential(nn.Linear(7, 5), nn.Linear(5, outputs))


def test_of_images_it_is_said_that_they_are_images():
    expected = r"fails on a batch of shape \(4, 1, 2, 2\)\. Expected one that takes images .*behind nn\.Flatten\(\):"
    with pytest.raises(ArgumentError, match=expected):
        look_over(architecture_of(fails, image=(1, 2, 2)))
