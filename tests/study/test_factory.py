"""Factories: found by name, called with what they ask for, and refused with what is wrong."""

import itertools

import pytest
import torch
from torch import nn

import dropnorm as dn
from dropnorm.errors import ArgumentError, ArgumentTypeError, RunError
from dropnorm.study.factory import ModuleArchitecture, factory_name, find_factory, is_factory, look_over, make_module

_counter = itertools.count()


def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, outputs))


def nothing():
    return small(4, 3)


def of_image(image, out_features, width=5):
    return nn.Sequential(nn.Flatten(), nn.Linear(image[0] * image[1] * image[2], width), nn.Linear(width, out_features))


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a module into the current directory; returns the architecture of its function `net`."""
    monkeypatch.chdir(tmp_path)

    def write(body):
        name = f"written_nets_{next(_counter)}"
        (tmp_path / f"{name}.py").write_text(f"import torch\nfrom torch import nn\n{body}\n")
        return ModuleArchitecture(factory=f"{name}:net", features=4, outputs=3)

    return write


def architecture_of(function, **given):
    return ModuleArchitecture(**{"factory": factory_name(function), "features": 4, "outputs": 3} | given)


def test_a_function_is_found_again_by_its_name():
    assert is_factory(factory_name(small))
    assert find_factory(factory_name(small)) is small


def test_what_a_factory_asks_for_is_given():
    assert look_over(architecture_of(nothing)).parameters == look_over(architecture_of(small)).parameters == 67
    assert look_over(architecture_of(of_image, features=8, image=(2, 2, 2))).parameters == 45 + 18


def test_the_key_decides_on_the_weights_and_torchs_generator_stays():
    before = torch.get_rng_state()
    one, same, other = (make_module(architecture_of(small), key)[0].weight for key in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_architecture_is_told_apart_by_its_layers():
    known = look_over(architecture_of(small))
    assert known == look_over(architecture_of(small))
    assert known.output_layer == 1
    assert known.fingerprint != look_over(architecture_of(small, outputs=2)).fingerprint


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("def net(features, outputs):\n    return 3", ArgumentTypeError, "gives int: expected a torch.nn.Module"),
        ("net = 3", ArgumentTypeError, "is int, no function"),
        ("def other(): pass", ArgumentError, "has no 'net'"),
        ("def net(width): pass", ArgumentError, "asks for 'width', which a study does not know"),
        ("def net(features):\n    return nn.Linear(features, 7)", ArgumentError, r"gives shape \(4, 7\) for a batch"),
        ("def net():\n    return nn.Linear(9, 3)", ArgumentError, "makes a net that fails on a batch of shape"),
        ("def net():\n    return nn.Identity()", ArgumentError, "parameters that cannot be trained"),
        ("def net():\n    return nn.Linear(4, 3).double()", ArgumentError, "all of float32 on the CPU"),
        ("def net():\n    return nn.Linear(4, 3, device='meta')", ArgumentError, "all of float32 on the CPU"),
        ("one = nn.Linear(4, 3)\ndef net():\n    return one", ArgumentError, "gives the same module twice"),
        (
            "def net():\n    made = nn.Linear(4, 3)\n    nn.init.constant_(made.bias, float('nan'))\n    return made",
            ArgumentError,
            "gives NaN or infinity before it is trained",
        ),
        (
            "import random\ndef net():\n    made = nn.Linear(4, 3)\n    nn.init.constant_(made.bias, random.random())\n"
            "    return made",
            ArgumentError,
            "gives another net at each call",
        ),
    ],
)
def test_a_factory_that_cannot_be_studied_is_refused(written, body, error, message):
    with pytest.raises(error, match=message):
        look_over(written(body))


def test_a_factory_that_raises_shows_its_own_lines_alone(written):
    body = "def net(features):\n    return helper(features)\ndef helper(n):\n    return nn.Linear(n, 'three')"
    with pytest.raises(ArgumentError) as caught:
        look_over(written(body))
    text = str(caught.value)
    assert "return helper(features)" in text
    assert "nn.Linear(n, 'three')" in text
    assert text.count('File "') == 2
    assert "site-packages" not in text
    assert text.splitlines()[-1].startswith("TypeError")


def test_a_module_that_fails_shows_where(written):
    with pytest.raises(ArgumentError, match=r"fails when it is imported(.|\n)*1 / 0(.|\n)*ZeroDivisionError"):
        look_over(written("wrong = 1 / 0"))


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(ArgumentError, match="there is no module 'not_there_at_all', neither installed nor in"):
        find_factory("not_there_at_all:net")


def test_a_function_without_a_name_of_its_own_is_refused():
    with pytest.raises(ArgumentError, match="cannot be found again by its name"):
        dn.run_study("iris", net=lambda features, outputs: small(features, outputs))
    with pytest.raises(ArgumentTypeError, match="is no factory"):
        dn.run_study("iris", net=nn.Linear(4, 3))


def test_widths_beside_a_factory_are_refused():
    with pytest.raises(ArgumentError, match="is given with hidden"):
        dn.run_study("iris", net=small, hidden=(3,))


def test_a_study_is_kept_predicts_again_and_is_not_mixed(written, quick, tmp_path):
    layers = "nn.Linear(features, WIDTH), nn.ReLU(), nn.Linear(WIDTH, outputs)"
    body = f"def net(features, outputs):\n    return nn.Sequential({layers})"
    name = written(f"WIDTH = 6\n{body}").factory
    given = {key: value for key, value in quick.items() if key != "hidden"} | {"net": name, "out": tmp_path / "run"}
    study = dn.run_study("iris", **given)
    assert study.summary.parameters == 4 * 6 + 6 + 6 * 3 + 3
    for arm in study.summary.arms:
        loaded = dn.load_model(tmp_path / "run", arm=arm.arm)
        assert loaded.predict("iris").height == 150
    assert dn.load_model(tmp_path / "run").predict("iris").equals(study.model.predict("iris"))
    again = dn.run_study(tmp_path / "run" / "study.toml", out=tmp_path / "again")
    assert again.summary == study.summary
    find_factory(name).__globals__["WIDTH"] = 7
    with pytest.raises(RunError, match="layers of the net"):
        dn.run_study("iris", **given)
    with pytest.raises(RunError, match="makes another net than the one that was studied"):
        dn.load_model(tmp_path / "run")
