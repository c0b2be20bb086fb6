"""Every public function, called with a value of every kind for each of its arguments: what it refuses, dropnorm refuses."""

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import dropnorm as dn
from dropnorm import keras, nn, ops, random
from dropnorm.errors import DropnormError
from dropnorm.surgery.audit.findings import Audit
from dropnorm.surgery.modules.receipt import Receipt
from dropnorm.surgery.plan import Plan

KINDS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "int": lambda: 3,
    "negative": lambda: -1,
    "huge": lambda: 10**30,
    "float": lambda: 2.5,
    "nan": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "complex": lambda: 1j,
    "text": lambda: "no-such",
    "empty text": lambda: "",
    "NUL": lambda: "a\0b",
    "bytes": lambda: b"bytes",
    "list": lambda: [1, "two"],
    "empty list": list,
    "nested": lambda: [[1], [2, 3]],
    "tuple": lambda: (None, None),
    "dict": lambda: {"a": 1},
    "numbered dict": lambda: {1: object()},
    "set": lambda: {1, 2},
    "range": lambda: range(3),
    "slice": lambda: slice(2),
    "ellipsis": lambda: ...,
    "object": object,
    "class": lambda: dict,
    "function": lambda: lambda: 1 / 0,
    "generator": lambda: (one for one in [1]),
    "exception": lambda: ValueError("x"),
    "path": lambda: Path("no-such-file.csv"),
    "module": lambda: np,
    "torch module": lambda: torch.nn.Linear(2, 2),
    "parameters": lambda: torch.nn.Linear(2, 2).parameters(),
    "array of float16": lambda: np.ones(3, np.float16),
    "array of texts": lambda: np.array(["a", "b"]),
    "array of objects": lambda: np.array([object(), None], dtype=object),
    "array of times": lambda: np.array(["2020-01-01"], "datetime64[D]"),
    "array without shape": lambda: np.array(3.5),
    "array of no rows": lambda: np.ones((0, 4)),
    "structured array": lambda: np.zeros(2, [("a", int), ("b", float)]),
    "tensor of ints": lambda: torch.ones(4, 3, dtype=torch.int32),
    "tensor of bools": lambda: torch.ones(4, dtype=torch.bool),
    "complex tensor": lambda: torch.ones(4, 3, dtype=torch.complex64),
    "tensor without shape": lambda: torch.tensor(2.0),
    "empty tensor": lambda: torch.ones(0, 3),
    "meta tensor": lambda: torch.ones(4, 3, device="meta"),
    "sparse tensor": lambda: torch.ones(4, 3).to_sparse(),
    "dtype": lambda: torch.int8,
    "device": lambda: torch.device("meta"),
    "frame": lambda: pl.DataFrame({"a": [1, 2]}),
}


def net() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.Dropout(0.2))


def batch(*shape: int) -> torch.Tensor:
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape)


Arguments = Callable[[], tuple[Callable[..., Any], dict[str, Any]]]


def of(function: Callable[..., Any], **arguments: Callable[[], Any]) -> Arguments:
    """A function and how its arguments are made, anew for each call."""
    return lambda: (function, {name: make() for name, make in arguments.items()})


def method(make: Callable[[], Any], name: str, **arguments: Callable[[], Any]) -> Arguments:
    return lambda: (getattr(make(), name), {key: value() for key, value in arguments.items()})


KEY = torch.tensor(5)
SHAPES = {"1d": (4, 3), "2d": (2, 3, 2, 2), "3d": (2, 3, 2, 2, 2)}
NORMS = {f"nn.BatchNorm{dims}": (getattr(nn, f"BatchNorm{dims}"), SHAPES[dims]) for dims in SHAPES}
FUSED = {
    f"nn.BatchNormActDropout{dims}": (getattr(nn, f"BatchNormActDropout{dims}"), SHAPES[dims]) for dims in ("1d", "2d")
}
DROPOUTS = {
    "nn.Dropout": (nn.Dropout, (4, 3)),
    "nn.Dropout1d": (nn.Dropout1d, (2, 3, 2)),
    "nn.Dropout2d": (nn.Dropout2d, (2, 3, 2, 2)),
    "nn.Dropout3d": (nn.Dropout3d, (2, 3, 2, 2, 2)),
}
KERAS = {
    "keras.Dropout": (4, 3),
    "keras.SpatialDropout1D": (2, 2, 3),
    "keras.SpatialDropout2D": (2, 2, 2, 3),
    "keras.SpatialDropout3D": (2, 2, 2, 2, 3),
}
# One row of one class: nothing can be learned of it, and that is seen after every option.
NO_DATA = {"X": lambda: np.ones((1, 2)), "y": lambda: np.zeros(1)}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> dn.Study:
    """A small finished study in a folder."""
    folder = tmp_path_factory.mktemp("study") / "run"
    return dn.run_study("iris", arms="dropout", dropout=0.2, seeds=2, epochs=1, hidden=(4,), out=folder)


@pytest.fixture(scope="module")
def table(study, tmp_path_factory) -> dict[str, Arguments]:
    folder = tmp_path_factory.mktemp("written")
    run, model, place = study.run, study.model, study.folder
    rows = np.ones((2, 4))
    return {
        "Arm": of(dn.Arm, name=lambda: "mine"),
        "audit": of(dn.audit, model=net, batch=lambda: batch(4, 3), loader=lambda: [batch(4, 3)]),
        "compare_runs": of(dn.compare_runs, first=lambda: run, second=lambda: run),
        "describe_columns": of(dn.describe_columns, X=lambda: rows),
        "export_onnx": of(dn.export_onnx, model=lambda: model, path=lambda: folder / "model.onnx"),
        "fold": of(dn.fold, model=net, sample=lambda: batch(4, 3)),
        "fuse": of(dn.fuse, model=net, sample=lambda: batch(4, 3)),
        "list_runs": of(dn.list_runs, folder=lambda: place),
        "load_model": of(dn.load_model, folder=lambda: place),
        "load_run": of(dn.load_run, folder=lambda: place),
        "mc_predict": of(dn.mc_predict, model=net, x=lambda: batch(4, 3), samples=lambda: 2),
        "recalibrate": of(dn.recalibrate, model=net, batches=lambda: [batch(4, 3)]),
        "regularize": of(dn.regularize, model=net, sample=lambda: batch(4, 3)),
        "remove": of(dn.remove, model=net, sample=lambda: batch(4, 3)),
        "run_study": of(dn.run_study, **NO_DATA),
        "write_report": of(dn.write_report, run=lambda: run, path=lambda: folder / "report.html"),
        "SavedModel.predict": of(model.predict, X=lambda: rows, samples=lambda: 2),
        "SavedModel.evaluate": of(model.evaluate, X=lambda: rows, y=lambda: [0, 1]),
        "SavedModel.features": of(model.features, X=lambda: rows),
        "SavedModel.save": of(model.save, folder=lambda: folder / "saved"),
        "SavedModel.module": of(model.module),
        "Plan.apply": method(lambda: dn.regularize(net()), "apply"),
        "Audit.table": method(lambda: dn.audit(net()), "table"),
        "Receipt.undo": method(lambda: dn.fold(net()), "undo"),
        **{name: of(layer, num_features=lambda: 3) for name, (layer, _) in (NORMS | FUSED).items()},
        **{
            f"{name}.forward{mode and ' in inference'}": method(
                lambda layer=layer, mode=mode: layer(3).train(not mode),
                "__call__",
                input=lambda shape=shape: batch(*shape),
            )
            for name, (layer, shape) in (NORMS | FUSED).items()
            for mode in ("", "inference")
        },
        **{name: of(layer) for name, (layer, _) in DROPOUTS.items()},
        **{
            f"{name}.forward": method(layer, "__call__", input=lambda shape=shape: batch(*shape))
            for name, (layer, shape) in DROPOUTS.items()
        },
        "ops.dropout": of(ops.dropout, x=lambda: batch(4, 3), p=lambda: 0.5, key=lambda: KEY),
        "ops.dropout_": of(ops.dropout_, x=lambda: batch(4, 3), p=lambda: 0.5, key=lambda: KEY),
        "ops.batch_norm": of(ops.batch_norm, x=lambda: batch(4, 3)),
        "ops.batch_norm_act_dropout": of(
            ops.batch_norm_act_dropout,
            x=lambda: batch(4, 3),
            weight=lambda: None,
            bias=lambda: None,
            p=lambda: 0.5,
            key=lambda: KEY,
        ),
        "random.philox": of(random.philox, counter=lambda: (1, 2, 3, 4), key=lambda: KEY),
        "random.keep_mask": of(
            random.keep_mask, key=lambda: KEY, rows=lambda: torch.arange(3), columns=lambda: 4, p=lambda: [0.5]
        ),
        "random.derive_key": lambda: (lambda key, first: random.derive_key(key, first), {"key": KEY, "first": 1}),
        "random.draw_key": of(random.draw_key),
        **{name: of(getattr(keras, name[6:]), rate=lambda: 0.5) for name in KERAS},
        "keras.BatchNormalization": of(keras.BatchNormalization),
        "keras.BatchNormActDropout": of(keras.BatchNormActDropout, rate=lambda: 0.5),
    }


# What functions give, and nobody makes.
OUTCOMES = {"MonteCarlo", "Progress", "RunComparison", "RunOverview", "SavedModel", "Study"}


def public_calls() -> set[str]:
    """Every public function, class and method that takes arguments, by its name."""
    homes = {"": dn, "nn.": nn, "ops.": ops, "random.": random, "keras.": keras}
    names = {f"{home}{name}": getattr(place, name) for home, place in homes.items() for name in place.__all__}
    made = {name: value for name, value in names.items() if callable(value) and name not in OUTCOMES}
    classes = {name: names[name] for name in OUTCOMES} | {"Plan": Plan, "Receipt": Receipt, "Audit": Audit}
    methods = {
        f"{name}.{own}"
        for name, value in classes.items()
        for own, member in vars(value).items()
        if inspect.isfunction(member) and not own.startswith("_")
    }
    return {*made, *methods}


def test_every_public_call_is_in_the_table(table):
    assert public_calls() <= set(table)


def parameters_of(function: Callable[..., Any], given: dict[str, Any]) -> list[str]:
    named = inspect.signature(function.forward if isinstance(function, torch.nn.Module) else function).parameters
    return [
        *dict.fromkeys(
            [*given, *(name for name, one in named.items() if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD))]
        )
    ]


def refusals_of_others(make: Arguments) -> tuple[int, list[str]]:
    """How many calls were made, and which of them another library refused, or our code broke in."""
    calls, wrong = 0, []
    for parameter in parameters_of(*make()):
        for kind, value in KINDS.items():
            function, arguments = make()
            calls += 1
            try:
                function(**arguments | {parameter: value()})
            except DropnormError:
                pass
            except Exception as error:
                wrong.append(f"{parameter}={kind}: {type(error).__name__}: {str(error)[:150]}")
    return calls, wrong


def test_what_is_refused_is_refused_by_us(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls, wrong = 0, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, make in table.items():
            made, others = refusals_of_others(make)
            calls += made
            wrong |= {name: others} if others else {}
    assert not wrong, "\n".join(f"{name}: {one}" for name, others in wrong.items() for one in others)
    assert calls >= 3000
