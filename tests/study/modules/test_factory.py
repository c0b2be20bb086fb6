"""Factories: found by name, or refused with what is wrong; and a whole study of one."""

import pytest
from torch import nn

import dropnorm as dn
from dropnorm.errors import ArgumentError, ArgumentTypeError, RunError
from dropnorm.study.modules.factory import factory_name, find_factory, is_factory


def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, outputs))


def test_a_function_is_found_again_by_its_name():
    assert is_factory(factory_name(small))
    assert find_factory(factory_name(small)) is small


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [("net = 3", ArgumentTypeError, "is int, no function"), ("def other(): pass", ArgumentError, "has no 'net'")],
)
def test_what_is_no_function_is_refused(written, body, error, message):
    with pytest.raises(error, match=message):
        find_factory(written(body).factory)


def test_a_module_that_fails_shows_where(written):
    with pytest.raises(ArgumentError, match=r"fails when it is imported(.|\n)*1 / 0(.|\n)*ZeroDivisionError"):
        find_factory(written("wrong = 1 / 0").factory)


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
        loaded = dn.load_model(tmp_path / "run", arm=arm.arm, trust=True)
        assert loaded.predict("iris").height == 150
    assert dn.load_model(tmp_path / "run", trust=True).predict("iris").equals(study.model.predict("iris"))
    again = dn.run_study(tmp_path / "run" / "study.toml", out=tmp_path / "again", trust=True)
    assert again.summary == study.summary
    find_factory(name).__globals__["WIDTH"] = 7
    with pytest.raises(RunError, match="layers of the net"):
        dn.run_study("iris", **given)
    with pytest.raises(RunError, match="makes another net than the one that was studied"):
        dn.load_model(tmp_path / "run", trust=True)


def test_it_is_exported_to_onnx_or_refused(written, quick, tmp_path):
    """What is made of known layers becomes the same function in ONNX; a forward of its own is refused, with a way out."""
    onnxruntime = pytest.importorskip("onnxruntime")
    layers = "nn.Linear(features, 6), nn.Sequential(nn.Tanh(), nn.Linear(6, 5)), nn.ReLU(), nn.Linear(5, outputs)"
    given = {key: value for key, value in quick.items() if key != "hidden"} | {"arms": "batch_norm+dropout"}
    sequential = written(f"def net(features, outputs):\n    return nn.Sequential({layers})").factory
    dn.run_study("iris", net=sequential, out=tmp_path / "run", **given)
    model = dn.load_model(tmp_path / "run", "batch_norm+dropout", trust=True)
    dn.export_onnx(model, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (outputs,) = session.run(None, {"features": model.features("iris")})
    assert abs(outputs - model.predict("iris").drop("prediction").to_numpy()).max() < 1e-5

    own = written(
        "class Residual(nn.Module):\n"
        "    def __init__(self, features, outputs):\n"
        "        super().__init__()\n"
        "        self.one, self.last = nn.Linear(features, features), nn.Linear(features, outputs)\n"
        "    def forward(self, x):\n"
        "        return self.last(x + torch.relu(self.one(x)))\n"
        "net = Residual"
    ).factory
    study = dn.run_study("iris", net=own, **given | {"arms": "weight_decay"})
    with pytest.raises(ArgumentError) as refused:
        dn.export_onnx(study.model, tmp_path / "own.onnx")
    assert str(refused.value).startswith(
        "layer 0 of the folded net is a Residual, which cannot be exported: expected one of "
    )
    assert str(refused.value).endswith("Replace it, or export with torch.onnx.export(model.module(), ...).")
    assert not (tmp_path / "own.onnx").exists()


def test_messages_call_a_name_what_the_caller_does():
    with pytest.raises(ArgumentError, match="model='nets' is no name of a factory"):
        find_factory("nets", "model")
    with pytest.raises(ArgumentTypeError, match="model='math:pi' is float, no function"):
        find_factory("math:pi", "model")
