"""Runs in short: what a folder holds, whatever has become of it."""

import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

import dropnorm as dn
from dropnorm.errors import RunError
from dropnorm.study.design import configure
from dropnorm.study.records import Beginning
from dropnorm.study.runs.listing import overview
from dropnorm.study.runs.store import Store


@pytest.fixture
def begin(tmp_path):
    """Begin a study of 2 x 2 nets of 4 epochs, without training any; returns its open store."""
    config = configure(arms="batch_norm", seeds=2, epochs=4)

    def make(name="begun", at=datetime(2026, 1, 2, tzinfo=UTC)):
        folder = tmp_path / name
        folder.mkdir()
        store = Store(folder / "study.sqlite")
        begun = Beginning(at=at, data="ants.csv", task="classification", nets=4)
        study = {"config": config.kept() | {"version": "0"}, "data": "f"}
        store.put(study=study, begun=begun.model_dump(mode="json"))
        return folder, store

    return make


def test_a_finished_run_is_told_by_its_summary(finished):
    (run,) = dn.list_runs(finished.folder)
    assert isinstance(run, dn.RunOverview)
    arms = {arm.arm: arm.test_score for arm in finished.summary.arms}
    assert (run.folder, run.state, run.data) == (str(finished.folder), "finished", "insects")
    assert run.arms == tuple(arms)
    assert run.nets == run.nets_finished == len(finished.run.nets)
    assert run.advised == finished.summary.advice.arm
    assert (run.plain, run.advised_score) == (arms["plain"], arms[run.advised])
    assert run.seconds == finished.run.timing.seconds
    assert timedelta(0) < datetime.now(UTC) - run.begun < timedelta(hours=1)


def test_nets_of_a_learning_curve_count_too(blobs, quick, tmp_path):
    given = quick | {"arms": "dropout", "learning_curve": True, "out": tmp_path / "run"}
    study = dn.run_study(*blobs(rows=400), **given)
    (run,) = dn.list_runs(tmp_path / "run")
    assert study.run.curve_nets
    assert run.nets == run.nets_finished == len(study.run.nets) + len(study.run.curve_nets)


def test_how_far_an_unfinished_one_is(begin, make_net, make_history):
    folder, store = begin()
    store.save_finished(0, [(make_net(0), b"")], make_history(0, [0.5, 0.4]), seconds=2.0)
    store.save_progress(1, b"state", make_history(1, [0.5, 0.4, 0.3]), seconds=1.5)
    store.close()
    run = overview(folder)
    assert (run.state, run.arms, run.nets, run.nets_finished) == ("unfinished", ("plain", "batch_norm"), 4, 1)
    assert run.done == (1 + 3 / 4) / 4
    assert run.seconds == 3.5
    assert run.plain is run.advised is run.advised_score is None


def test_one_that_another_process_writes_to_is_running(begin, make_history):
    folder, store = begin()
    assert overview(folder).state == "running"
    store.save_progress(1, b"state", make_history(1, [0.5, 0.4]), seconds=1.5)
    run = overview(folder)
    assert (run.state, run.data, run.done) == ("running", "ants.csv", 2 / 4 / 4)
    store.close()
    assert overview(folder).state == "unfinished"


def test_one_that_was_killed_while_it_wrote_is_read_as_it_was_before(begin, make_history, tmp_path):
    folder, store = begin()
    store.save_progress(0, b"state", make_history(0, [0.5]), seconds=1.0)
    store._db.execute("PRAGMA cache_size = 1")
    store._db.execute("BEGIN IMMEDIATE")
    # More than the cache holds goes to the file before the transaction ends.
    store._db.execute("UPDATE blocks SET state = zeroblob(1000000)")
    store._db.execute("DELETE FROM epochs")
    killed = tmp_path / "killed"
    shutil.copytree(folder, killed)
    assert (killed / "study.sqlite-journal").exists()
    assert overview(killed).done == 1 / 4 / 4
    store._db.execute("ROLLBACK")
    store.close()


def test_runs_are_listed_with_the_latest_first(begin, finished, tmp_path):
    for name, day in (("early", 1), ("late", 3), ("between", 2)):
        begin(name, datetime(2030, 1, day, tzinfo=UTC))[1].close()
    shutil.copytree(finished.folder, tmp_path / "finished")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes.txt").write_text("no run")
    found = [run.folder.rpartition("/")[2] for run in dn.list_runs(tmp_path)]
    assert found == ["late", "between", "early", "finished", "empty"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("study.sqlite", b"no database", r"study\.sqlite: cannot be read as a store \(file is not a database\)"),
        ("study.sqlite", b"", r"study\.sqlite: cannot be read as a store \(no such table"),
        ("summary.json", b'{"schema_version": 4}', r"summary\.json: is damaged \(.*required\)\. Start the same"),
        ("summary.json", b'{"schema_ve', r"summary\.json: is damaged\. Start the same"),
        ("summary.json", b'{"schema_version": 9}', r"summary\.json: was written by a newer dropnorm \(schema 9"),
    ],
)
def test_one_that_cannot_be_read_is_named(name, content, problem, finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    (folder / name).write_bytes(content)
    (run,) = dn.list_runs(tmp_path)
    assert run.state == "unreadable"
    with pytest.raises(RunError, match=problem):
        raise RunError(run.problem)


def test_foreign_stores_and_folders_are_named(finished, begin, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    assert overview(foreign).problem == f"{foreign}: holds no run."
    newer = shutil.copytree(finished.folder, tmp_path / "newer")
    with sqlite3.connect(newer / "study.sqlite") as database:
        database.execute("UPDATE meta SET value = '5' WHERE name = 'schema_version'")
    database.close()
    assert "newer dropnorm (schema 5" in overview(newer).problem
    folder, store = begin()
    store.put(study={"config": {"arms": "none"}})
    store.close()
    assert "study.sqlite: cannot be read as a store (meta.study.data: Field required)" in overview(folder).problem
    folder, store = begin("named")
    store.put(study={"config": {"arms": "none"}, "data": "f"})
    store.close()
    assert "study.sqlite: is damaged" in overview(folder).problem
    with pytest.raises(RunError, match=r"not_there: is no folder\. Expected one that holds runs"):
        dn.list_runs(tmp_path / "not_there")


def test_listing_loads_neither_torch_nor_what_draws(finished):
    code = (
        f"import sys, dropnorm as dn; from dropnorm.report.runs import runs_table; "
        f"assert runs_table(dn.list_runs({str(finished.folder)!r})).rows; "
        f"print(*{{'torch', 'sklearn', 'scipy', 'polars', 'numpy', 'plotly'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
