"""A finished run read back from its folder."""

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dropnorm.errors import RunError
from dropnorm.study.runs.loading import load_run
from dropnorm.study.runs.store import STORE_NAME, TABLES, Store


def test_a_run_is_read_as_it_was_written(finished):
    run = load_run(finished.folder)
    assert run == finished.run
    assert load_run(str(finished.folder)) == run
    assert len(run.nets) == 12
    assert run.timing.seconds > 0


def test_reading_a_run_writes_nothing_and_shuts_no_other_reader_out(finished):
    path = finished.folder / "study.sqlite"
    before = path.read_bytes()
    reader = Store(path, read_only=True)
    try:
        assert load_run(finished.folder) == finished.run
        with pytest.raises(RunError, match="readonly"):
            reader.put(command="another")
    finally:
        reader.close()
    assert path.read_bytes() == before
    assert not list(finished.folder.glob("*-journal"))


def test_a_run_is_read_without_torch(finished):
    code = f"import sys, dropnorm; dropnorm.load_run({str(finished.folder)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    loaded = set(done.stdout.split())
    assert "dropnorm.study.runs.loading" in loaded
    assert not {"torch", "sklearn", "polars", "scipy"} & loaded


def test_a_folder_without_a_study(tmp_path, refuses):
    message = f"{tmp_path}: holds no study. Expected the folder that `dropnorm study` wrote (its --out)."
    with refuses(RunError, message):
        load_run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_is_not_finished(tmp_path, refuses):
    folder = tmp_path
    Store(folder / STORE_NAME).close()
    message = f"{folder}: its study is not finished. Start the same `dropnorm study` again, and it goes on."
    with refuses(RunError, message):
        load_run(folder)


def test_a_summary_that_cannot_be_read(tmp_path, refuses):
    Store(tmp_path / STORE_NAME).close()
    summary = tmp_path / "summary.json"
    summary.write_bytes(b"[")
    message = f"{summary}: is damaged. Start the same `dropnorm study` again: it writes the file anew."
    with refuses(RunError, message):
        load_run(tmp_path)


def damaged(path: Path, pages: range) -> None:
    """Overwrite some pages of 4096 bytes of a store."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek(4096 * page)
            file.write(b"\xa5" * 4096)


def test_a_run_whose_store_is_damaged(finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    damaged(folder / "study.sqlite", range(2, 12))
    with pytest.raises(RunError, match=r"study\.sqlite: cannot be read as a store \("):
        load_run(folder)
    (folder / "study.sqlite").write_bytes(finished.folder.joinpath("study.sqlite").read_bytes()[:5000])
    with pytest.raises(RunError, match=r"study\.sqlite: cannot be read as a store \("):
        load_run(folder)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DROP TABLE epochs", "no such table: epochs"),
        ("ALTER TABLE nets DROP COLUMN arm", "no such column: nets.arm"),
        ("UPDATE meta SET value = '3' WHERE name = 'command'", "meta.command: Input should be a valid string"),
        ("DELETE FROM meta WHERE name = 'command'", "meta.command: Input should be a valid string"),
        ("UPDATE meta SET value = '{}' WHERE name = 'timing'", "meta.timing.seconds: Field required"),
        ("UPDATE meta SET value = '{' WHERE name = 'pictures'", "meta.value: Expecting property name"),
        ("UPDATE nets SET reliability = '{}'", "nets.reliability.counts: Field required"),
    ],
)
def test_a_run_whose_store_was_edited(statement, reason, finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    with sqlite3.connect(folder / STORE_NAME) as database:
        database.execute(statement)
    database.close()
    message = rf"\A{re.escape(str(folder / STORE_NAME))}: cannot be read as a store \({re.escape(reason)}.*remove the file\.\Z"
    with pytest.raises(RunError, match=message):
        load_run(folder)


VALUES = ("NULL", "'text'", "x'00ff'", "-1", "1e999", "'{'", "'[1]'", "'NaN'", "2.5", f"'{'[' * 100_000}'")


@pytest.mark.parametrize("declared", TABLES, ids=lambda one: one.name)
def test_a_run_with_any_value_anywhere_in_its_store_is_read_or_refused(declared, finished, tmp_path):
    """Also where a table is none that dropnorm has made, and takes values of any type."""
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    path = folder / STORE_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"CREATE TABLE copied AS SELECT * FROM {declared.name}")
        database.execute(f"DROP TABLE {declared.name}")
        database.execute(f"ALTER TABLE copied RENAME TO {declared.name}")
    assert load_run(folder) == finished.run
    before, refused = path.read_bytes(), []
    for column in declared.fields:
        for value in VALUES:
            with closing(sqlite3.connect(path, isolation_level=None)) as database:
                database.execute(f'UPDATE {declared.name} SET "{column.name}" = {value}')
            try:
                load_run(folder)
            except RunError as error:
                refused.append(str(error))
            path.write_bytes(before)
    assert all(message.startswith(f"{path}: ") for message in refused)
    # What a finished run is read from; of the learning curve it has no rows.
    assert bool(refused) == (declared.name not in ("blocks", "curve_nets"))
