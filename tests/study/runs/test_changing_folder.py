"""The folder of a run changes while its study runs: the next save notices, and what is not there is not claimed."""

import shutil
import tempfile
from pathlib import Path

import pytest

import dropnorm as dn
from dropnorm.errors import StorageError
from dropnorm.study.files import remove_leftovers


def removed_store(folder):
    (folder / "study.sqlite").unlink()


def replaced_store(folder):
    shutil.copy(folder / "study.sqlite", folder / "copy")
    (folder / "copy").replace(folder / "study.sqlite")


def removed_folder(folder):
    shutil.rmtree(folder)


def moved_folder(folder):
    folder.rename(folder.with_name("moved"))


def replaced_folder(folder):
    moved_folder(folder)
    folder.mkdir()
    (folder / "study.sqlite").touch()


@pytest.mark.parametrize("change", [removed_store, replaced_store, removed_folder, moved_folder, replaced_folder])
def test_a_change_in_mid_run_is_noticed_at_the_next_save(change, table, quick, tmp_path):
    folder, epochs = tmp_path / "run", []

    def spoil(progress):
        if not epochs:
            change(folder)
        epochs.append(progress)

    with pytest.raises(StorageError, match=r"study\.sqlite: was removed, moved or replaced while the study ran"):
        dn.run_study(table, target="kind", out=folder, progress=spoil, **quick | {"epochs": 50, "patience": 50})
    assert len(epochs) <= 51, "no block is trained after the one whose end could not be saved"
    assert not list(tmp_path.rglob("summary.json"))


def test_leftovers_of_a_kill_are_cleaned_when_a_study_is_gone_on_with(table, quick, tmp_path):
    folder = tmp_path / "run"
    study = dn.run_study(table, target="kind", out=folder, **quick)
    before = sorted(folder.iterdir())
    kept = folder / ".model.safetensors.notes.txt"
    for path in (kept, folder / ".model.safetensors.a1b2c3d_", folder / ".summary.json.abcdefgh"):
        path.write_bytes(b"part")
    (folder / ".model.json.linkedto").symlink_to(kept)
    again = dn.run_study(table, target="kind", out=folder, **quick)
    assert again.summary == study.summary
    assert sorted(folder.iterdir()) == sorted([*before, kept, folder / ".model.json.linkedto"])


def test_of_other_names_nothing_is_removed(tmp_path):
    (tmp_path / ".other.abcdefgh").touch()
    remove_leftovers(tmp_path, ["model.json"])
    assert list(tmp_path.iterdir()) == [tmp_path / ".other.abcdefgh"]


def changed_in_mid_run(change, table, quick, folder, monkeypatch):
    """A study that saves after each epoch, in whose second one the folder changes."""
    monkeypatch.setattr("dropnorm.study.execution.SAVE_EVERY_SECONDS", 0.0)
    shown = []

    def progress(one):
        shown.append(one)
        if len(shown) == 2:
            change(folder)

    dn.run_study(table, target="kind", out=folder, progress=progress, **quick)


def test_a_folder_that_was_moved_goes_on_where_it_is_put_back(table, quick, tmp_path, monkeypatch):
    whole = dn.run_study(table, target="kind", out=tmp_path / "whole", **quick)
    with pytest.raises(StorageError):
        changed_in_mid_run(moved_folder, table, quick, tmp_path / "run", monkeypatch)
    (tmp_path / "moved").rename(tmp_path / "run")
    dn.run_study(table, target="kind", out=tmp_path / "run", **quick)
    for name in ("summary.json", "model.json", "model.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_folder_that_becomes_read_only_is_told_when_the_model_is_written(table, quick, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        StorageError, match=r"model\.safetensors: cannot be written \(Permission denied\): the run's folder"
    ):
        changed_in_mid_run(
            lambda _: monkeypatch.setattr(tempfile, "mkstemp", refuse), table, quick, Path("run"), monkeypatch
        )
    assert not Path("run/summary.json").exists()


@pytest.mark.parametrize("name", ["model.json", "model.safetensors", "summary.json", "study.toml"])
def test_a_folder_in_the_place_of_a_file_is_told(name, table, quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run", name).mkdir(parents=True)
    with pytest.raises(StorageError, match=rf"run/{name}: cannot be written \(Is a directory\)"):
        dn.run_study(table, target="kind", out="run", **quick)
