import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import load
from torch.utils.data import TensorDataset

import dropnorm as dn
from dropnorm.errors import ArgumentError, DataError, RunError
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.splitting import split_rows
from dropnorm.study.design import configure
from dropnorm.study.run import plan_study
from dropnorm.study.statistics.intervals import interval


def fail(*_):
    raise AssertionError("nothing should be trained")


def test_a_study_answers_with_records_a_verdict_and_a_model(finished, quick):
    assert isinstance(finished, dn.Study)
    summary = finished.summary
    assert [result.arm for result in summary.arms] == ["plain", "dropout", "batch_norm", "dropout+batch_norm"]
    assert (summary.config.seeds, summary.config.epochs, summary.config.hidden) == (2, 3, (8,))
    assert summary.data.name == "insects"
    assert (summary.steps_per_epoch, summary.parameters) == (72 // 16, 8 * 8 + 8 + 8 * 3 + 3)
    assert finished.verdict == " ".join(summary.verdict)
    assert len(finished.run.nets) == 2 * (1 + 2 + 1 + 2)
    assert finished.model.description.arm.name == summary.advice.arm


def test_intervals_are_corrected_for_the_share_of_rows_that_test(finished):
    plain = finished.summary.arms[0]
    accuracies = [net.test_score for net in finished.run.nets if net.net in plain.nets]
    assert (finished.summary.data.test_rows, finished.summary.data.rows) == (24, 120)
    assert plain.test_score == interval(accuracies, 24 / 96, 1 / 24)
    differences = finished.summary.arms[1].comparison.differences
    assert finished.summary.arms[1].comparison.interval == interval(differences, 24 / 96, 1 / 24)


def test_a_folder_holds_the_numbers_and_the_model_and_no_pickle(finished):
    folder = finished.folder
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.json",
        "model.safetensors",
        "study.sqlite",
        "study.toml",
        "summary.json",
    ]
    assert json.loads((folder / "summary.json").read_text()) == json.loads(finished.summary.model_dump_json())
    assert json.loads((folder / "model.json").read_text())["arm"]["name"] == finished.summary.advice.arm
    assert load((folder / "model.safetensors").read_bytes()).keys() == finished.model.saved.tensors.keys()
    assert (folder / "study.sqlite").read_bytes().startswith(b"SQLite format 3\0")
    assert b"pickle" not in b"".join(path.read_bytes() for path in folder.iterdir())


def test_a_study_in_memory_writes_nothing_and_finds_the_same(finished, table, quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = dn.run_study(table, target="kind", **quick)
    assert list(tmp_path.iterdir()) == []
    assert study.folder is None
    assert study.run.nets == finished.run.nets
    assert study.run.epochs == finished.run.epochs
    assert study.summary.arms == finished.summary.arms
    assert study.model.description == finished.model.description
    for name, tensor in study.model.saved.tensors.items():
        assert torch.equal(tensor, finished.model.saved.tensors[name])


def test_the_test_part_has_no_say_in_any_choice(blobs, quick):
    """With other values in seed 0's test rows, everything of seed 0 but its test numbers stays as it was."""
    X, y = blobs()
    changed = X.copy()
    changed[split_rows(load_dataset(X, y), 0, configure()).test] *= -3.0
    before, after = (
        [net for net in dn.run_study(features, y, **quick).run.nets if net.seed == 0] for features in (X, changed)
    )
    assert len(before) == 6
    for old, new in zip(before, after, strict=True):
        hidden = {"test_loss": 0.0, "test_score": 0.0, "calibration_error": 0.0, "reliability": None}
        assert old.model_copy(update=hidden) == new.model_copy(update=hidden)
        assert old.test_loss != new.test_loss


def test_a_finished_study_is_not_trained_again(finished, quick):
    before = {path.name: path.read_bytes() for path in finished.folder.iterdir()}
    source = finished.folder.parent / "insects.csv"
    again = dn.run_study(source, target="kind", out=str(finished.folder), progress=fail, **quick)
    assert again.summary == finished.summary
    for name in ("summary.json", "model.json", "model.safetensors"):
        assert (finished.folder / name).read_bytes() == before[name]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"seeds": 3}, "seeds"),
        ({"epochs": 4, "hidden": (9,)}, "epochs, hidden"),
        ({"ignore": ["color"]}, "data"),
    ],
)
def test_another_study_is_not_written_into_the_folder(changed, what, finished, table, quick, refuses):
    before = (finished.folder / "study.sqlite").read_bytes()
    message = (
        f"{finished.folder}: holds another study, of other {what}. Name another folder with --out, or remove this one."
    )
    with refuses(RunError, message):
        dn.run_study(table, target="kind", out=finished.folder, progress=fail, **(quick | changed))
    assert (finished.folder / "study.sqlite").read_bytes() == before


def test_a_study_of_a_version_that_trains_otherwise_is_not_gone_on_with(finished, table, quick, monkeypatch, refuses):
    monkeypatch.setattr("dropnorm.study.run.version", lambda _: "99.0")
    monkeypatch.setattr("dropnorm.study.older_schemas.TRAINS_AS", ("0.0.9",))
    message = (
        f"{finished.folder}: holds another study, of other version. Name another folder with --out, or remove this one."
    )
    with refuses(RunError, message):
        dn.run_study(table, target="kind", out=finished.folder, progress=fail, **quick)


@pytest.mark.parametrize(("below", "reason"), [(False, "File exists"), (True, "Not a directory")])
def test_a_folder_that_cannot_be_made(below, reason, table, quick, tmp_path, refuses):
    file = tmp_path / "file"
    file.write_text("mine")
    out = file / "run" if below else file
    message = (
        f"out={str(out)!r} cannot be written to ({reason}): expected a folder of yours. Name another one with --out."
    )
    with refuses(RunError, message):
        dn.run_study(table, target="kind", out=out, progress=fail, **quick)
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]


def test_a_mistake_is_found_before_anything_is_written(table, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(DataError, match="there is no column"):
        dn.run_study(table, target="king", out=out, progress=fail)
    with pytest.raises(ArgumentError, match="seeds=1"):
        dn.run_study(table, target="kind", seeds=1, out=out, progress=fail)
    with pytest.raises(DataError, match="fewer than one batch"):
        dn.run_study(table, target="kind", batch_size=100, out=out, progress=fail)
    assert list(tmp_path.iterdir()) == []


def test_what_can_be_planned_counts_its_nets(table):
    planned = plan_study(table, target="kind", seeds=4, dropout=(0.1, 0.2, 0.3), arms=("plain", "dropout"))
    assert planned.nets == 4 * (1 + 3)


def test_the_default_folder_is_the_same_for_the_same_study_and_another_for_another(table, write, tmp_path):
    path = write(table.write_csv(), "my.insects.csv")
    first = plan_study(path, target="kind").default_folder
    assert first.parent == Path("dropnorm-runs")
    assert first.name.startswith("my.insects-")
    assert plan_study(path, target="kind").default_folder == first
    assert plan_study(path, target="kind", device="cpu", seeds=10).default_folder == first
    others = [
        plan_study(path, target="kind", seeds=9).default_folder,
        plan_study(path, target="kind", ignore=["color"]).default_folder,
        plan_study(path, target="color").default_folder,
    ]
    assert len({first, *others}) == 4


def test_one_rate_may_be_a_number(finished, table, quick):
    study = dn.run_study(table, target="kind", arms=["dropout"], **(quick | {"dropout": 0.25, "epochs": 1}))
    assert study.summary.config.arms[1].dropout == (0.25,)
    assert {net.rate for net in study.run.nets} == {0.0, 0.25}


def test_an_unknown_device(table, refuses):
    with refuses(ArgumentError, "device='tpu' is unknown: expected 'cpu', 'cuda' or 'auto'."):
        plan_study(table, target="kind", device="tpu")


def test_a_device_that_is_not_there(table, refuses, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = "device='cuda' is not there: torch sees no CUDA device. Use device='cpu'."
    with refuses(ArgumentError, message):
        plan_study(table, target="kind", device="cuda")
    assert plan_study(table, target="kind", device="auto").config.device == "cpu"


def test_the_command_of_a_file_says_what_differs_from_the_default(table, write):
    path = write(table.write_csv(), "my insects.csv")
    arguments = {"arms": ("plain", "dropout"), "seeds": 3, "dropout": (0.2,), "learning_rate": 0.01}
    command = plan_study(path, target="kind", ignore=["color", "striped"], device="cpu", **arguments).command
    assert command == (
        f"dropnorm study '{path}' --target kind --ignore color --ignore striped --seeds 3 --learning-rate 0.01 "
        f"--arms dropout --dropout 0.2"
    )
    assert plan_study("iris", device="cpu").command == "dropnorm study iris"


def test_the_command_of_data_in_memory_is_a_call(table):
    planned = plan_study(table, target="kind", ignore=["color"], device="cpu", hidden=(8, 8))
    assert planned.command == "dropnorm.run_study(X, target='kind', ignore=('color',), hidden=(8, 8))"
    labels = table["kind"]
    assert plan_study(table.drop("kind"), labels, device="cpu").command == "dropnorm.run_study(X, y)"


def test_pandas_numpy_and_torch_users_get_the_same_study(blobs, quick):
    X, y = blobs()
    frame = pd.DataFrame(X, columns=[f"x{index}" for index in range(4)])
    sources = [
        (X, y),
        (torch.from_numpy(X), torch.from_numpy(y)),
        (frame, pd.Series(y)),
        (X.tolist(), list(y)),
        (TensorDataset(torch.from_numpy(X), torch.from_numpy(y)),),
    ]
    summaries = [dn.run_study(*source, arms=["dropout"], **(quick | {"epochs": 1})).summary for source in sources]
    assert all(summary == summaries[0] for summary in summaries[1:])


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of 8 x 6 images of two classes, told apart by the side that is bright, and one broken file."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for index in range(60):
        pixels = rng.integers(0, 100, (6, 8), dtype=np.uint8)
        side = ("left", "right")[index % 2]
        pixels[:, slice(0, 4) if side == "left" else slice(4, 8)] += 120
        (folder / side).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / side / f"{index:02}.png")
    (folder / "left" / "broken.png").write_bytes(b"no image")
    return folder


def test_a_folder_of_images_is_studied_and_predicted(images, quick, tmp_path):
    with pytest.raises(DataError, match=r"left/broken\.png"):
        dn.run_study(images, **quick)
    given = quick | {"epochs": 12, "learning_rate": 0.01}
    study = dn.run_study(images, skip_broken=True, device="cpu", out=tmp_path, **given)
    data = study.summary.data
    assert (data.rows, data.columns, data.features, data.images_skipped) == (60, 1, 48, 1)
    assert (data.target, data.classes) == ("class", ("left", "right"))
    assert study.summary.arms[0].test_score.mean > 0.9
    assert "--skip-broken" in study.run.command
    column = dn.load_model(tmp_path).description.encoding.columns[0]
    assert (column.kind, column.shape) == ("array", (1, 6, 8))
    predictions = study.model.predict(images / "right")
    assert predictions.columns == ["file", "prediction", "probability_left", "probability_right"]
    assert predictions["file"].to_list() == [f"{index:02}.png" for index in range(1, 60, 2)]
    assert (predictions["prediction"] == "right").mean() > 0.9


def test_npz_arrays_datasets_and_arrays_of_images_are_one_study(images, quick, tmp_path):
    X = np.random.default_rng(0).random((80, 3, 4, 4), dtype=np.float32)
    y = np.arange(80) % 2
    np.savez(tmp_path / "data.npz", X=X, y=y)
    dataset = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    arguments = quick | {"epochs": 1, "arms": ["dropout"]}
    studies = [dn.run_study(*source, **arguments) for source in ((X, y), (dataset,), (tmp_path / "data.npz",))]
    for study in studies:
        assert study.model.description.encoding.columns[0].shape == (3, 4, 4)
        assert study.run.nets == studies[0].run.nets
    predictions = [studies[0].model.predict(source) for source in (X, dataset, tmp_path / "data.npz")]
    assert all(one.equals(predictions[0]) for one in predictions)


def test_test_rows_have_no_say_in_anything_but_their_scores(table, quick):
    """With a given test part, whatever its rows are, every net is trained, and chosen, the same."""
    learned, tested = table[:90], table[90:]
    studies = [dn.run_study(learned, target="kind", test=test, **quick) for test in (tested, tested[::-1][:10])]
    first, other = (study.summary for study in studies)
    assert (first.data.test_rows, other.data.test_rows, first.data.given_test) == (30, 10, True)
    assert studies[0].run.epochs == studies[1].run.epochs
    assert [net.validation_loss for net in studies[0].run.nets] == [net.validation_loss for net in studies[1].run.nets]
    for name, tensor in studies[0].model.saved.tensors.items():
        assert torch.equal(tensor, studies[1].model.saved.tensors[name])


def test_what_only_groups_tell_is_not_mistaken_for_knowledge():
    """Each group has a label at random and features of its own: at random split, test rows are recognized; by group, not.

    By group, the accuracy of a seed is that of 8 coins. Of 40 coins more than 34 are right once in a million times.
    """
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    X = rng.standard_normal((40, 10))[groups] + 0.01 * rng.standard_normal((200, 10))
    y = rng.permutation(np.arange(40) % 2)[groups]
    given = {"seeds": 5, "epochs": 30, "hidden": (32,), "arms": ["dropout"], "learning_rate": 0.01, "batch_size": 16}
    at_random, by_group = (dn.run_study(X, y, group=group, **given).summary.arms[0] for group in (None, groups))
    assert at_random.test_score.mean > 0.95
    assert by_group.test_score.mean <= 34 / 40


def test_shares_can_be_chosen_and_not_beside_a_test_part(table, quick, refuses):
    data = dn.run_study(
        table, target="kind", test_size=0.3, validation_size=0.1, **(quick | {"epochs": 1})
    ).summary.data
    assert (data.train_rows, data.validation_rows, data.test_rows) == (72, 12, 36)
    message = "test_size=0.3 is given beside a test part: expected one of them. Leave test_size out."
    with refuses(ArgumentError, message):
        plan_study(table[:90], target="kind", test=table[90:], test_size=0.3)


def test_the_command_names_what_splits(table, write):
    path = write(table.write_csv(), "a.csv")
    other = write(table.with_columns(pl.col("width") + 1).write_csv(), "b.csv")
    by_name = plan_study(path, target="kind", test=str(other), group=None, device="cpu")
    assert by_name.command == f"dropnorm study {path} --target kind --test {other}"
    many = table.with_columns(unit=pl.int_range(pl.len()) // 5)
    assert plan_study(many, target="kind", group="unit", device="cpu").command == (
        "dropnorm.run_study(X, target='kind', group='unit')"
    )
    assert plan_study(path, target="kind", test=pl.read_csv(other), device="cpu").command == (
        f"dropnorm.run_study({str(path)!r}, target='kind', test=test)"
    )
    assert plan_study(table, target="kind", time=np.arange(120), device="cpu").command == (
        "dropnorm.run_study(X, target='kind', time=time)"
    )


def test_several_seeds_on_each_of_several_splits(blobs, quick, tmp_path):
    X, y = blobs()
    study = dn.run_study(X, y, out=tmp_path, **(quick | {"splits": 2, "seeds": 3}))
    plain = study.summary.arms[0]
    nets = [net for net in study.run.nets if net.net in plain.nets]
    assert [(net.split, net.seed) for net in nets] == [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4), (1, 5)]
    assert len({net.train_loss for net in nets}) == 6
    means = [np.mean([net.test_score for net in nets if net.split == split]) for split in range(2)]
    expected = interval(means, 24 / 96)
    assert plain.generalization_gap.mean == pytest.approx(np.mean([net.train_score - net.test_score for net in nets]))
    assert plain.test_score.mean == pytest.approx(expected.mean)
    assert plain.test_score.low == pytest.approx(max(0.0, expected.low))
    assert dn.load_run(tmp_path) == study.run
    assert "splits=2, seeds=3" in study.run.command


def test_in_time_and_of_a_test_part_the_shares_are_those_of_what_is_resampled(blobs, quick):
    X, y = blobs()
    by_time = dn.run_study(X, y, time=np.arange(120), **quick)
    nets = [net for net in by_time.run.nets if net.net in by_time.summary.arms[0].nets]
    assert [net.split for net in nets] == [0, 0]
    got = by_time.summary.arms[0].generalization_gap
    assert got == interval([net.train_score - net.test_score for net in nets], 0.0)
    tested = dn.run_study(X[:80], y[:80], test=(X[80:], y[80:]), **quick)
    nets = [net for net in tested.run.nets if net.net in tested.summary.arms[0].nets]
    got, data = tested.summary.arms[0].generalization_gap, tested.summary.data
    assert got == interval([net.train_score - net.test_score for net in nets], data.validation_rows / data.train_rows)


def test_calibration_is_that_of_a_nets_own_predictions(blobs, quick, tmp_path):
    X, y = blobs(apart=1.0)
    study = dn.run_study(X, y, out=tmp_path, **quick)
    chosen = study.run.nets[5]
    test = split_rows(load_dataset(X, y), chosen.seed, study.summary.config).test
    predicted = dn.load_model(tmp_path, net=chosen.net).predict(X[test])
    confidence = predicted.select(pl.max_horizontal(pl.col("^probability_.*$"))).to_series().to_numpy()
    hits = predicted["prediction"].cast(pl.Int64).to_numpy() == y[test]
    bins = np.ceil(confidence * 15).astype(int) - 1
    error = sum(abs((hits[bins == b] - confidence[bins == b]).sum()) for b in range(15)) / len(test)
    net = next(net for net in study.run.nets if net.net == chosen.net)
    assert net.calibration_error == pytest.approx(error, abs=1e-6)
    assert sum(net.reliability.counts) == len(test)
