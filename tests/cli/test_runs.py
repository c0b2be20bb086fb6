import json
import shutil

import pytest


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    """The current directory, with a finished run and a folder that is none."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished[3], tmp_path / "dropnorm-runs" / "insects-1")
    (tmp_path / "dropnorm-runs" / "notes").mkdir()
    return tmp_path


def test_runs_are_a_table_and_what_is_none_is_named_beside(folder, run):
    code, out, err = run("runs")
    assert code == 0
    rows = [line.split("│") for line in out.splitlines() if line.startswith("│")]
    assert [row[1].strip() for row in rows] == ["insects-1"]
    assert [cell.strip() for cell in rows[0][2:6]] == ["insects", "finished", "4", "12"]
    assert err == "dropnorm-runs/notes: holds no run.\n"


def test_json_has_all(folder, run):
    code, out, _ = run("runs", "dropnorm-runs", "--json")
    assert code == 0
    first, second = json.loads(out)
    assert (first["folder"], first["state"], first["nets"]) == ("dropnorm-runs/insects-1", "finished", 12)
    assert (second["state"], second["problem"]) == ("unreadable", "dropnorm-runs/notes: holds no run.")


def test_where_there_is_none_yet(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("runs") == (0, "", "There is no run in dropnorm-runs yet. `dropnorm study` makes one.\n")
    assert run("runs", "--json") == (0, "[]\n", "")
    (tmp_path / "others" / "notes").mkdir(parents=True)
    assert run("runs", "others") == (0, "", "others/notes: holds no run.\n")
    code, out, err = run("runs", "elsewhere")
    assert (code, out) == (2, "")
    assert err.startswith("dropnorm: elsewhere: is no folder. Expected one that holds runs")


def test_on_a_narrow_terminal_each_run_is_a_paragraph(folder, run, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = run("runs")
    assert "│" not in out
    name, *lines = out.splitlines()
    assert "insects-1" in name
    assert max(map(len, lines)) <= 60
    assert all(line.startswith("  ") for line in lines)
    assert "state finished" in out
    assert not any(line.endswith(("state", "nets", "plain")) for line in lines), "a header and its cell stay together"
