"""Opening a stranger's run touches no file but its own: super-journals, write-ahead logs, links, pipes, folders."""

import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys

import pytest

import dropnorm as dn
from dropnorm.errors import RunError
from dropnorm.study.runs.loading import load_run
from dropnorm.study.runs.store import Store
from dropnorm.study.runs.store_files import check_regular, check_store_files

MAGIC = bytes.fromhex("d9d505f920a163d7")


@pytest.fixture
def victim(tmp_path):
    """A file outside of the run, which nothing may change."""
    path = tmp_path / "victim.txt"
    path.write_bytes(b"precious")
    return path


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished.folder, tmp_path / "runs" / "run")


def super_journal(store, victim) -> bytes:
    """A hot journal that names a super-journal, which SQLite deletes after it has rolled back."""
    name, page = str(victim).encode(), 4096
    header = MAGIC + struct.pack(">5I", 0, 0, store.stat().st_size // page, 512, page)
    checksum = sum(byte - 256 if byte > 127 else byte for byte in name) & 0xFFFFFFFF
    tail = struct.pack(">I", 0x40000000 // page + 1) + name + struct.pack(">2I", len(name), checksum) + MAGIC
    return header.ljust(512, b"\0") + tail


def with_super_journal(run, victim):
    (run / "study.sqlite-journal").write_bytes(super_journal(run / "study.sqlite", victim))


def with_linked_journal(run, victim):
    (run / "study.sqlite-journal").symlink_to(victim)


def with_dangling_journal(run, victim):
    (run / "study.sqlite-journal").symlink_to(victim.with_name("not there"))


def with_journal_that_is_a_folder(run, victim):
    (run / "study.sqlite-journal").mkdir()


def with_linked_log(run, victim):
    (run / "study.sqlite-wal").symlink_to(victim)


def with_linked_shared_memory(run, victim):
    (run / "study.sqlite-shm").symlink_to(victim)


def with_log(run, victim):
    database = sqlite3.connect(run / "study.sqlite")
    database.execute("PRAGMA journal_mode = WAL")
    database.close()


def with_linked_store(run, victim):
    (run / "study.sqlite").rename(victim)
    (run / "study.sqlite").symlink_to(victim)


def with_dangling_store(run, victim):
    (run / "study.sqlite").unlink()
    (run / "study.sqlite").symlink_to(victim.with_name("made by opening"))


def with_pipe(run, victim):
    (run / "study.sqlite").unlink()
    os.mkfifo(run / "study.sqlite")


def with_folder(run, victim):
    (run / "study.sqlite").unlink()
    (run / "study.sqlite").mkdir()


def with_hard_link(run, victim):
    """The store is a file of the user's by another name, into which the journal would be played back."""
    shutil.copy(run / "study.sqlite", victim)
    (run / "study.sqlite").unlink()
    os.link(victim, run / "study.sqlite")
    header = MAGIC + struct.pack(">5I", 0, 0, 1, 512, 4096)
    (run / "study.sqlite-journal").write_bytes(header.ljust(512, b"\0"))


KINDS = [value for name, value in list(globals().items()) if name.startswith("with_")]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and not path.is_symlink()}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("spoil", KINDS, ids=lambda kind: kind.__name__)
def test_no_way_to_open_a_run_touches_a_file_outside(spoil, run, victim, table, quick):
    spoil(run, victim)
    before, inside = contents(victim.parent), contents(run)
    (listed,) = dn.list_runs(run.parent)
    assert listed.state == "unreadable"
    assert str(run) in listed.problem
    ways = [load_run, lambda folder: dn.run_study(table, target="kind", out=folder, **quick)]
    ways.append(lambda folder: dn.load_model(folder, net=0))
    if spoil is not with_log:  # a glance despite a lock opens no log
        ways.append(lambda folder: Store(folder / "study.sqlite", despite_lock=True))
    for way in ways:
        with pytest.raises(RunError, match=re.escape(str(run))):
            way(run)
    assert (contents(victim.parent), contents(run)) == (before, inside)


def test_the_made_up_super_journal_is_one_that_sqlite_follows(run, victim):
    """Without the check SQLite deletes the file: the test above proves something."""
    with_super_journal(run, victim)
    database = sqlite3.connect(run / "study.sqlite")
    database.execute("SELECT count(*) FROM meta").fetchall()
    database.close()
    assert not victim.exists()


def test_a_hard_link_without_a_journal_is_read(run, victim):
    """Backups are often made of hard links; without a journal nothing is written."""
    victim.unlink()
    os.link(run / "study.sqlite", victim)
    before = victim.read_bytes()
    load_run(run)
    assert victim.read_bytes() == before


def test_a_journal_of_our_own_is_in_order(run):
    (run / "study.sqlite-journal").write_bytes(b"\0" * 512)
    check_store_files(run / "study.sqlite")
    check_store_files(run / "not there")


def test_reading_a_run_leaves_its_lock_to_the_study_of_the_same_process(table, quick, tmp_path):
    """Closing a file gives up all locks of the process on the file: SQLite's would be lost while the study goes on."""
    folder, seen = tmp_path / "run", []

    def look(_):
        dn.list_runs(folder)
        other = "import dropnorm as dn, sys; print(dn.list_runs(sys.argv[1])[0].state)"
        if not seen:
            seen.append(subprocess.check_output([sys.executable, "-c", other, folder], text=True).strip())

    dn.run_study(table, target="kind", out=folder, progress=look, **quick)
    assert seen == ["running"]


def test_a_journal_that_vanishes_meanwhile_is_in_order(run, monkeypatch):
    """A study that is running removes its journal between two looks at the folder."""
    journal = run / "study.sqlite-journal"
    journal.write_bytes(b"\0" * 512)
    lstat = type(journal).lstat

    def vanishing(path):
        found = lstat(path)
        if path == journal:
            journal.unlink()
        return found

    monkeypatch.setattr(type(journal), "lstat", vanishing)
    check_store_files(run / "study.sqlite")
    assert not journal.exists()


def test_what_is_no_file_is_named(tmp_path, refuses):
    message = f"{tmp_path}: is a folder, where a run has a file. Put the file itself there, or use another --out."
    with refuses(RunError, message):
        check_regular(tmp_path)
    missing = tmp_path / "missing"
    message = f"{missing}: cannot be read (No such file or directory). Name a folder that `dropnorm study` wrote."
    with refuses(RunError, message):
        check_regular(missing)


def test_what_is_no_table_of_dropnorms_own_is_refused(run):
    path = run / "study.sqlite"
    for statement, reason in (
        ("CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM nets; END", r"holds the trigger t"),
        ("DROP TRIGGER t", None),
        ("CREATE VIEW v AS SELECT 1", r"holds the view v"),
        ("DROP VIEW v", None),
        ("CREATE INDEX i ON nets (hex(weights))", r"holds the index i"),
        ("DROP INDEX i", None),
        ("CREATE TABLE other (x)", r"holds the table other"),
        ("DROP TABLE other", None),
        ("DROP TABLE unit_inputs", r"no such table: unit_inputs"),
        ("CREATE VIRTUAL TABLE unit_inputs USING rtree(net, low, high)", r"holds the table unit_inputs"),
        ("DROP TABLE unit_inputs", None),
        ("CREATE TABLE unit_inputs (net CHECK (hex(zeroblob(9))))", r"the table unit_inputs computes"),
        ("DROP TABLE unit_inputs", None),
        ("CREATE TABLE unit_inputs (net, more TEXT AS (hex(zeroblob(9))))", r"the table unit_inputs computes"),
    ):
        database = sqlite3.connect(path)
        database.execute(statement)
        database.close()
        if reason:
            with pytest.raises(RunError, match=reason):
                load_run(run)
