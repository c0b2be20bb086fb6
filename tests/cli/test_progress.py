import json


def test_what_is_going_on_is_told_in_plain_lines_beside_the_results(finished):
    _, _, stderr, _ = finished
    lines = stderr.splitlines()
    assert lines[0] == "insects.csv: 90 rows, 4 features, 3 classes; training 12 nets."
    assert len(lines) == 1 + 4
    assert lines[1].startswith(" 25 %  plain and dropout: epoch 1 of 2, 6 nets, validation ")
    assert ", at most " in lines[2]
    assert lines[-1].startswith("100 %  batch_norm and dropout+batch_norm: epoch 2 of 2, 6 nets, validation ")
    assert "left" not in lines[-1]
    assert "\x1b" not in stderr


def test_on_a_terminal_a_bar_takes_the_place_of_the_lines(study_of, run, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, err = run(*study_of("--arms", "dropout", "--out", tmp_path / "run", "--json"))
    assert code == 0
    assert [arm["name"] for arm in json.loads(out)["config"]["arms"]] == ["plain", "dropout"]
    assert "━" in err
    assert not any(line.startswith((" 50 %", "100 %")) for line in err.splitlines())
