import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load

import dropnorm as dn
from dropnorm.random import keep_mask
from dropnorm.study import execution
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.splitting import split_rows
from dropnorm.study.design import Purpose, seed_keys
from dropnorm.study.progress import Progress
from dropnorm.study.run import plan_study
from dropnorm.study.runs.store import Store
from dropnorm.study.statistics.choice import nets_of_choice

RESULTS = ("summary.json", "model.json", "model.safetensors")
# Nets stop at different epochs, and some before the last.
STUDY = {"seeds": 2, "epochs": 12, "hidden": (8, 6), "dropout": (0.2, 0.5), "batch_size": 12}
STUDY |= {"patience": 1, "patience_growth": 0.1, "learning_rate": 0.05}


@pytest.fixture(scope="module")
def csv(table, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "insects.csv"
    table.write_csv(path)
    return path


@pytest.fixture(scope="module")
def uninterrupted(csv, tmp_path_factory) -> tuple[Path, list[Progress]]:
    """The folder of a study that ran in one go, and its progress."""
    folder, seen = tmp_path_factory.mktemp("uninterrupted"), []
    dn.run_study(csv, target="kind", out=folder, progress=seen.append, **STUDY)
    return folder, seen


def read(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


class Interruption(KeyboardInterrupt):
    pass


def interrupted_after(epochs: int, csv: Path, folder: Path) -> None:
    """Run the study until that many epochs, of all blocks together, are trained."""
    seen = []

    def stop(progress):
        seen.append(progress)
        if len(seen) == epochs:
            raise Interruption

    with pytest.raises(Interruption):
        dn.run_study(csv, target="kind", out=folder, progress=stop, **STUDY)


def test_some_nets_stop_before_others_and_both_blocks_have_epochs(uninterrupted):
    _, seen = uninterrupted
    for arms in (("plain", "dropout"), ("batch_norm", "dropout+batch_norm")):
        sizes = [progress.nets_in_training for progress in seen if progress.arms == arms]
        assert len(sizes) > 2
        assert 6 >= sizes[0] > sizes[-1]


@pytest.mark.parametrize("every", [0.0, 1e9], ids=["saved each epoch", "never saved on the way"])
def test_an_interrupted_study_ends_as_one_that_was_not(every, csv, uninterrupted, tmp_path, monkeypatch):
    """Interrupted in its first block, gone on with, interrupted in its second, and gone on with again."""
    monkeypatch.setattr(execution, "SAVE_EVERY_SECONDS", every)
    whole, seen = uninterrupted
    first_block = sum(progress.arms == seen[0].arms for progress in seen)
    interrupted_after(first_block - 1, csv, tmp_path)
    with pytest.raises(dn.errors.RunError, match="is not finished"):
        dn.load_run(tmp_path)
    # With every epoch saved but the one in hand, two are left of the first block; without, all of them are.
    left = 2 if every == 0.0 else first_block
    interrupted_after(left + 2, csv, tmp_path)
    again = []
    dn.run_study(csv, target="kind", out=tmp_path, progress=again.append, **STUDY)
    assert len(again) == len(seen) - first_block - (1 if every == 0.0 else 0)
    assert read(tmp_path) == read(whole)
    again, before = dn.load_run(tmp_path), dn.load_run(whole)
    assert again.epochs == before.epochs
    assert again.unit_inputs == before.unit_inputs != ()
    assert again.pictures == before.pictures


def test_a_learning_curve_that_was_interrupted_ends_as_one_that_was_not(csv, tmp_path, monkeypatch):
    """Interrupted in the study's own nets, in the first block of a fraction, and in the last one."""
    monkeypatch.setattr(execution, "SAVE_EVERY_SECONDS", 0.0)
    settings = STUDY | {"learning_curve": True, "arms": ("dropout", "batch_norm"), "epochs": 3}
    whole, seen = tmp_path / "whole", []
    study = dn.run_study(csv, target="kind", out=whole, progress=seen.append, **settings)
    assert {point.rows for point in study.summary.learning_curve} == {18, 36, 72}
    assert seen[-1].nets == len(study.run.nets) + len(study.run.curve_nets) == 3 * len(study.run.nets)
    assert seen[-1].done == 1.0
    for epochs in (2, 5, len(seen) - 10):
        count = 0

        def stop(_, last=epochs):
            nonlocal count
            count += 1
            if count == last:
                raise Interruption

        with pytest.raises(Interruption):
            dn.run_study(csv, target="kind", out=tmp_path / "again", progress=stop, **settings)
    dn.run_study(csv, target="kind", out=tmp_path / "again", **settings)
    assert read(tmp_path / "again") == read(whole)
    again, before = dn.load_run(tmp_path / "again"), dn.load_run(whole)
    assert again.curve_nets == before.curve_nets
    assert again.epochs == before.epochs


DRIVER = """
import os, signal, sys
import dropnorm as dn
from dropnorm.study import execution
from dropnorm.study.data.dataset import load_dataset

execution.SAVE_EVERY_SECONDS = 0.0
seen = []

def kill(progress):
    seen.append(progress)
    if len(seen) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

dn.run_study(sys.argv[1], target="kind", out=sys.argv[2], progress=kill, **eval(sys.argv[4]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_study_ends_as_one_that_was_not(csv, uninterrupted, tmp_path):
    whole, seen = uninterrupted
    command = [sys.executable, "-c", DRIVER, csv, tmp_path, str(len(seen) - 1), repr(STUDY)]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    assert not (tmp_path / "summary.json").exists()
    again = []
    dn.run_study(csv, target="kind", out=tmp_path, progress=again.append, **STUDY)
    assert len(again) == 2, "it went on where it was killed"
    assert read(tmp_path) == read(whole)


@pytest.mark.parametrize("at", ["in the first epoch", "as the first block ends", "in the second block"])
def test_ctrl_c_waits_for_the_epoch_and_keeps_it(at, csv, uninterrupted, tmp_path, monkeypatch):
    whole, before = uninterrupted
    first_block = sum(progress.arms == before[0].arms for progress in before)
    number = {"in the first epoch": 1, "as the first block ends": first_block, "in the second block": first_block + 2}[
        at
    ]
    seen, noticed = [], []

    def press(progress):
        seen.append(progress)
        if len(seen) == number:
            signal.raise_signal(signal.SIGINT)

    planned = plan_study(csv, target="kind", **STUDY)
    with pytest.raises(KeyboardInterrupt):
        planned.carry_out(tmp_path, press, lambda: noticed.append(len(seen)))
    assert (len(seen), noticed) == (number, [number])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = []
    dn.run_study(csv, target="kind", out=tmp_path, progress=again.append, **STUDY)
    assert len(again) == len(before) - number, "no epoch is trained twice"
    assert read(tmp_path) == read(whole)


def test_a_second_ctrl_c_does_not_wait(csv, uninterrupted, tmp_path):
    def press(_):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise Interruption

    with pytest.raises(Interruption):
        dn.run_study(csv, target="kind", out=tmp_path, progress=press, **STUDY)
    again = []
    dn.run_study(csv, target="kind", out=tmp_path, progress=again.append, **STUDY)
    assert len(again) == len(uninterrupted[1])
    assert read(tmp_path) == read(uninterrupted[0])


def test_a_study_interrupted_before_its_conclusions_draws_them_later(csv, uninterrupted, tmp_path, monkeypatch):
    def interrupt(*_):
        raise Interruption

    with monkeypatch.context() as patched:
        patched.setattr(execution.SavedModel, "save", interrupt)
        with pytest.raises(Interruption):
            dn.run_study(csv, target="kind", out=tmp_path, **STUDY)
    dn.run_study(csv, target="kind", out=tmp_path, progress=interrupt, **STUDY)
    assert read(tmp_path) == read(uninterrupted[0])


def test_the_time_of_all_its_parts_is_added_up(csv, uninterrupted, tmp_path, monkeypatch):
    """With a clock that ticks once whenever it is read, each epoch takes a second, and each block's conclusion."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(execution, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    monkeypatch.setattr(execution, "SAVE_EVERY_SECONDS", 0.5)
    _, seen = uninterrupted
    interrupted_after(3, csv, tmp_path)
    # The epoch in hand when it was interrupted is trained, and so counted, again.
    study = dn.run_study(csv, target="kind", out=tmp_path, **STUDY)
    assert study.run.timing.seconds == len(seen) + 2


def test_progress_goes_up_to_one(uninterrupted):
    _, seen = uninterrupted
    done = [progress.done for progress in seen]
    assert all(before < after for before, after in pairwise(done))
    assert 0 < done[0] < done[-1] == 1.0
    assert {(progress.nets, progress.epochs) for progress in seen} == {(12, 12)}
    assert [progress.epoch for progress in seen if progress.arms == seen[0].arms][:3] == [1, 2, 3]


def test_progress_counts_the_nets_of_each_arm(uninterrupted):
    folder, seen = uninterrupted
    first, last = seen[0], seen[-1]
    assert [(arm.arm, arm.nets) for arm in first.by_arm] == [
        ("plain", 2),
        ("dropout", 4),
        ("batch_norm", 2),
        ("dropout+batch_norm", 4),
    ]
    assert [arm.nets_in_training for arm in first.by_arm] == [2, 4, 0, 0]
    assert [arm.validation_score is None for arm in first.by_arm] == [False, False, True, True]
    for progress in seen:
        assert progress.nets_finished == sum(arm.nets_finished for arm in progress.by_arm)
        assert progress.nets_in_training == sum(arm.nets_in_training for arm in progress.by_arm)
    in_second = next(progress for progress in seen if progress.arms != first.arms)
    assert [arm.nets_finished for arm in in_second.by_arm] == [2, 4, 0, 0]
    run = dn.load_run(folder)
    latest = {record.net: record.validation_score for record in run.epochs}
    for arm in last.by_arm:
        nets = [net.net for net in run.nets if net.arm == arm.arm]
        assert arm.validation_score == pytest.approx(np.mean([latest[net] for net in nets]))


def test_progress_tells_the_mean_accuracy_of_the_nets_in_training(uninterrupted):
    folder, seen = uninterrupted
    records = [record for record in dn.load_run(folder).epochs if record.epoch == 1 and record.net < 6]
    assert len(records) == 6
    assert seen[0].validation_score == pytest.approx(np.mean([record.validation_score for record in records]))


@pytest.fixture
def threads():
    """Set the number of threads for a test, and set it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_the_number_of_threads_changes_no_mask_and_no_advice(csv, threads):
    rows, keys = torch.arange(64), seed_keys(range(8), Purpose.MASKS, 3, 5)
    studies, masks = [], []
    for count in (1, 2):
        threads(count)
        masks.append(keep_mask(keys, rows, 1000, [0.3] * 8))
        studies.append(dn.run_study(csv, target="kind", **(STUDY | {"patience": 8})))
    assert torch.equal(*masks)
    one, two = studies
    assert (one.summary.advice.arm, one.summary.advice.rate) == (two.summary.advice.arm, two.summary.advice.rate)
    # Sums in another order differ in float32's last digits, which training spreads; another mask would differ at once.
    losses = [[record.validation_loss for record in study.run.epochs] for study in studies]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_labels_of_pure_noise_are_learned_by_heart_and_nothing_else_is_claimed():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((240, 40)), rng.integers(0, 2, 240)
    quick = {"seeds": 8, "epochs": 10, "hidden": (64,), "dropout": (0.5,), "learning_rate": 0.01, "batch_size": 16}
    summary = dn.run_study(X, y, **quick).summary
    assert summary.state.name == "overfitting"
    assert summary.arms[0].generalization_gap.mean > 0.2
    assert abs(summary.arms[0].test_score.mean - 0.5) < 0.1
    assert summary.verdict[0].startswith("The plain net overfits: it is right on ")
    assert summary.verdict[1].startswith(
        "On new rows the plain net is not surely better than always saying the most frequent class ("
    )
    assert summary.verdict[2].startswith(
        "There is no evidence that dropout, batch norm and dropout with batch norm change test accuracy ("
    )
    assert all(arm.comparison.p_holm > 0.05 for arm in summary.arms[1:])


def test_of_a_quantity_of_pure_noise_nothing_is_claimed():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((240, 40)), 500 + 30 * rng.standard_normal(240)
    quick = {"seeds": 4, "epochs": 10, "hidden": (64,), "dropout": (0.5,), "learning_rate": 0.01, "batch_size": 16}
    summary = dn.run_study(X, y, **quick).summary
    plain = summary.arms[0]
    assert plain.generalization_gap.mean > 2
    # What knows nothing but the mean has an RMSE of 30 and an R² of 0.
    assert 25 < plain.test_score.mean < 45
    assert plain.statistics["test_r2"].mean < 0.1
    assert summary.verdict[0].startswith("There is too little data to say whether the plain net overfits: its RMSE is ")
    assert summary.verdict[1].startswith("On new rows the plain net is not surely better than always saying the mean (")
    assert summary.verdict[2].startswith(
        "There is no evidence that dropout, batch norm and dropout with batch norm change test RMSE ("
    )
    assert all(arm.comparison.p_holm > 0.05 for arm in summary.arms[1:])


def test_a_quantity_that_depends_on_its_features_is_found_up_to_its_noise(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 3))
    y = 1000 + 100 * X[:, 0] + 50 * X[:, 1] + 10 * rng.standard_normal(400)
    quick = {"seeds": 3, "epochs": 40, "hidden": (32,), "dropout": (0.1,), "learning_rate": 0.01, "arms": ["dropout"]}
    study = dn.run_study(X, y, out=tmp_path, **quick)
    plain = study.summary.arms[0]
    assert 9 < plain.test_score.mean < 16
    assert plain.statistics["test_r2"].mean > 0.97
    net = study.run.nets[4]
    test = split_rows(load_dataset(X, y), net.seed, study.summary.config).test
    predicted = dn.load_model(tmp_path, net=net.net).predict(X[test])["prediction"].to_numpy()
    assert np.mean((predicted - y[test]) ** 2) ** 0.5 == pytest.approx(net.test_score, rel=1e-4)


def test_an_interrupted_regression_ends_as_one_that_was_not(csv, tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "SAVE_EVERY_SECONDS", 0.0)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    dn.run_study(csv, target="width", out=whole, **STUDY)
    seen = []

    def stop(progress):
        seen.append(progress)
        if len(seen) == 4:
            raise Interruption

    with pytest.raises(Interruption):
        dn.run_study(csv, target="width", out=parts, progress=stop, **STUDY)
    dn.run_study(csv, target="width", out=parts, **STUDY)
    assert read(parts) == read(whole)
    assert dn.load_run(parts).nets == dn.load_run(whole).nets
    assert all(net.test_r2 is not None for net in dn.load_run(whole).nets)


def test_classes_far_apart_leave_nothing_to_improve(blobs):
    X, y = blobs(apart=12.0)
    quick = {"seeds": 3, "epochs": 10, "hidden": (16,), "dropout": (0.2,), "learning_rate": 0.01, "batch_size": 16}
    summary = dn.run_study(X, y, **quick).summary
    assert [arm.test_score.mean for arm in summary.arms] == [1.0] * 4
    assert summary.state.name == "fine"
    assert summary.verdict == (
        "The plain net is fine: it is right on 100.0 % of its training rows and on 100.0 % of new ones, no evidence of "
        "overfitting.",
        "There is no evidence that dropout, batch norm and dropout with batch norm change test accuracy (95 % intervals from "
        "−5.6 to +5.6 points).",
        "3 seeds are too few to be sure of any difference: take at least 5.",
        "Stay with the plain net: no arm is ahead of it on validation rows by more than one standard error.",
        "The model is the mean of 3 nets, and is right on 100.0 % of the rows, each predicted by the nets that did not see it "
        "(95 % interval 94.1 to 100.0). Of 24 new rows of the same kind, the model will be right on 91.7 to 100.0 % in 95 of "
        "100 cases.",
    )


def test_a_study_whose_nets_run_away_still_ends_in_a_run_that_can_be_read(csv, tmp_path, unbounded):
    study = dn.run_study(csv, target="kind", out=tmp_path, **(STUDY | {"learning_rate": 1e30}))
    assert dn.load_run(tmp_path) == study.run
    assert any(record.validation_loss == float("inf") for record in study.run.epochs)
    assert study.summary.arms[0].epochs_to_plain_best.median_epochs is None


def test_a_run_says_what_it_ran_on(uninterrupted):
    timing = dn.load_run(uninterrupted[0]).timing
    assert timing.threads == torch.get_num_threads()
    assert timing.torch_version == torch.__version__
    assert timing.processor
    assert timing.processor == execution.processor_name("cpu")


def test_when_a_study_was_made_stays_when_it_is_only_concluded_anew(csv, tmp_path):
    first = dn.run_study(csv, target="kind", out=tmp_path, **STUDY).run
    again = dn.run_study(csv, target="kind", out=tmp_path, **STUDY).run
    assert first.beginning.at <= first.timing.finished
    assert (again.beginning, again.timing.finished) == (first.beginning, first.timing.finished)
    read_back = dn.load_run(tmp_path)
    assert (read_back.beginning, read_back.timing) == (first.beginning, first.timing)


def test_the_model_is_made_of_all_nets_of_the_advised_arm_and_rate(uninterrupted):
    """Their weights are in the run's store under their numbers, transposed."""
    folder, _ = uninterrupted
    run, model = dn.load_run(folder), dn.load_model(folder)
    advice = run.summary.advice
    chosen = nets_of_choice(run.nets, advice.arm, (advice.rate, advice.weight_decay))
    assert [member.net for member in model.description.members] == [net.net for net in chosen]
    assert len(model.nets) == run.summary.config.seeds
    store = Store(folder / "study.sqlite")
    kept = [load(store.weights(net.net)) for net in chosen]
    store.close()
    for net, tensors in zip(model.nets, kept, strict=True):
        assert torch.equal(net[0].weight, tensors["0.linear.weight"].T)


def test_weighted_classes_are_found_more_often_and_all_that_is_told_says_so(blobs):
    X, y = blobs(rows=900, classes=2, apart=1.2)
    rare = np.delete(np.arange(900), np.flatnonzero(y == 1)[45:])  # 45 of 495
    given = {"arms": ["dropout"], "dropout": 0.2, "seeds": 5, "epochs": 30, "hidden": (16,), "learning_rate": 0.01}
    plain = dn.run_study(X[rare], y[rare], metric="balanced_accuracy", **given).summary
    weighted = dn.run_study(X[rare], y[rare], class_weight="balanced", **given).summary
    assert weighted.config.metric == "balanced_accuracy"
    recalls = [summary.model.classes[1].recall for summary in (plain, weighted)]
    assert recalls[1] > recalls[0] + 0.2
    judged = [summary.model.metric("balanced_accuracy") for summary in (plain, weighted)]
    assert judged[1].low > judged[0].value
    assert "class-weighted" not in " ".join(plain.verdict)
    assert any("balanced accuracy" in sentence for sentence in weighted.verdict)
    again = dn.run_study(X[rare], y[rare], class_weight="balanced", metric="balanced_accuracy", **given).summary
    assert again == weighted
