import polars as pl

import dropnorm as dn
from dropnorm.errors import RunError
from dropnorm.study.runs.exporting import export_csv


def test_every_net_every_epoch_and_every_bin_are_written(finished, tmp_path):
    written = export_csv(finished.run, tmp_path / "csv")
    names = ["nets.csv", "epochs.csv", "reliability.csv", "metrics.csv", "classes.csv", "confusion.csv"]
    assert [path.name for path in written] == names
    nets, epochs, bins = (pl.read_csv(path) for path in written[:3])
    assert nets.height == len(finished.run.nets) == 12
    assert epochs.height == len(finished.run.epochs)
    assert bins.height == 15 * 12
    for net, row in zip(finished.run.nets, nets.iter_rows(named=True), strict=True):
        expected = net.model_dump(exclude={"reliability"})
        assert {name: row[name] for name in expected} == expected
    chosen = {net for arm in finished.summary.arms for net in arm.nets}
    assert set(nets.filter(pl.col("chosen"))["net"]) == chosen
    for record, row in zip(finished.run.epochs, epochs.iter_rows(named=True), strict=True):
        assert row == record.model_dump()


def test_bins_have_their_edges_and_empty_ones_no_means(finished, tmp_path):
    bins = pl.read_csv(export_csv(finished.run, tmp_path)[2])
    assert bins["rows"].sum() == 24 * 12
    filled, empty = bins.filter(pl.col("rows") > 0), bins.filter(pl.col("rows") == 0)
    assert empty["confidence"].is_null().all()
    assert ((filled["above"] < filled["confidence"]) & (filled["confidence"] <= filled["up_to"])).all()
    assert bins["up_to"].max() == 1.0


def test_a_quantity_has_no_bins(tmp_path):
    study = dn.run_study("diabetes", seeds=2, epochs=1, hidden=(4,), arms=["batch_norm"])
    assert [path.name for path in export_csv(study.run, tmp_path)] == ["nets.csv", "epochs.csv", "metrics.csv"]


def test_files_that_are_there_are_replaced_and_nothing_else_stays(finished, tmp_path):
    (tmp_path / "nets.csv").write_text("old")
    export_csv(finished.run, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "classes.csv",
        "confusion.csv",
        "epochs.csv",
        "metrics.csv",
        "nets.csv",
        "reliability.csv",
    ]
    assert (tmp_path / "nets.csv").read_text().startswith("net,chosen,arm,split,seed,rate,")


def test_a_folder_that_cannot_be_made(finished, tmp_path, refuses):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "csv"
    message = (
        f"out={str(folder)!r} cannot be written to (Not a directory): expected a folder of yours. Name another one with "
        f"--out."
    )
    with refuses(RunError, message):
        export_csv(finished.run, folder)


def test_nets_of_a_learning_curve_have_a_file_of_their_own(tmp_path):
    given = {"seeds": 2, "epochs": 1, "hidden": (4,), "arms": ["dropout"], "batch_size": 16}
    run = dn.run_study("wine", learning_curve=True, **given).run
    written = export_csv(run, tmp_path)
    assert written[3].name == "curve_nets.csv"
    rows = pl.read_csv(written[3])
    assert rows.height == len(run.curve_nets) > 0
    for net, row in zip(run.curve_nets, rows.iter_rows(named=True), strict=True):
        expected = net.model_dump(exclude={"reliability", "test_r2"})
        assert {name: row[name] for name in expected} == expected


def test_what_each_arms_model_comes_to_is_written(finished, tmp_path):
    metrics, classes, confusion = (pl.read_csv(path) for path in export_csv(finished.run, tmp_path)[3:])
    for model in finished.summary.models:
        own = metrics.filter(pl.col("arm") == model.arm)
        assert dict(zip(own["metric"], own["value"], strict=True)) == {one.metric: one.value for one in model.metrics}
        of_classes = classes.filter(pl.col("arm") == model.arm)
        assert of_classes["class"].to_list() == ["ant", "bee", "cat"]
        assert of_classes["recall"].to_list() == [one.recall for one in model.classes]
        counts = confusion.filter(pl.col("arm") == model.arm)
        assert counts["rows"].sum() == model.rows
        right = counts.filter(pl.col("class") == pl.col("predicted"))["rows"].sum()
        assert right / model.rows == model.metric("accuracy").value


def test_texts_that_a_spreadsheet_would_compute_are_quoted(finished, tmp_path):
    renamed = [net.model_copy(update={"arm": "=1+1" if net.arm == "dropout" else net.arm}) for net in finished.run.nets]
    export_csv(finished.run.model_copy(update={"nets": tuple(renamed)}), tmp_path)
    nets = pl.read_csv(tmp_path / "nets.csv")
    assert "'=1+1" in nets["arm"].to_list()
    assert nets["generalization_gap"].dtype == pl.Float64, "a number below zero stays a number"
